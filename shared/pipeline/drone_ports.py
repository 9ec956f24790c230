"""What mapping an orthomosaic asks of the outside."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

import numpy as np
import numpy.typing as npt

from shared.pipeline.surface_ports import Quicklook, Rasters
from shared.science.drone_bands import Choice
from shared.science.orthomosaic import Place
from shared.science.windows import Window


class Orthomosaic(Protocol):
    """An open orthomosaic; used by one thread at a time."""

    @property
    def place(self) -> Place:
        """Where it lies."""
        ...

    @property
    def block(self) -> tuple[int, int]:
        """Rows, columns of the blocks that are decoded as a whole."""
        ...

    @property
    def choice(self) -> Choice:
        """Which of its bands are those of the model."""
        ...

    @property
    def is_scaled(self) -> bool:
        """Whether the file says how its numbers become reflectances, by a scale or as floating point; else a guess."""
        ...

    @property
    def taken(self) -> datetime | None:
        """The time that the file states."""
        ...

    def read(self, window: Window) -> npt.NDArray[np.uint16]:
        """Numbers of `shared.science.orthomosaic.RADIOMETRY`, (DRONE_BANDS, rows, columns); BadProduct if damaged."""
        ...


class Orthomosaics(Protocol):
    """Opens orthomosaics."""

    def open(self, file: BinaryIO, label: str) -> AbstractContextManager[Orthomosaic]:
        """Open the GeoTIFF in ``file``; BadProduct beginning with ``label`` where it cannot be classified."""
        ...


@dataclass(frozen=True, slots=True)
class DroneTools:
    """The adapters a run needs."""

    orthomosaics: Orthomosaics
    rasters: Rasters
    quicklook: Quicklook
