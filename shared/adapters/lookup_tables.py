"""Lookup tables as ``.npz`` files: plain arrays, read without pickle. docs/retrievals.md describes the format.

They come from outside, and nothing in them is executed.
"""

from __future__ import annotations

import hashlib
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from shared.adapters.arrays import parse_array
from shared.errors import BadModel
from shared.models import shown
from shared.science.retrieval import LookupTable, Parameter, check_shapes

MOST_BYTES = 128 * 1024 * 1024  # of the file, and of its arrays together; the largest table has 67 MB
_TEXTS, _NUMBERS, _OPTIONAL = ("parameters", "units"), ("values", "spectra"), "sun_zenith"


def load_lookup_table(path: Path) -> LookupTable:
    """The table in a file; BadModel where it cannot be read or used."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise too_large(path.name, path.stat().st_size)
        data = path.read_bytes()
    except OSError as cause:
        raise BadModel(f"The lookup table {shown(path)} cannot be read: {cause.strerror}.") from cause
    return parse_lookup_table(data, name=path.name)


def too_large(name: str, size: int) -> BadModel:
    """That a file of ``size`` bytes is not taken."""
    return BadModel(f"The lookup table {shown(name)} has {size} bytes; at most {MOST_BYTES} are accepted.")


def parse_lookup_table(data: bytes, *, name: str) -> LookupTable:
    """The table in the bytes of an ``.npz`` file, called ``name`` in results and errors. Raises BadModel."""
    if len(data) > MOST_BYTES:
        raise too_large(name, len(data))
    try:
        return _table(_arrays(data), name, hashlib.sha256(data).hexdigest())
    except ValueError as cause:
        raise BadModel(f"The lookup table {shown(name)} is refused: {shown(cause, 300)}") from cause
    except Exception as cause:  # a damaged zip raises many things; whatever it is, the file is unreadable
        raise BadModel(f"The lookup table {shown(name)} is unreadable: {shown(cause)}.") from cause


def _table(arrays: dict[str, npt.NDArray[np.generic]], name: str, sha256: str) -> LookupTable:
    _check(arrays)
    names, units = ([str(text) for text in arrays[one]] for one in _TEXTS)
    values, spectra = (arrays[one].astype(np.float64) for one in _NUMBERS)
    zenith = arrays[_OPTIONAL].astype(np.float64) if _OPTIONAL in arrays else None
    parameters = tuple(Parameter(one, unit) for one, unit in zip(names, units, strict=True))
    return LookupTable(name, sha256, parameters, values, spectra, zenith)


def _check(arrays: dict[str, npt.NDArray[np.generic]]) -> None:
    """Kinds and shapes, before anything is made of the arrays: numbers of one byte would become eight times as much."""
    for name in _TEXTS:
        _check_kind(name, arrays[name], "U", "text in one", 1)
    names, units = (len(arrays[name]) for name in _TEXTS)
    if names != units:
        raise ValueError(f"It names {names} parameters and {units} units.")
    dimensions = {**dict.fromkeys(_NUMBERS, 2), _OPTIONAL: 1}
    numbers = {name: arrays[name] for name in dimensions if name in arrays}
    for name, array in numbers.items():
        _check_kind(name, array, "fiu", f"real numbers in {dimensions[name]}", dimensions[name])
    check_shapes(names, {name: array.shape for name, array in numbers.items()})


def _check_kind(name: str, array: npt.NDArray[np.generic], kinds: str, expected: str, dimensions: int) -> None:
    if array.dtype.kind not in kinds or array.ndim != dimensions:
        raise ValueError(f"The array '{name}' is {array.dtype} in {array.ndim} dimensions; expected {expected}.")


def _arrays(data: bytes) -> dict[str, npt.NDArray[np.generic]]:
    with zipfile.ZipFile(BytesIO(data)) as archive:
        sizes = {entry.filename.removesuffix(".npy"): entry.file_size for entry in archive.infolist()}
        needed = {*_TEXTS, *_NUMBERS}
        if len(sizes) != len(archive.infolist()) or not needed <= sizes.keys() <= {*needed, _OPTIONAL}:
            raise ValueError(
                f"It should hold the arrays {', '.join((*_TEXTS, *_NUMBERS))}, perhaps {_OPTIONAL}, and nothing else."
            )
        if sum(sizes.values()) > MOST_BYTES:
            raise ValueError(f"Its arrays have {sum(sizes.values())} bytes; at most {MOST_BYTES} are accepted.")
        return {name: parse_array(archive.read(f"{name}.npy"), name) for name in sizes}
