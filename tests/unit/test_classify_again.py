"""A product that is classified again and fails on the way: the row never says that results are there that are not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from shared.adapters.models import load_classifier
from shared.errors import StorageUnavailable
from shared.messages import ASKED_FOR, COMPLETE, LATE_FILES, NO_ROW, RESULTS_GONE, RETRIED, STUCK
from shared.models import State, l2a_folder
from shared.pipeline.reclassify import asked, is_due
from shared.records import Record
from shared.science.forest import Classifier
from tests.fakes import NOON, FakeClock, FakeLedger
from tests.small_l2a import PRODUCT, Scene, l2a_files_of
from tests.unit.test_classify_step import CORRECTED, a_store, step


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return l2a_files_of(Scene.of_classes(80, 84))


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return load_classifier()


def test_results_that_a_failed_run_has_begun_to_replace_are_not_said_to_be_there(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store, ledger = a_store(files), FakeLedger()
    first = step(store, ledger, classifier)
    assert first is not None
    store.fail("info", StorageUnavailable("busy"))  # nothing is begun yet
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert ledger.rows["22WEV", first.name].results == first.results
    store.fail("write", StorageUnavailable("busy"))
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert not ledger.rows["22WEV", first.name].has_results
    again = step(store, ledger, classifier, again=True)
    assert again is not None
    assert again.results == first.results


def test_results_that_a_rejected_run_has_begun_to_take_away_are_not_said_to_be_there(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)
    for name, data in l2a_files_of(Scene.of_classes(80, 84).with_scl(9, slice(0, 60))).items():
        store.write(l2a_folder(PRODUCT) / name, data)
    store.fail("delete", StorageUnavailable("busy"))
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert not ledger.rows["22WEV", CORRECTED.name].has_results


def test_results_that_another_instance_has_written_meanwhile_are_still_said_to_be_there(
    files: dict[str, bytes], classifier: Classifier
) -> None:
    store, ledger = a_store(files), FakeLedger([CORRECTED])
    step(store, ledger, classifier)

    def faster() -> None:
        row = ledger.rows["22WEV", CORRECTED.name]
        ledger.rows["22WEV", CORRECTED.name] = replace(row, times={**row.times, "classify": NOON.replace(minute=5)})

    ledger.interfere = faster
    store.fail("write", StorageUnavailable("busy"))
    with pytest.raises(StorageUnavailable):
        step(store, ledger, classifier, again=True)
    assert ledger.rows["22WEV", CORRECTED.name].has_results


ASKED_AT, BEFORE = NOON - timedelta(hours=1), NOON - timedelta(hours=2)


def a_row(state: State, **times: datetime) -> Record:
    return replace(CORRECTED, state=state, times={"correct": BEFORE, **times})


@pytest.mark.parametrize("because", [RETRIED, STUCK, RESULTS_GONE, NO_ROW])
def test_a_message_that_brings_a_product_back_is_worked_on_once(because: str) -> None:
    for done in (State.CLASSIFIED, State.REJECTED, State.SKIPPED):
        assert not is_due(a_row(done, classify=NOON), because)
    for open_ in (State.STAGED, State.CORRECTED, State.FAILED):
        assert is_due(a_row(open_), because)


@pytest.mark.parametrize("state", [State.CLASSIFIED, State.REJECTED, State.FAILED])
def test_what_a_person_asked_for_is_worked_on_until_something_became_of_it(state: State) -> None:
    waits = a_row(state, classify=BEFORE, reclassify=ASKED_AT)
    assert is_due(waits, ASKED_FOR)
    assert not is_due(replace(waits, times={**waits.times, "classify": NOON}), ASKED_FOR)
    assert is_due(replace(waits, state=State.CORRECTED), ASKED_FOR)


def test_who_was_at_work_when_it_was_asked_for_has_not_answered_it() -> None:
    """It may have begun with the model of before."""
    since = a_row(State.CLASSIFIED, classify=NOON, reclassify=NOON - timedelta(seconds=40))
    assert is_due(replace(since, seconds={"classify": 60.0}), ASKED_FOR)
    assert not is_due(replace(since, seconds={"classify": 30.0}), ASKED_FOR)


@pytest.mark.parametrize(("because", "step"), [(RETRIED, "retry"), (STUCK, "watch"), (RESULTS_GONE, "watch")])
@pytest.mark.parametrize("state", [State.CLASSIFIED, State.REJECTED])
def test_who_was_at_work_when_it_was_put_back_has_not_answered_it(because: str, step: str, state: State) -> None:
    put_back = a_row(state, classify=NOON, **{step: NOON - timedelta(seconds=40)})
    assert is_due(replace(put_back, seconds={"classify": 60.0}), because)
    assert not is_due(replace(put_back, seconds={"classify": 30.0}), because)


@pytest.mark.parametrize("because", [LATE_FILES, COMPLETE])
def test_files_count_that_came_after_the_last_classification_began(because: str) -> None:
    done = replace(a_row(State.CLASSIFIED, classify=NOON), seconds={"classify": 60.0})
    for seconds, is_new in ((-3600, False), (-75, False), (-65, True), (-30, True), (30, True)):
        newest = NOON + timedelta(seconds=seconds)
        assert is_due(done, because, newest.replace) is is_new
    assert is_due(done, because, lambda: None)  # it will say what is missing
    assert is_due(replace(done, state=State.FAILED), because, lambda: BEFORE)
    assert is_due(replace(done, state=State.CORRECTED), because, lambda: BEFORE)


def test_a_superseded_product_is_not_begun_by_its_own_folder() -> None:
    assert not is_due(a_row(State.SKIPPED), COMPLETE)
    assert is_due(a_row(State.SKIPPED), LATE_FILES)


def test_many_late_files_are_one_classification_of_all_of_them(files: dict[str, bytes], classifier: Classifier) -> None:
    store, ledger = a_store(files), FakeLedger([replace(CORRECTED, times={"correct": BEFORE})])
    clock = FakeClock(NOON + timedelta(minutes=1))
    done = [step(store, ledger, classifier, again=True, because=LATE_FILES, clock=clock) for _ in range(5)]
    assert [record is not None for record in done] == [True] + 4 * [False]
    store.clock = FakeClock(clock.now + timedelta(minutes=5))
    store.write(l2a_folder(PRODUCT) / "late.xml", b"<late/>")
    assert step(store, ledger, classifier, again=True, because=LATE_FILES, clock=clock) is not None


@pytest.mark.parametrize("because", ["", "another mask"])
def test_other_reasons_always_count(because: str) -> None:
    assert is_due(a_row(State.CLASSIFIED, classify=NOON), because)


def test_the_same_message_ten_times_is_one_classification(files: dict[str, bytes], classifier: Classifier) -> None:
    store, ledger = a_store(files), FakeLedger([replace(CORRECTED, times={"correct": BEFORE})])
    step(store, ledger, classifier)
    ledger.update("22WEV", CORRECTED.name, lambda old: asked(old, NOON))
    clock = FakeClock(NOON + timedelta(minutes=1))
    done = [step(store, ledger, classifier, again=True, because=ASKED_FOR, clock=clock) for _ in range(10)]
    assert [record is not None for record in done] == [True] + 9 * [False]
