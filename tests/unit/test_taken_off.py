"""What a person takes off, or puts away, can be begun again: its only copy is never deleted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import pytest

from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.messages import CORRECTIONS, CorrectionMessage, Message
from shared.models import DROP, BlobPath, ProductName, State, staged_zip
from shared.pipeline.classify import classify
from shared.pipeline.correct import correct
from shared.pipeline.drop import drop
from shared.pipeline.orders import Orders
from shared.pipeline.reconcile import CHECK_EVERY, reconcile
from shared.pipeline.surface import Options, Tools
from shared.pipeline.watch import watch
from shared.ports import Corrected
from shared.records import Record
from tests.fakes import FakeClock, FakeCorrector, FakeLedger, FakeQueues, FakeStore
from tests.products import l1c_zip
from tests.small_l2a import PRODUCT, Scene, l2a_files_of

L1C = ProductName.parse(str(PRODUCT).replace("MSIL2A", "MSIL1C"))
DROPPED = BlobPath(DROP, f"{L1C}.SAFE.zip")


def unpacked(archive: BinaryIO, product: ProductName, into: Path) -> Path:
    folder = into / product.safe
    folder.mkdir(parents=True)
    (folder / "content").write_bytes(archive.read())
    return folder


class Place:
    """The inbox, the steps after it, and the orders of a person."""

    files: Mapping[str, bytes] = MappingProxyType({"manifest.safe": b"<manifest/>"})  # of the corrected product

    def __init__(self, tmp_path: Path) -> None:
        self.store, self.ledger, self.queues, self.clock = FakeStore(), FakeLedger(), FakeQueues(), FakeClock()
        self.orders = Orders(self.store, self.ledger, self.queues, self.clock, lambda tile: "m 1")
        self._scratch, self._runs = tmp_path, 0

    def dropped(self) -> CorrectionMessage:
        self.store.write(DROPPED, l1c_zip(str(L1C)))
        (message,) = drop(DROPPED, store=self.store, ledger=self.ledger, clock=self.clock)
        assert self.row.state is State.STAGED
        assert isinstance(message, CorrectionMessage)
        return message

    def correct(self, message: Message, corrector: Any = None) -> Record:
        assert isinstance(message, CorrectionMessage)
        self._runs += 1
        return correct(
            message,
            store=self.store,
            ledger=self.ledger,
            corrector=corrector or FakeCorrector(self.files),
            unpack=unpacked,
            scratch=self._scratch / str(self._runs),
            clock=self.clock,
            on_progress=lambda percent: None,
            keep="all",
            resolution=60,
        )

    def watched(self) -> None:
        for _ in range(3):
            self.clock.now += CHECK_EVERY
            assert watch(ledger=self.ledger, queues=self.queues, clock=self.clock) == []
            assert reconcile(ledger=self.ledger, store=self.store, clock=self.clock) == []

    def corrected_again(self) -> Record:
        """Retry, and run what follows."""
        self.orders.retry(str(L1C))
        (text,) = self.queues.sent[CORRECTIONS]
        return self.correct(CorrectionMessage.decode(text))

    def classified(self, corrected: Record) -> Record:
        record = classify(
            ProductName.parse(corrected.l2a),
            store=self.store,
            ledger=self.ledger,
            load_classifier=load_classifier,
            tools=Tools(GdalRasters(), quicklook),
            options=lambda: Options(resolution=60),
            clock=self.clock,
        )
        assert record is not None
        return record

    @property
    def row(self) -> Record:
        return self.ledger.rows["22WEV", str(L1C)]

    def has_zip(self) -> bool:
        return staged_zip(L1C) in self.store.blobs


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_dropped_product_that_was_taken_off_waits_with_its_zip_until_it_is_retried(place: Place) -> None:
    place.files = l2a_files_of(Scene.of_classes(80, 84))
    message = place.dropped()
    place.orders.cancel(str(L1C))
    assert "as long as the store keeps what was dropped" in place.row.reason
    assert place.correct(message).is_cancelled  # the message was under way
    place.watched()
    assert place.has_zip()
    assert place.classified(place.corrected_again()).state is State.CLASSIFIED
    assert not place.has_zip()


def test_one_that_was_taken_off_while_it_was_in_work_keeps_its_zip_too(place: Place, caplog) -> None:
    class Slow(FakeCorrector):
        def correct(self, *arguments: Any, **named: Any) -> Corrected:
            place.orders.cancel(str(L1C))
            return super().correct(*arguments, **named)

    with caplog.at_level("INFO"):
        assert place.correct(place.dropped(), Slow()).is_cancelled
    assert "was taken off while in work" in caplog.text
    place.watched()
    assert place.has_zip()
    assert place.corrected_again().state is State.CORRECTED


def test_one_that_failed_and_was_put_away_keeps_its_zip(place: Place) -> None:
    place.dropped()
    place.ledger.update("22WEV", str(L1C), lambda old: replace(old, state=State.FAILED, reason="The disk was full."))
    place.orders.cancel(str(L1C))
    place.watched()
    assert place.has_zip()
    assert place.corrected_again().state is State.CORRECTED


def test_what_the_catalogue_offers_is_begun_again_without_conditions(place: Place) -> None:
    place.dropped()
    place.ledger.update("22WEV", str(L1C), lambda old: replace(old, id="4711"))
    place.orders.cancel(str(L1C))
    assert "'retry' begins it again." in place.row.reason
