"""Lookup tables made up for tests: as values and as the bytes of a file."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from shared.adapters.lookup_tables import parse_lookup_table
from shared.safe import ICE_BANDS
from shared.science.retrieval import LookupTable
from tests.small_l2a import Scene


def content(count: int = 40, *, seed: int = 1, zeniths: tuple[float, ...] = ()) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a table of random spectra of two parameters; the angles in ``zeniths`` by turns, where any."""
    random = np.random.default_rng(seed)
    arrays: dict[str, npt.NDArray[Any]] = {
        "parameters": np.array(["grain_radius", "algae"]),
        "units": np.array(["um", "ng g-1"]),
        "values": np.column_stack([random.uniform(100, 2000, count), random.uniform(0, 1e5, count)]),
        "spectra": random.uniform(0, 1, (count, len(ICE_BANDS))),
    }
    return arrays | ({"sun_zenith": np.resize(zeniths, count)} if zeniths else {})


def like(scene: Scene, count: int = 300, *, zeniths: tuple[float, ...] = ()) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a table whose spectra are some of the scene's pixels, disturbed."""
    random = np.random.default_rng(2)
    at = random.integers(0, scene.truth.size, count)
    pixels = np.column_stack([scene.reflectance[band].reshape(-1)[at] for band in ICE_BANDS])
    spectra = np.clip(pixels + random.normal(0, 0.01, pixels.shape), 0, 1.5)
    return content(count, zeniths=zeniths) | {"spectra": spectra.astype(np.float32)}


def npz(**arrays: Any) -> bytes:
    """The file that holds ``arrays``."""
    body = BytesIO()
    np.savez_compressed(body, **arrays)
    return body.getvalue()


def table(**arrays: Any) -> LookupTable:
    """The table of a file that holds ``arrays``."""
    return parse_lookup_table(npz(**arrays), name="models/table.npz")
