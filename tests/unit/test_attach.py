"""Rows that are lost come back from what lies in the store: no acquisition is corrected or counted twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared.adapters.models import load_classifier
from shared.adapters.quicklook import quicklook
from shared.adapters.rasters import GdalRasters
from shared.messages import (
    CLASSIFICATIONS,
    NO_ROW,
    TILE_MONTHS,
    ClassificationMessage,
    CorrectionMessage,
    Message,
    ProductMessage,
    TileMonthMessage,
)
from shared.models import ProductName, State, TileMonth, l2a_folder, staged_zip
from shared.pipeline.attach import ORIGIN, attach
from shared.pipeline.classify import classify
from shared.pipeline.correct import correct
from shared.pipeline.discover import discover
from shared.pipeline.reconcile import CHECK_EVERY, reconcile
from shared.pipeline.stage import stage
from shared.pipeline.stage_fetch import Intake
from shared.pipeline.surface import Options, Tools
from shared.ports import Corrected
from shared.records import Record
from shared.settings import Downloads
from tests.fakes import FakeCatalogue, FakeClock, FakeCorrector, FakeLedger, FakeSlots, FakeStore, FakeTally, a_product
from tests.products import L1C, OLDER, SECOND_HALF, l1c_zip
from tests.small_l2a import Scene, l2a_files_of
from tests.unit.correct_case import unpacked

MONTH = TileMonth.parse("22WEV", "2024-07")
OTHER = L1C.replace("20240716T151809", "20240726T151809")  # another acquisition
MADE = timedelta(minutes=20)  # by a correction


@cache
def l2a_files() -> Mapping[str, bytes]:
    return l2a_files_of(Scene.of_classes(60, 60).with_scl(9, slice(0, 6)), processor="Sen2Cor_02.12.03")


class Sen2Cor(FakeCorrector):
    """Names its products as Sen2Cor does: by when it made them."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(l2a_files())
        self._clock = clock

    def correct(self, l1c: Path, work: Path, *, on_progress: Callable[[float], None]) -> Corrected:
        done, name = super().correct(l1c, work, on_progress=on_progress), ProductName.parse(l1c.name)
        self._clock.now += MADE
        made = f"{name.platform}_MSIL2A_{name.stamp}_N9999_R068_T22WEV_{self._clock.now:%Y%m%dT%H%M%S}.SAFE"
        return replace(done, folder=done.folder.rename(work / made), dem="CopernicusDEM90")


