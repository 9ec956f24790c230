"""Frozen values that every part shares: tiles, months, product names, states and blob paths.

What comes from outside is parsed here and refused here; code that holds one of these values never checks
it again. Times are timezone-aware UTC. Names follow the Sentinel-2 compact naming convention (ESA,
"Sentinel-2 Products Specification Document", in use since 2016-12-06).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, Self

from shared.errors import BadName, LongProductName

# MGRS: 60 zones, latitude bands C-X, columns A-Z, rows A-V; I and O are never used.
_TILE = r"(?:0[1-9]|[1-5][0-9]|60)[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V]"
_STAMP = r"[0-9]{8}T[0-9]{6}"
_TILE_RE = re.compile(rf"T?({_TILE})")
_MONTH_RE = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")
_PRODUCT_RE = re.compile(
    rf"(?P<platform>S2[A-Z])_MSI(?P<level>L1C|L2A)_(?P<sensing>{_STAMP})_N(?P<baseline>[0-9]{{4}})"
    rf"_R(?P<orbit>[0-9]{{3}})_T(?P<tile>{_TILE})_(?P<discriminator>{_STAMP})"
)
_LONG_PRODUCT_RE = re.compile(r"S2[A-Z]_(OPER|USER)_PRD_MSIL(1C|2A)_[A-Z_]{4}_[0-9T]+_R[0-9]{3}_V.*")
_STAMP_FORMAT = "%Y%m%dT%H%M%S"
_FIRST_YEAR = 2015  # Sentinel-2A was launched on 2015-06-23
_LAST_YEAR = 2100  # storage services refuse or mangle years far from ours


def in_mission(at: datetime) -> datetime:
    """``at`` in UTC (a naive one is taken for UTC); raise ValueError unless it lies in the time of Sentinel-2."""
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"{at:%Y-%m-%d} is outside the years {_FIRST_YEAR} to {_LAST_YEAR} of Sentinel-2.")
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _instant(text: str, whole: str) -> datetime:
    try:
        return in_mission(datetime.fromisoformat(text))  # ten times as fast as strptime, and views parse every name
    except ValueError as cause:
        raise BadName(f"'{whole}' holds '{text}', which is no date and time of Sentinel-2.") from cause


def shown(text: object, limit: int = 120) -> str:
    """``text`` shortened and without control characters, fit for an error sentence or a log line."""
    clean = "".join(c if c.isprintable() else "?" for c in str(text))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


@dataclass(frozen=True, slots=True, order=True)
class Tile:
    """An MGRS tile of the Sentinel-2 grid."""

    name: str  # without the leading T: "22WEV"

    def __post_init__(self) -> None:
        if not re.fullmatch(_TILE, self.name):
            raise BadName(f"'{shown(self.name)}' is no Sentinel-2 tile; expected a name like 22WEV.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``22WEV`` or ``T22WEV``; raise BadName otherwise."""
        match = _TILE_RE.fullmatch(text)
        if match is None:
            raise BadName(f"'{shown(text)}' is no Sentinel-2 tile; expected a name like 22WEV.")
        return cls(match[1])

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, order=True)
class TileMonth:
    """One calendar month (UTC) of one tile: the unit that schedule enqueues and discover searches."""

    tile: Tile
    year: int
    month: int  # 1-12

    def __post_init__(self) -> None:
        if not (_FIRST_YEAR <= self.year <= _LAST_YEAR and 1 <= self.month <= 12):
            raise BadName(f"{self.year}-{self.month:02d} is no month of Sentinel-2; it flies since 2015-06.")

    @classmethod
    def parse(cls, tile: str, key: str) -> Self:
        """Read a tile name and a month as ``YYYY-MM``; raise BadName otherwise."""
        match = _MONTH_RE.fullmatch(key)
        if match is None:
            raise BadName(f"'{shown(key)}' is no month; expected YYYY-MM, such as 2019-07.")
        return cls(Tile.parse(tile), int(match[1]), int(match[2]))

    @property
    def key(self) -> str:
        """``YYYY-MM``, the ledger's row key."""
        return f"{self.year:04d}-{self.month:02d}"

    @property
    def start(self) -> datetime:
        """First instant of the month."""
        return datetime(self.year, self.month, 1, tzinfo=UTC)

    @property
    def end(self) -> datetime:
        """First instant of the next month (exclusive end)."""
        return self.next().start

    def next(self) -> TileMonth:
        """The month after this one, same tile."""
        years, month = divmod(self.month, 12)
        return TileMonth(self.tile, self.year + years, month + 1)

    def previous(self) -> TileMonth:
        """The month before this one, same tile."""
        return TileMonth(self.tile, self.year - (self.month == 1), (self.month - 2) % 12 + 1)

    def __str__(self) -> str:
        return f"{self.tile} {self.key}"


