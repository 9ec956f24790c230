"""What the API answers about products, tiles and failures: its public shape."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from shared.models import State
from shared.pipeline.overview import TileOverview
from shared.pipeline.overview_calendar import CalendarMonth
from shared.pipeline.overview_failures import Failures
from shared.pipeline.overview_series import Point
from shared.pipeline.surface_results import is_approximate
from shared.records import Record

_NAME = "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"


class Answer(BaseModel):
    """What all answers share."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ProductAnswer(Answer):
    """One product of the ledger, as lists show it."""

    tile: str = Field(examples=["22WEV"], description="Tile, 'drone', or 'refused' for what is no product")
    product: str = Field(examples=[_NAME])
    state: State = Field(examples=["CLASSIFIED"])
    reason: str = Field(description="Why, a sentence; empty for the happy states", examples=[""])
    sensing: datetime | None = Field(examples=["2021-07-02T15:09:11Z"])
    l2a: str = Field(description="Name of the L2A product made from it")
    processor: str = Field(description="What corrected it", examples=["Sen2Cor 02.12.03"])
    approximate: bool = Field(description="By the stand-in for Sen2Cor, good for trying out only")
    results: str = Field(description="Path of the result folder; empty before there are results")
    usable_percent: float | None = Field(description="Usable share of the whole tile", examples=[83.2])
    class_percent: dict[str, float] = Field(description="Share of each class in what is classified, percent")
    albedo_mean: float | None = Field(description="Broadband albedo over what is classified", examples=[0.43])
    index_mean: float | None = Field(description="Algae index 2DBA over clean ice and algae", examples=[1.02])
    seconds: dict[str, float] = Field(description="Duration of each step", examples=[{"stage": 61.2}])
    href: str = Field(description="Address of everything that is known about it", examples=[f"/api/products/{_NAME}"])


class FileAnswer(Answer):
    """One file of a result."""

    name: str = Field(examples=["T22WEV_20210702T150911_CLASS_20m.tif"])
    bytes: int = Field(examples=[912_440])
    href: str = Field(description="Its address, which works for an hour without a key")


class ProductDetail(ProductAnswer):
    """Everything that is known about one product."""

    id: str = Field(description="The provider's identifier")
    bytes: int = Field(description="Size of the L1C zip")
    checksum: str
    baseline: str = Field(description="Processing baseline", examples=["0511"])
    orbit: int = Field(description="Relative orbit", examples=[25])
    class_km2: dict[str, float] = Field(description="Area of each class")
    albedo_sd: float | None
    index_sd: float | None
    model: str = Field(description="The classifier", examples=["ice_surface 1.0.0"])
    times: dict[str, datetime] = Field(description="When each step was done, and when it was sensed and published")
    attempts: dict[str, int] = Field(description="Tries of each step")
    cost_usd: dict[str, float] = Field(
        description="Estimated cost of each step's last run, US dollars, where its prices are known",
        examples=[{"stage": 0.0032}],
    )
    error: str = Field(description="What went wrong last and may pass by itself")
    note: str = Field(description="What the provider did to it after it was processed")
    successor: str = Field(description="The product of the same acquisition that takes its place")
    files: list[FileAnswer] = Field(description="Its results")
    links: dict[str, str] = Field(
        description="Addresses of its tile's calendar and series and of its STAC Item; of what has no tile, of its list"
    )


class Products(Answer):
    """One page of the product list, newest acquisition first."""

    total: int = Field(description="Products that match, over all pages", examples=[5000])
    products: list[ProductAnswer]
    next: str | None = Field(description="Address of the next page; null on the last")
    at: datetime = Field(description="When the ledger was read")


class TileAnswer(Answer):
    """One tile."""

    tile: str = Field(examples=["22WEV"])
    areas: list[str] = Field(description="Areas of the watchlist that name it", examples=[["Dark zone"]])
    states: dict[State, int] = Field(description="Products per state", examples=[{"CLASSIFIED": 12, "FAILED": 1}])
    latest: ProductAnswer | None = Field(description="The newest acquisition that is classified")
    last_sensing: datetime | None = Field(description="When the newest acquisition was taken, whatever became of it")
    last_success: datetime | None = Field(description="When a product was last classified")

    @classmethod
    def of(cls, tile: TileOverview) -> TileAnswer:
        """The answer for one tile."""
        return cls(
            tile=tile.tile,
            areas=list(tile.areas),
            states=dict(tile.states),
            latest=product(tile.latest) if tile.latest else None,
            last_sensing=tile.last_sensing,
            last_success=tile.last_success,
        )