class Pipeline:
    """The steps of the month, each message worked on once, and what the provider and the processor were asked."""

    minimum_usable = 100.0  # percent: with a cloud all is rejected, which is as good an end as a map, and sooner there
    resolution: int | None = None  # metres, of the tile

    def __init__(self, tmp_path: Path, *names: str) -> None:
        self.store, self.ledger, self.clock = FakeStore(), FakeLedger(), FakeClock()
        self.store.clock = self.clock
        self.corrector = Sen2Cor(self.clock)
        products = [a_product(name, body=l1c_zip(name)) for name in names]
        self.catalogue = FakeCatalogue(products, {p.id: l1c_zip(str(p.name)) for p in products})
        self._scratch, self._runs = tmp_path, 0

    def search(self) -> Pipeline:
        self.run([TileMonthMessage.of(MONTH)])
        return self

    def heal(self) -> list[str]:
        """Run watch's comparison a day later, and what follows; the queues it sent to."""
        self.clock.now += timedelta(days=1) + CHECK_EVERY
        rescues = reconcile(ledger=self.ledger, store=self.store, clock=self.clock)
        self.run([rescue.message for rescue in rescues])
        return [rescue.queue for rescue in rescues]

    def run(self, messages: list[Message]) -> None:
        waiting = list(messages)
        while waiting:
            waiting += self._step(waiting.pop(0))

    def _step(self, message: Message) -> list[Message]:
        shared = SimpleNamespace(store=self.store, ledger=self.ledger, clock=self.clock)
        match message:
            case TileMonthMessage():
                return list(discover(message, catalogue=self.catalogue, ledger=self.ledger, clock=self.clock))
            case ProductMessage():
                intake = Intake(FakeSlots(), FakeTally(), Downloads())
                asked = {"catalogue": self.catalogue, "intake": intake, "resolution": self.resolution, **vars(shared)}
                return [to.message for to in stage(message, **asked)]
            case CorrectionMessage():
                return self._correct(message)
            case ClassificationMessage():
                self._classify(message.name(), because=message.because)
        return []

    def _correct(self, message: CorrectionMessage) -> list[Message]:
        self._runs += 1
        record = correct(
            message,
            store=self.store,
            ledger=self.ledger,
            clock=self.clock,
            corrector=self.corrector,
            unpack=unpacked,
            scratch=self._scratch / str(self._runs),
            on_progress=lambda percent: None,
            keep="20m",
            resolution=60,
        )
        self._classify(ProductName.parse(record.l2a), because=None)  # the event of its manifest
        return []

    def _classify(self, product: ProductName, *, because: str | None) -> None:
        classify(
            product,
            store=self.store,
            ledger=self.ledger,
            load_classifier=load_classifier,
            tools=Tools(GdalRasters(), quicklook),
            options=lambda: Options(resolution=60, minimum_usable=self.minimum_usable),
            clock=self.clock,
            again=because is not None,
            because=because or "",
        )

    def series(self) -> dict[str, tuple[State, str, str]]:
        """What counts as an acquisition: name -> state, L2A, elevation model."""
        rows = (row for row in self.ledger.rows.values() if row.state is not State.SKIPPED)
        return {row.name: (row.state, row.l2a, row.dem) for row in rows}

    def lose(self, *names: str) -> None:
        for name in names or [name for _, name in self.ledger.rows]:
            del self.ledger.rows["22WEV", name]
        if not names:
            self.ledger.month_rows.clear()

    @property
    def work(self) -> tuple[int, int]:
        """Downloads and corrections so far."""
        asked = [call[0] for call in (*self.catalogue.calls, *self.corrector.calls)]
        return asked.count("download"), asked.count("correct")


@pytest.fixture
def pipeline(tmp_path: Path) -> Callable[..., Pipeline]:
    """Makes a pipeline whose month is searched, and all found in it classified."""
    return lambda *names: Pipeline(tmp_path, *names).search()


def test_a_row_that_is_lost_comes_back_to_its_l2a_and_nothing_is_made_twice(pipeline, monkeypatch):
    monkeypatch.setattr(Pipeline, "minimum_usable", 10.0)
    place = pipeline(L1C, OLDER, OTHER)
    before, blobs, work = place.series(), place.store.paths("surface"), place.work
    assert {state for state, _, _ in before.values()} == {State.CLASSIFIED}
    assert work == (2, 2)
    place.lose(L1C)
    assert place.heal() == [CLASSIFICATIONS, TILE_MONTHS]
    assert (place.series(), place.store.paths("surface"), place.work) == (before, blobs, work)
    assert place.heal() == []
    assert place.ledger.rows["22WEV", L1C].id == a_product(L1C).id
    assert place.ledger.month_rows[MONTH].missing == 0


def test_a_ledger_that_is_lost_comes_back_by_a_search_and_nothing_is_made_twice(pipeline, monkeypatch):
    monkeypatch.setattr(Pipeline, "minimum_usable", 10.0)
    place = pipeline(L1C, OLDER, OTHER)
    before, blobs, work = place.series(), place.store.paths("surface"), place.work
    place.lose()
    place.search()
    assert (place.series(), place.store.paths("surface"), place.work) == (before, blobs, work)
    assert place.heal() == []


def test_halves_of_a_split_granule_get_each_its_own_back(pipeline):
    place = pipeline(L1C, SECOND_HALF)
    before, work = place.series(), place.work
    assert len({l2a for _, l2a, _ in before.values()}) == 2
    place.lose(SECOND_HALF)
    place.heal()
    assert (place.series(), place.work) == (before, work)
    place.lose()
    place.search()
    assert (place.series(), place.work) == (before, work)