class Level(StrEnum):
    """Processing level: top of atmosphere (L1C) or surface (L2A) reflectance."""

    L1C = "L1C"
    L2A = "L2A"


# How much of a corrected product is kept: what later steps and most users need, or whatever the processor wrote.
Keep = Literal["20m", "all"]


@dataclass(frozen=True, slots=True, order=True)
class ProductName:
    """A parsed compact product name, such as S2B_MSIL1C_20240716T151809_N0510_R068_T22WEV_20240716T184612."""

    platform: str  # "S2A", "S2B", "S2C", ...
    level: Level
    sensing: datetime  # start of the datatake
    baseline: str  # four digits: "0511"
    orbit: int  # relative orbit, 1-143
    tile: Tile
    discriminator: datetime  # tells the halves of a split granule apart

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a name with or without ``.SAFE`` and ``.zip``; raise BadName or LongProductName otherwise."""
        stem = text.removesuffix(".zip").removesuffix(".SAFE")
        match = _PRODUCT_RE.fullmatch(stem)
        if match is None:
            if _LONG_PRODUCT_RE.fullmatch(stem):
                raise LongProductName(
                    f"'{shown(stem)}' is in the format used before 2016-12-06 (several tiles in one product), "
                    "which is not supported; its reprocessing under a compact name is."
                )
            raise BadName(
                f"'{shown(text)}' is no Sentinel-2 product name; expected one like "
                "S2B_MSIL1C_20240716T151809_N0510_R068_T22WEV_20240716T184612.SAFE."
            )
        orbit = int(match["orbit"])
        if not 1 <= orbit <= 143:
            raise BadName(f"'{stem}' names relative orbit {orbit}; Sentinel-2 has 1 to 143.")
        return cls(
            platform=match["platform"],
            level=Level(match["level"]),
            sensing=_instant(match["sensing"], stem),
            baseline=match["baseline"],
            orbit=orbit,
            tile=Tile(match["tile"]),
            discriminator=_instant(match["discriminator"], stem),
        )

    def __str__(self) -> str:
        return (
            f"{self.platform}_MSI{self.level}_{self.sensing:{_STAMP_FORMAT}}_N{self.baseline}"
            f"_R{self.orbit:03d}_T{self.tile}_{self.discriminator:{_STAMP_FORMAT}}"
        )

    @property
    def is_local(self) -> bool:
        """Whether somebody made it on a machine of their own: Sen2Cor names these 99.99, or 99.33 and other 99.xx."""
        return self.baseline.startswith("99")

    @property
    def safe(self) -> str:
        """Name of the SAFE folder."""
        return f"{self}.SAFE"

    @property
    def stamp(self) -> str:
        """Sensing time as file names carry it: ``20190716T151911``."""
        return f"{self.sensing:{_STAMP_FORMAT}}"

    @property
    def acquisition(self) -> tuple[str, datetime, int, Tile]:
        """What reprocessings and the halves of a split granule have in common."""
        return (self.platform, self.sensing, self.orbit, self.tile)


@dataclass(frozen=True, slots=True)
class Checksum:
    """A digest as the provider states it."""

    algorithm: str  # upper case: "MD5", "BLAKE3"
    value: str  # lower-case hexadecimal


@dataclass(frozen=True, slots=True)
class Product:
    """One product as a catalogue offers it."""

    id: str  # the provider's identifier, needed for the download
    name: ProductName
    size: int  # bytes; 0 where the provider does not say
    checksums: tuple[Checksum, ...]
    published: datetime
    online: bool  # False: in the provider's long-term archive
    cloud_cover: float | None  # percent of the scene
    modified: datetime | None = None  # when the provider last changed the entry, where it says so


class State(StrEnum):
    """Where a product is on its way. Every state but the first and the happy ones carries a reason."""

    DISCOVERED = "DISCOVERED"
    OFFLINE = "OFFLINE"
    SKIPPED = "SKIPPED"
    STAGED = "STAGED"
    CORRECTED = "CORRECTED"
    CLASSIFIED = "CLASSIFIED"
    REJECTED = "REJECTED"
    FAILED = "FAILED"

    @property
    def is_final(self) -> bool:
        """True where no step is expected to follow by itself."""
        return self in {State.SKIPPED, State.CLASSIFIED, State.REJECTED, State.FAILED}


@dataclass(frozen=True, slots=True, order=True)
class BlobPath:
    """A blob, or a virtual folder of blobs, inside a container."""

    container: str
    name: str  # with "/" between virtual folders; never empty, absolute or climbing

    def __post_init__(self) -> None:
        parts = self.name.split("/")
        if (
            not self.container
            or len(self.name) > 1024
            or any(part in {"", ".", ".."} for part in parts)
            or "\\" in self.name
            or not self.name.isprintable()
        ):
            raise BadName(f"'{shown(self.container)}/{shown(self.name)}' is no blob path IceWatch accepts.")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``container/name`` as blob triggers give it; raise BadName otherwise."""
        container, _, name = text.partition("/")
        return cls(container, name)

    def __truediv__(self, name: str) -> BlobPath:
        return BlobPath(self.container, f"{self.name}/{name}")

    def __str__(self) -> str:
        return f"{self.container}/{self.name}"


