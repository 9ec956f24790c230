"""Grids and the windows they are worked through in: pure geometry."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Grid:
    """A north-up raster grid in a projected coordinate system."""

    epsg: int
    left: float  # easting of the outer corner of the first pixel, metres
    top: float  # northing of the same corner, metres
    pixel: float  # side of a pixel, metres
    rows: int
    columns: int

    def __post_init__(self) -> None:
        if self.rows < 1 or self.columns < 1 or self.pixel <= 0:
            raise ValueError(f"A grid of {self.rows} x {self.columns} pixels of {self.pixel:g} m cannot be.")

    @property
    def crs(self) -> str:
        """The coordinate system as authority and code."""
        return f"EPSG:{self.epsg}"

    @property
    def shape(self) -> tuple[int, int]:
        """Rows, columns."""
        return self.rows, self.columns

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.rows * self.columns

    @property
    def pixel_km2(self) -> float:
        """Area of one pixel in square kilometres."""
        return (self.pixel / 1000) ** 2

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Affine coefficients (a, b, c, d, e, f): x = a col + b row + c, y = d col + e row + f."""
        return self.pixel, 0.0, self.left, 0.0, -self.pixel, self.top

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east, north in metres."""
        return self.left, self.top - self.rows * self.pixel, self.left + self.columns * self.pixel, self.top


@dataclass(frozen=True, slots=True)
class Georeference:
    """Where an image file says that it lies."""

    crs: str  # authority and code, or the system's name; "": the file states none
    transform: tuple[float, float, float, float, float, float]  # as that of Grid

    def fits(self, grid: Grid) -> bool:
        """Whether both outer corners lie where those of ``grid`` do, to less than a pixel."""
        a, b, c, d, e, f = self.transform
        rows, columns = grid.shape
        left, bottom, right, top = grid.bounds
        off = (c - left, f - top, c + a * columns + b * rows - right, f + d * columns + e * rows - bottom)
        return self.crs in {"", grid.crs} and all(abs(metres) < grid.pixel for metres in off)

    def __str__(self) -> str:
        return f"{self.transform[2]:.12g}, {self.transform[5]:.12g} in {self.crs or 'no named coordinate system'}"


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels inside a grid."""

    row: int  # first row
    column: int  # first column
    height: int  # rows
    width: int  # columns

    def __post_init__(self) -> None:
        if self.row < 0 or self.column < 0 or self.height < 1 or self.width < 1:
            raise ValueError(f"A window at {self.row}, {self.column} of {self.height} x {self.width} cannot be.")

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns as slices into an array of the whole grid."""
        return slice(self.row, self.row + self.height), slice(self.column, self.column + self.width)

    def within(self, outer: Window) -> Window:
        """The same pixels, counted from the first row and column of ``outer``, which holds them."""
        return Window(self.row - outer.row, self.column - outer.column, self.height, self.width)


def windows(shape: tuple[int, int], size: tuple[int, int]) -> Iterator[Window]:
    """Windows of at most ``size`` that cover ``shape`` once, row by row; both are (rows, columns)."""
    rows, columns = shape
    height, width = size
    for row in range(0, rows, height):
        for column in range(0, columns, width):
            yield Window(row, column, min(height, rows - row), min(width, columns - column))


def aligned(block: tuple[int, int], target: int) -> tuple[int, int]:
    """The size of windows of about ``target`` pixels a side that never cut a ``block`` (rows, columns) in two."""
    rows, columns = block
    return rows * max(1, target // rows), columns * max(1, target // columns)


@dataclass(frozen=True, slots=True)
class Thinning:
    """Every ``step``-th pixel of both axes of a grid, gathered window by window: a small picture of a big raster."""

    step: int

    @classmethod
    def to_fit(cls, shape: tuple[int, int], longest: int) -> Thinning:
        """The thinning that brings ``shape`` to at most ``longest`` pixels a side."""
        return cls(max(1, -(-max(shape) // longest)))

    def shape(self, shape: tuple[int, int]) -> tuple[int, int]:
        """Rows, columns of the thinned raster."""
        return -(-shape[0] // self.step), -(-shape[1] // self.step)

    def pick(self, window: Window) -> tuple[slice, slice]:
        """Which pixels of ``window`` are kept."""
        return slice(-window.row % self.step, None, self.step), slice(-window.column % self.step, None, self.step)

    def place(self, window: Window) -> tuple[slice, slice]:
        """Where in the thinned raster they go."""
        return (
            slice(-(-window.row // self.step), -(-(window.row + window.height) // self.step)),
            slice(-(-window.column // self.step), -(-(window.column + window.width) // self.step)),
        )
