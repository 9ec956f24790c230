"""A Copernicus Data Space and a DHuS hub on this machine: real protocols, synthetic products, faults on demand."""

from local.copernicus.app import Paging
from local.copernicus.faults import (
    Drip,
    Fault,
    Forbidden,
    Harmless,
    Kind,
    Meanwhile,
    NoChecksum,
    Redirect,
    Repeated,
    Stall,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongChecksum,
)
from local.copernicus.server import SimulatedCopernicus
from local.copernicus.tokens import Lifetimes

__all__ = [
    "Drip",
    "Fault",
    "Forbidden",
    "Harmless",
    "Kind",
    "Lifetimes",
    "Meanwhile",
    "NoChecksum",
    "Paging",
    "Redirect",
    "Repeated",
    "SimulatedCopernicus",
    "Stall",
    "TooManyRequests",
    "Truncate",
    "Unavailable",
    "WrongChecksum",
]