def test_a_product_dropped_by_hand_gets_its_row_back_although_no_catalogue_lists_it(pipeline):
    place = pipeline(L1C)
    before, work = place.series(), place.work
    place.catalogue.products.clear()
    place.lose(L1C)
    assert place.heal() == [CLASSIFICATIONS, TILE_MONTHS]
    assert (place.series(), place.work) == (before, work)


def without_origin(place: Pipeline) -> None:
    for path in [path for path in place.store.blobs if path.name.endswith(ORIGIN)]:
        place.store.delete(path)


def counted(place: Pipeline) -> dict[str, str]:
    return {name: l2a for name, (_, l2a, _) in place.series().items()}


@pytest.mark.parametrize("names", [(), (L1C,)])
def test_a_folder_that_does_not_say_of_what_it_is_goes_to_the_only_product_of_its_acquisition(pipeline, names):
    place = pipeline(L1C, OLDER)
    without_origin(place)
    before, work = counted(place), place.work
    place.lose(*names)
    if not names:
        place.search()
    place.heal()
    assert (counted(place), place.work) == (before, work)


def test_a_row_it_was_given_for_want_of_another_gives_way_to_that_of_its_product(pipeline):
    place = pipeline(L1C)
    without_origin(place)
    before, work = counted(place), place.work
    place.lose()
    own = before[L1C]
    place.run([ClassificationMessage(product=own, because=NO_ROW)])
    assert counted(place) == {own: own}
    place.search()
    assert (counted(place), place.work) == (before, work)
    assert place.ledger.rows["22WEV", own].reason == f"It was made of {L1C}, whose row stands for it."


def test_which_half_a_folder_is_of_is_not_guessed_and_it_makes_no_third_acquisition(pipeline):
    place = pipeline(L1C, SECOND_HALF)
    without_origin(place)
    place.lose(SECOND_HALF)
    place.heal()
    place.heal()
    assert place.series().keys() == {L1C, SECOND_HALF}
    assert place.work == (3, 3)


def test_a_folder_that_its_product_has_replaced_stays_nobodys(pipeline):
    place = pipeline(L1C)
    (old,) = counted(place).values()
    place.store.write(staged_zip(ProductName.parse(L1C)), l1c_zip(L1C))  # dropped again, to be corrected anew
    staged = replace(place.ledger.rows["22WEV", L1C], l2a="", state=State.STAGED)
    place.ledger.rows["22WEV", L1C] = staged
    place.run([CorrectionMessage(product=L1C)])
    (new,) = counted(place).values()
    assert new != old
    assert place.heal() == []
    assert counted(place) == {L1C: new}
    for because in (NO_ROW, "asked by hand"):
        place.run([ClassificationMessage(product=old, because=because)])
        assert counted(place) == {L1C: new}


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b'{"l1c": "../../x"}',
        b'{"l1c": "S2B_MSIL2A_20240716T151809_N9999_R068_T22WEV_20240717T010203"}',
        b'{"l1c": "S2A_MSIL1C_20240716T151809_N0511_R068_T22WEV_20240716T184612"}',
        b'{"l1c": "' + SECOND_HALF.encode() + b'"}' + bytes(20_000).replace(b"\0", b" "),  # nobody wrote that here
    ],
)
def test_a_folder_that_says_something_else_is_as_one_that_says_nothing(pipeline, said):
    place = pipeline(L1C)
    l2a = ProductName.parse(counted(place)[L1C])
    place.store.write(l2a_folder(l2a) / ORIGIN, said)
    place.lose()
    assert attach(l2a, store=place.store, ledger=place.ledger, clock=place.clock) is None
    place.search()
    assert counted(place) == {L1C: str(l2a)}


def test_a_product_that_is_on_its_way_already_takes_no_folder(pipeline):
    place = pipeline(L1C)
    l2a = ProductName.parse(counted(place)[L1C])
    for state, step in ((State.STAGED, "stage"), (State.FAILED, "stage"), (State.SKIPPED, "discover")):
        row = Record("22WEV", L1C, state, times={step: place.clock()})
        place.ledger.rows["22WEV", L1C] = row
        assert attach(l2a, store=place.store, ledger=place.ledger, clock=place.clock) == row
