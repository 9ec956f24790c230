"""What the API answers: the public shape of health and products."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from shared.models import State
from shared.records import Record


class Health(BaseModel):
    """How the app is doing."""

    queues: dict[str, int] = Field(description="About how many messages wait or are in work, per queue")
    products: dict[State, int] = Field(description="Products per state")


class ProductAnswer(BaseModel):
    """One product of the ledger."""

    tile: str
    product: str
    state: State
    reason: str
    sensing: datetime | None
    l2a: str = Field(description="Name of the L2A product made from it")
    processor: str = Field(description="What corrected it")
    results: str = Field(description="Path of the result folder")
    usable_percent: float | None = Field(description="Usable share of the whole tile")
    class_percent: dict[str, float] = Field(description="Share of each class in what is classified, percent")
    albedo_mean: float | None
    seconds: dict[str, float] = Field(description="Duration of each step")

    @classmethod
    def of(cls, record: Record) -> ProductAnswer:
        """The answer for one record of the ledger."""
        return cls(
            tile=record.partition,
            product=record.name,
            state=record.state,
            reason=record.reason,
            sensing=record.times.get("sensing"),
            l2a=record.l2a,
            processor=record.processor,
            results=record.results,
            usable_percent=record.usable_percent,
            class_percent=dict(record.class_percent),
            albedo_mean=record.albedo_mean,
            seconds=dict(record.seconds),
        )


class Notified(BaseModel):
    """What became of a notification."""

    product: str
    search: str | None = Field(description="The tile-month that is searched now; null where it is not watched")


class Products(BaseModel):
    """One page of the product list."""

    total: int = Field(description="Products that match, over all pages")
    products: list[ProductAnswer]