L1C, L2A, SURFACE, DROP, CONFIG, MODELS = "l1c", "l2a", "surface", "drop", "config", "models"
STAGING = "staging"  # zips that are unpacked inside the store; no step is triggered by it
CONTAINERS = (L1C, L2A, SURFACE, DROP, CONFIG, MODELS)
MANIFEST = "manifest.safe"  # written last in an L2A folder
RESULT_MANIFEST = "manifest.json"  # written last in a result folder
WATCHLIST = BlobPath(CONFIG, "watchlist.json")


def _mirrored(container: str, product: ProductName, leaf: str) -> BlobPath:
    return BlobPath(container, f"{product.tile}/{product.sensing:%Y}/{product.sensing:%m}/{leaf}")


def staged_zip(product: ProductName) -> BlobPath:
    """Where the L1C zip of ``product`` is staged."""
    return _mirrored(L1C, product, f"{product.safe}.zip")


def parcel(product: ProductName) -> BlobPath:
    """Where the zip of an official L2A ``product`` lies until it is unpacked."""
    return _mirrored(STAGING, product, f"{product.safe}.zip")


def l2a_folder(product: ProductName) -> BlobPath:
    """The L2A folder of ``product`` as a virtual folder."""
    return _mirrored(L2A, product, product.safe)


def surface_folder(product: ProductName) -> BlobPath:
    """The result folder that mirrors the L2A folder of ``product``."""
    return _mirrored(SURFACE, product, product.safe)


def l2a_of_manifest(path: BlobPath) -> ProductName:
    """The product whose complete L2A folder ``path`` announces; raise BadName where it is anything else."""
    *_, safe, leaf = ("", *path.name.split("/"))
    product = ProductName.parse(safe)
    if leaf != MANIFEST or product.level is not Level.L2A or l2a_folder(product) / MANIFEST != path:
        raise BadName(f"'{path}' is no {MANIFEST} of an L2A folder; expected l2a/<TILE>/<YYYY>/<MM>/<product>.SAFE/.")
    return product
