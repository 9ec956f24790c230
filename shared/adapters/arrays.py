"""Arrays of an ``.npz`` file that comes from outside (NumPy's NEP 1), read without pickle.

What an array's header claims is compared with the bytes that are there before anything of that size is made.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
import numpy.typing as npt

from shared.models import shown

_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def parse_array(data: bytes, name: str) -> npt.NDArray[np.generic]:
    """The array in the bytes of a ``.npy`` file, which it is a view of and cannot be written to.

    Raises ValueError naming the array where it holds objects or its header claims more or less than is there.
    """
    stream = BytesIO(data)
    version = np.lib.format.read_magic(stream)
    if version not in _HEADERS:
        raise ValueError(f"The array '{name}' has the format {version[0]}.{version[1]}; expected 1.0 or 2.0.")
    shape, is_fortran, dtype = _HEADERS[version](stream)
    if dtype.hasobject:
        raise ValueError(f"The array '{name}' holds objects; expected numbers or text.")
    count = int(np.prod(shape, dtype=object))  # whole numbers of Python: no claim makes it overflow
    if count * dtype.itemsize != len(data) - stream.tell():
        raise ValueError(f"The array '{name}' is not of the shape {shown(shape)} that its header claims.")
    return np.frombuffer(data, dtype, count, stream.tell()).reshape(shape, order="F" if is_fortran else "C")