class Tiles(Answer):
    """All tiles, by name."""

    tiles: list[TileAnswer]


class DayEntry(Answer):
    """One acquisition of a day."""

    product: str = Field(examples=[_NAME])
    state: State
    reason: str
    usable_percent: float | None


class MonthAnswer(Answer):
    """One month of the calendar."""

    month: str = Field(examples=["2021-07"])
    states: dict[State, int] = Field(description="Products per state")
    days: dict[date, list[DayEntry]] = Field(description="Days with acquisitions")
    searched: datetime | None = Field(description="When the catalogue was last searched for it; null: never")
    found: int | None = Field(description="Products in the catalogue then")
    asked: datetime | None = Field(description="When a person last asked for it; null: never")
    error: str = Field(description="Why the last search failed; empty after one that did not")

    @classmethod
    def of(cls, month: CalendarMonth) -> MonthAnswer:
        """The answer for one month."""
        known = month.searched
        return cls(
            month=month.month.key,
            states=dict(month.states),
            days={day: [_entry(record) for record in records] for day, records in month.days.items()},
            searched=known.searched if known else None,
            found=known.found if known else None,
            asked=known.asked if known else None,
            error=known.error if known else "",
        )


def _entry(record: Record) -> DayEntry:
    return DayEntry(product=record.name, state=record.state, reason=record.reason, usable_percent=record.usable_percent)


class CalendarAnswer(Answer):
    """The completeness calendar of a tile for one year."""

    tile: str = Field(examples=["22WEV"])
    year: int = Field(examples=[2021])
    years: list[int] = Field(description="Years with acquisitions, newest first")
    months: list[MonthAnswer] = Field(description="Twelve months")


class PointAnswer(Answer):
    """One classified acquisition of a time series."""

    sensing: datetime
    product: str
    l2a: str
    usable_percent: float | None
    class_percent: dict[str, float]
    class_km2: dict[str, float]
    albedo_mean: float | None
    albedo_sd: float | None
    index_mean: float | None
    index_sd: float | None
    processor: str
    approximate: bool

    @classmethod
    def of(cls, point: Point, classes: frozenset[str]) -> PointAnswer:
        """The answer for one point, with the shares and areas of ``classes`` (none: of all)."""
        answer = cls.model_validate(point)
        if not classes:
            return answer

        def narrowed(shares: Mapping[str, float]) -> dict[str, float]:
            return {short: value for short, value in shares.items() if short in classes}

        changes = {"class_percent": narrowed(point.class_percent), "class_km2": narrowed(point.class_km2)}
        return answer.model_copy(update=changes)


class SeriesAnswer(Answer):
    """The time series of a tile, oldest first."""

    tile: str = Field(examples=["22WEV"])
    points: list[PointAnswer]


class FailureKind(Answer):
    """Products that failed for the same reason."""

    key: str = Field(description="Names the kind in orders", examples=["4b1f0c9a77de"])
    reason: str = Field(description="The sentence, with … for what differs", examples=["… is damaged: … missing."])
    step: str = Field(description="The step in which most of them failed", examples=["classify"])
    count: int = Field(examples=[3])
    products: list[ProductAnswer] = Field(description="The newest of them, at most a hundred")

    @classmethod
    def of(cls, kind: Failures) -> FailureKind:
        """The answer for one kind."""
        newest = [product(record) for record in kind.records[:100]]
        return cls(key=kind.key, reason=kind.reason, step=kind.step, count=len(kind.records), products=newest)


class FailuresAnswer(Answer):
    """What failed, grouped by reason, the most frequent first."""

    total: int
    kinds: list[FailureKind]


def product(record: Record) -> ProductAnswer:
    """The answer for one record of the ledger."""
    return ProductAnswer(**facts(record))


def facts(record: Record) -> dict[str, object]:
    """What lists show of ``record``, by field."""
    return {
        "tile": record.partition,
        "product": record.name,
        "state": record.state,
        "reason": record.reason,
        "sensing": record.times.get("sensing"),
        "l2a": record.l2a,
        "processor": record.processor,
        "approximate": is_approximate(record.processor),
        "results": record.results,
        "usable_percent": record.usable_percent,
        "class_percent": dict(record.class_percent),
        "albedo_mean": record.albedo_mean,
        "index_mean": record.index_mean,
        "seconds": dict(record.seconds),
        "href": f"/api/products/{quote(record.name, safe='')}",
    }
