"""Where an export finds the results of a season: in the store of an account or host, or in a folder of result files."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shared.errors import BadName, NotFound
from shared.models import RESULT_MANIFEST, BlobPath, ProductName, State, Tile, TileMonth, shown
from shared.ports import ObjectStore
from shared.records import Record

_log = logging.getLogger("icewatch")
_SOUTH = "CDEFGHJKLM"  # latitude bands of MGRS


@dataclass(frozen=True, slots=True)
class Season:
    """The time in which the ice of a tile melts, with the winter around it: twelve months."""

    tile: Tile
    year: int  # in which the season begins

    @property
    def start(self) -> datetime:
        """First instant: of the year, or in the southern hemisphere of its July."""
        return datetime(self.year, 7 if self.is_southern else 1, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """First instant after it."""
        return self.start.replace(year=self.year + 1)

    @property
    def is_southern(self) -> bool:
        """Whether the tile lies south of the equator."""
        return self.tile.name[2] in _SOUTH

    @classmethod
    def parse(cls, tile: str, year: int) -> Season:
        """Read a tile and a year; raise BadName where one is none of Sentinel-2."""
        return cls(TileMonth(Tile.parse(tile), year, 12).tile, year)

    def holds(self, at: datetime | None) -> bool:
        """Whether ``at`` lies in it."""
        return at is not None and self.start <= at < self.end

    def __str__(self) -> str:
        return f"{self.year}/{(self.year + 1) % 100:02d}" if self.is_southern else str(self.year)


@dataclass(frozen=True, slots=True)
class Acquisition:
    """The complete results of one product in a local folder."""

    product: ProductName  # the L2A product
    item: Path  # its STAC Item; the layers lie beside it


def records_of(season: Season, records: Iterable[Record]) -> list[Record]:
    """The ledger's records of the season, in sensing order."""
    mine = [record for record in records if season.holds(record.times.get("sensing"))]
    return sorted(mine, key=lambda record: (record.times["sensing"], record.name))


def fetch(
    records: Iterable[Record], store: ObjectStore, folder: Path, *, progress: Callable[[int, int], None]
) -> list[Acquisition]:
    """Copy the layers and STAC Items of those ``records`` that have maps into ``folder``.

    NotFound where a classified product has lost them; one that failed since, or waits, is left out with a warning.
    """
    chosen = [record for record in records if record.has_results]
    found = []
    for number, record in enumerate(chosen):
        progress(number, len(chosen))
        try:
            found.append(_copy(BlobPath.parse(record.results), store, folder))
        except NotFound as error:
            if record.state is State.CLASSIFIED:
                raise
            _log.warning("export: %s is %s and left out. %s", record.name, record.state, error)
    progress(len(chosen), len(chosen))
    return found


def _copy(results: BlobPath, store: ObjectStore, folder: Path) -> Acquisition:
    product = ProductName.parse(results.name.rpartition("/")[2])
    target = folder / product.safe
    target.mkdir(parents=True, exist_ok=True)
    item = f"{product}.json"
    for info in store.list(results):
        name = info.path.name.removeprefix(f"{results.name}/")
        if name == item or name.endswith(".tif"):
            (target / Path(name).name).write_bytes(store.read(info.path))
    if not (target / item).is_file():
        raise NotFound(f"The results {results} have no {item}; 'retry' classifies the product again.")
    return Acquisition(product, target / item)


def in_folder(folder: Path, season: Season) -> list[Acquisition]:
    """The complete result folders of the season below ``folder``; NotFound where there is none, with what there is."""
    if not folder.is_dir():
        raise NotFound(f"There is no folder {shown(folder)}.")
    every = sorted(_complete(folder), key=lambda one: (one.product.sensing, str(one.product)))
    mine = [one for one in every if one.product.tile == season.tile and season.holds(one.product.sensing)]
    if not mine:
        years = sorted({f"{one.product.tile} {one.product.sensing:%Y}" for one in every})
        there = f"there are results of {', '.join(years[:20])}" if years else "there are no results at all"
        raise NotFound(f"{shown(folder)} holds no results of {season.tile} in the season {season}; {there}.")
    return mine


def _complete(folder: Path) -> Iterator[Acquisition]:
    for manifest in folder.rglob(RESULT_MANIFEST):
        try:
            product = ProductName.parse(str(json.loads(manifest.read_bytes())["product"]))
        except (ValueError, KeyError, TypeError, BadName):  # a manifest of something else
            continue
        item = manifest.with_name(f"{product}.json")
        if item.is_file():
            yield Acquisition(product, item)
