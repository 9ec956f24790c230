"""A Copernicus Data Space on this machine: real protocols, synthetic products, faults on demand."""

from local.copernicus.faults import Fault, Harmless, Kind, TooManyRequests, Truncate, Unavailable, WrongChecksum
from local.copernicus.server import SimulatedCopernicus
from local.copernicus.tokens import Lifetimes

__all__ = [
    "Fault",
    "Harmless",
    "Kind",
    "Lifetimes",
    "SimulatedCopernicus",
    "TooManyRequests",
    "Truncate",
    "Unavailable",
    "WrongChecksum",
]
