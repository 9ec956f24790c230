"""The queue messages: plain JSON with ``"version": 1``, parsed into frozen values or refused.

Each step has one message type; ``decode`` is what the triggers call with the bytes of the queue and
``encode`` gives the text that the next queue gets.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, model_validator

from shared.errors import BadMessage, BadName
from shared.models import Checksum, Level, Product, ProductName, TileMonth, shown
from shared.refusals import first_fault

MAX_BYTES = 64 * 1024  # Azure's limit for one queue message


def _product(*levels: Level) -> AfterValidator:
    def check(text: str) -> str:
        try:
            name = ProductName.parse(text)
        except BadName as cause:
            raise ValueError(str(cause)) from cause
        if name.level not in levels:
            raise ValueError(f"'{name}' is {name.level}, this step takes {' or '.join(levels)}.")
        return str(name)

    return AfterValidator(check)


class Message(BaseModel):
    """What all messages share: a version, no unknown keys, values that never change."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1

    @classmethod
    def decode(cls, body: bytes | str) -> Self:
        """Parse a queue message body; raise BadMessage with what is wrong and where."""
        if len(body) > MAX_BYTES:
            raise BadMessage(f"The message is {len(body)} bytes long; at most {MAX_BYTES} are accepted.")
        try:
            return cls.model_validate_json(body)
        except ValidationError as cause:
            text = body.decode("utf-8", "replace") if isinstance(body, bytes) else body
            fault = first_fault(cause, "the whole message")
            raise BadMessage(f"The message '{shown(text)}' is no {cls.__name__}: {fault}.") from cause

    def encode(self) -> str:
        """The JSON text for the queue."""
        return self.model_dump_json()


class TileMonthMessage(Message):
    """Queue ``tile-months``: look for new products of one tile in one month."""

    tile: str
    month: str  # YYYY-MM
    backfill: bool = False  # True: an older month, never ahead of new acquisitions
    since: AwareDatetime | None = None  # only what the provider has changed since; None: everything

    @model_validator(mode="after")
    def _names_a_month(self) -> Self:
        try:
            self.value()
        except BadName as cause:
            raise ValueError(str(cause)) from cause
        return self

    def value(self) -> TileMonth:
        """The tile-month this message names."""
        return TileMonth.parse(self.tile, self.month)

    @classmethod
    def of(cls, month: TileMonth, *, backfill: bool = False, since: datetime | None = None) -> TileMonthMessage:
        """The message that asks for ``month``."""
        return cls(tile=month.tile.name, month=month.key, backfill=backfill, since=since)


class ChecksumText(BaseModel):
    """A digest of the whole file as the provider states it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    algorithm: str = Field(pattern=r"^[A-Z0-9-]{2,16}$")
    value: str = Field(pattern=r"^[0-9a-f]{16,128}$")


class ProductMessage(Message):
    """Queue ``products``: stage one product, L1C or (where the area asks for the official correction) L2A."""

    product: Annotated[str, _product(Level.L1C, Level.L2A)]
    id: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9-]+$")
    size: int = Field(ge=0, default=0)  # bytes; 0: not stated
    checksums: tuple[ChecksumText, ...] = Field(default=(), max_length=8)  # one per algorithm
    backfill: bool = False
    waits: int = Field(ge=0, default=0)  # how often it was put back to wait: for a slot, the budget or the provider
    refusals: int = Field(ge=0, default=0)  # how often of these the provider asked for it

    def name(self) -> ProductName:
        """The product this message names."""
        return ProductName.parse(self.product)

    def digests(self) -> tuple[Checksum, ...]:
        """The stated digests."""
        return tuple(Checksum(c.algorithm, c.value) for c in self.checksums)

    @classmethod
    def of(cls, product: Product, *, backfill: bool = False) -> ProductMessage:
        """The message that asks for ``product``."""
        return cls(
            product=str(product.name),
            id=product.id,
            size=product.size,
            checksums=tuple(ChecksumText(algorithm=c.algorithm, value=c.value) for c in product.checksums),
            backfill=backfill,
        )


class CorrectionMessage(Message):
    """Queue ``corrections``: correct one staged L1C product."""

    product: Annotated[str, _product(Level.L1C)]
    waits: int = Field(ge=0, default=0)  # how often backfill was put back to let new acquisitions go first
    stops: int = Field(ge=0, default=0)  # how often a worker was told to stop with it in hand

    def name(self) -> ProductName:
        """The product this message names."""
        return ProductName.parse(self.product)


class ClassificationMessage(Message):
    """Queue ``classifications``: classify one complete L2A folder (again)."""

    product: Annotated[str, _product(Level.L2A)]
    because: str = Field(default="", max_length=200)  # a word of below, or whatever a person writes

    def name(self) -> ProductName:
        """The product this message names."""
        return ProductName.parse(self.product)


# Why a classification is asked for.
ASKED_FOR, LATE_FILES, RETRIED, STUCK = "asked for", "late files", "retry", "stuck"
RESULTS_GONE, NO_ROW = "results are gone", "no row"
COMPLETE = "complete"  # its folder became complete, again perhaps, while another run was at work on it

TILE_MONTHS, PRODUCTS, CORRECTIONS, CLASSIFICATIONS = "tile-months", "products", "corrections", "classifications"
QUEUES: dict[str, type[Message]] = {
    TILE_MONTHS: TileMonthMessage,
    PRODUCTS: ProductMessage,
    CORRECTIONS: CorrectionMessage,
    CLASSIFICATIONS: ClassificationMessage,
}

BLOB_TRIGGER_POISON = "webjobs-blobtrigger-poison"  # the host's own queue, for what blob triggers gave up on


def poison_of(queue: str) -> str:
    """The poison queue of ``queue``."""
    return f"{queue}-poison"
