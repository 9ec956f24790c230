"""One product on its way through stage, with fakes around it; shared by the tests of stage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

from shared.messages import (
    CORRECTIONS,
    ChecksumText,
    CorrectionMessage,
    ProductMessage,
    TileMonthMessage,
)
from shared.models import Checksum, Product, ProductName, staged_zip
from shared.pipeline.stage import Following, stage
from shared.pipeline.stage_fetch import Intake
from shared.records import Record
from shared.settings import Downloads
from tests.fakes import FakeCatalogue, FakeClock, FakeLedger, FakeSlots, FakeStore, FakeTally, a_product
from tests.products import L1C

NAME = ProductName.parse(L1C)
ZIP = staged_zip(NAME)
CORRECTION = Following(CORRECTIONS, CorrectionMessage(product=L1C))
MONTH = TileMonthMessage(tile="22WEV", month="2024-07")


def md5(body: bytes) -> str:
    return hashlib.md5(body).hexdigest()


class Asked(FakeCatalogue):
    """A catalogue whose single entries can be asked for; ``meanwhile`` happens then."""

    meanwhile: Callable[[], object] | None = None

    def entry(self, product_id: str) -> Product | None:
        self._called("entry", product_id)
        if self.meanwhile:
            self.meanwhile()
        return next((product for product in self.products if product.id == product_id), None)


class Stage:
    """One product, its provider, store and ledger."""

    def __init__(
        self,
        body: bytes,
        *,
        size: int | None = None,
        backfill: bool = False,
        checksums: Mapping[str, str] | None = None,
        **more: str,
    ) -> None:
        self.body = body
        self.catalogue = Asked(downloads={"id-1": body})
        self.store, self.ledger, self.clock = FakeStore(), FakeLedger(), FakeClock()
        self.slots, self.tally, self.limits = FakeSlots(), FakeTally(), Downloads()
        self.message = ProductMessage(
            product=L1C,
            id="id-1",
            size=len(body) if size is None else size,
            checksums=tuple(
                ChecksumText(algorithm=name, value=value) for name, value in {**(checksums or {}), **more}.items()
            ),
            backfill=backfill,
        )

    def run(self, message: ProductMessage | None = None, *, again: bool = False) -> list[Following]:
        return stage(
            message or self.message,
            catalogue=self.catalogue,
            store=self.store,
            ledger=self.ledger,
            clock=self.clock,
            intake=Intake(self.slots, self.tally, self.limits),
            again=again,
        )

    def lists(self, *checksums: Checksum, online: bool = True, size: int | None = None) -> None:
        """What the catalogue says when it is asked again."""
        body = self.body if size is None else bytes(size)
        self.catalogue.products = [a_product(L1C, product_id="id-1", body=body, checksums=checksums, online=online)]

    @property
    def record(self) -> Record:
        return self.ledger.rows["22WEV", L1C]

    @property
    def downloads(self) -> int:
        return sum(call[0] == "download" for call in self.catalogue.calls)


class Meanwhile(FakeStore):
    """Lets something happen while a blob is streamed."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens = happens

    def stream(self, *arguments, **options):
        self._happens()
        return super().stream(*arguments, **options)
