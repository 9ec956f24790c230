"""reconcile compares catalogue count, ledger and blobs of tile-months, and heals what does not agree."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from shared.errors import StorageUnavailable
from shared.messages import CLASSIFICATIONS, CORRECTIONS, PRODUCTS, TILE_MONTHS, TileMonthMessage
from shared.models import (
    MANIFEST,
    RESULT_MANIFEST,
    ProductName,
    State,
    Tile,
    TileMonth,
    l2a_folder,
    parcel,
    staged_zip,
    surface_folder,
)
from shared.pipeline.reclassify import ASKED
from shared.pipeline.reconcile import CHECK_EVERY, MONTHS_PER_RUN, QUIET, reconcile
from shared.pipeline.watch import MAX_RESCUES, Rescue, watch
from shared.records import MonthRecord, Record
from tests.fakes import NOON, FakeClock, FakeLedger, FakeQueues, FakeStore
from tests.products import L1C, L2A, OLDER, SECOND_HALF

MONTH = TileMonth(Tile("22WEV"), 2024, 7)
YESTERDAY = NOON - timedelta(days=1)
OFFICIAL = "S2B_MSIL2A_20240716T151809_N0511_R068_T22WEV_20240716T194612"
ZIP = staged_zip(ProductName.parse(L1C))
FOLDER = l2a_folder(ProductName.parse(L2A)) / MANIFEST
RESULTS = surface_folder(ProductName.parse(L2A)) / RESULT_MANIFEST


def a_record(state: State, name: str = L1C, **facts: object) -> Record:
    facts = {"id": "id-1", "l2a": L2A, "times": {"stage": YESTERDAY}, **facts}
    return Record("22WEV", name, state, **facts)  # type: ignore[arg-type]


@dataclass
class Place:
    """A ledger, a store and a clock."""

    ledger: FakeLedger
    store: FakeStore = field(default_factory=FakeStore)
    clock: FakeClock = field(default_factory=FakeClock)

    def __post_init__(self) -> None:
        self.store.clock = lambda: YESTERDAY

    def holds(self, *paths) -> Place:
        for path in paths:
            self.store.write(path, b'{"files": []}')
        return self

    def rescues(self) -> list[tuple[str, str]]:
        found = reconcile(ledger=self.ledger, store=self.store, clock=self.clock)
        return [(rescue.queue, getattr(rescue.message, "product", "")) for rescue in found]

    def row(self, name: str = L1C) -> Record:
        return self.ledger.rows["22WEV", name]


def a_place(*records: Record, month: MonthRecord | None = None) -> Place:
    return Place(FakeLedger(records, [month] if month else []))


def a_month(found: int, **facts) -> MonthRecord:
    return replace(MonthRecord(MONTH, YESTERDAY, found, closed=False), **facts)


@pytest.mark.parametrize(
    ("state", "blobs"),
    [
        (State.STAGED, [ZIP]),
        (State.STAGED, [FOLDER]),  # correct has uploaded it and died: its message comes again
        (State.CORRECTED, [FOLDER]),
        (State.CLASSIFIED, [RESULTS]),  # the L2A may be removed to save room
        (State.REJECTED, []),
        (State.DISCOVERED, []),
        (State.SKIPPED, []),
        (State.FAILED, []),
    ],
)
def test_a_product_whose_blobs_are_there_is_left_alone(state, blobs):
    place = a_place(a_record(state)).holds(*blobs)
    before = dict(place.ledger.rows)
    assert place.rescues() == []
    assert place.ledger.rows == before


@pytest.mark.parametrize("state", [State.CORRECTED, State.CLASSIFIED, State.REJECTED, State.SKIPPED])
def test_a_staged_zip_that_nobody_needs_any_more_is_deleted(state):
    place = a_place(a_record(state)).holds(ZIP, FOLDER, RESULTS)
    assert place.rescues() == []
    assert place.store.info(ZIP) is None
    assert place.store.info(FOLDER) is not None


@pytest.mark.parametrize("state", [State.DISCOVERED, State.STAGED, State.FAILED, State.CORRECTED, State.CLASSIFIED])
def test_a_staged_zip_that_may_be_needed_stays(state):
    place = a_place(a_record(state)).holds(ZIP, RESULTS)  # and no L2A folder
    place.rescues()
    assert place.store.info(ZIP) is not None


def test_a_staged_zip_of_a_product_that_was_superseded_just_now_stays_for_a_while():
    place = a_place(a_record(State.SKIPPED, times={"stage": NOON - QUIET / 2})).holds(ZIP)
    place.rescues()
    assert place.store.info(ZIP) is not None
    place.clock.now += QUIET
    place.ledger.month_rows.clear()
    place.rescues()
    assert place.store.info(ZIP) is None


@pytest.mark.parametrize(
    ("state", "blobs", "queue", "product", "becomes"),
    [
        (State.STAGED, [], PRODUCTS, L1C, State.DISCOVERED),
        (State.CORRECTED, [], PRODUCTS, L1C, State.DISCOVERED),
        (State.CORRECTED, [ZIP], CORRECTIONS, L1C, State.STAGED),
        (State.CLASSIFIED, [FOLDER], CLASSIFICATIONS, L2A, State.CORRECTED),
    ],
)
def test_a_product_that_lacks_a_blob_goes_on_from_what_is_left(state, blobs, queue, product, becomes):
    place = a_place(a_record(state)).holds(*blobs)
    assert place.rescues() == [(queue, product)]
    assert place.row().state is becomes
    assert place.row().error.startswith("Found that ")
    assert place.row().attempts == {"watch": 1}


def test_an_official_l2a_that_lost_its_folder_is_staged_again():
    place = a_place(a_record(State.CORRECTED, OFFICIAL, l2a=OFFICIAL))
    assert place.rescues() == [(PRODUCTS, OFFICIAL)]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        (a_record(State.STAGED, id=""), "the staged zip of S2B_MSIL1C"),
        (a_record(State.CORRECTED, id=""), "the catalogue is not known to offer it"),
        (a_record(State.CLASSIFIED), "the results of S2B_MSIL1C"),
    ],
)
def test_a_product_of_which_nothing_is_left_fails_with_what_is_gone(record, words):
    place = a_place(record)
    assert place.rescues() == []
    assert place.row().state is State.FAILED
    assert words in place.row().reason


def test_a_product_that_lost_its_results_no_longer_claims_them():
    place = a_place(a_record(State.CLASSIFIED, results="surface/22WEV/x.SAFE"))
    place.rescues()
    assert place.row().state in {State.FAILED, State.CORRECTED}
    assert place.row().results == ""


def test_what_changed_within_the_last_hours_is_left_alone():
    place = a_place(a_record(State.CORRECTED, times={"correct": NOON - QUIET + timedelta(seconds=1)}))
    assert place.rescues() == []
    assert place.row().state is State.CORRECTED


def test_what_another_writer_has_just_moved_on_is_left_alone():
    place = a_place(a_record(State.STAGED))
    moved = a_record(State.CORRECTED, times={"stage": YESTERDAY, "correct": NOON})
    place.ledger.interfere = lambda: place.ledger.rows.update({("22WEV", L1C): moved})
    assert place.rescues() == []
    assert place.row() == moved


def test_a_product_that_loses_its_blob_again_and_again_fails_in_the_end():
    place = a_place(a_record(State.STAGED))
    for _ in range(MAX_RESCUES):
        assert place.rescues() == [(PRODUCTS, L1C)]
        place.ledger.update("22WEV", L1C, lambda old: replace(old, state=State.STAGED))
        place.clock.now += CHECK_EVERY
    assert place.rescues() == []
    assert place.row().state is State.FAILED
    assert f"after {MAX_RESCUES} rescues" in place.row().reason


def test_the_two_ways_to_rescue_never_double_a_message():
    place = a_place(a_record(State.STAGED, times={"stage": NOON - timedelta(days=9)}))
    stuck = watch(ledger=place.ledger, queues=FakeQueues(), clock=place.clock)
    assert [rescue.queue for rescue in stuck] == [CORRECTIONS]
    assert place.rescues() == []


def test_a_complete_l2a_folder_without_a_row_is_classified():
    place = a_place(a_record(State.SKIPPED, OLDER, l2a="")).holds(FOLDER)
    assert place.rescues() == [(CLASSIFICATIONS, L2A)]


def test_a_month_that_nobody_searched_is_looked_at_twice_a_day_too():
    place = a_place(a_record(State.SKIPPED, OLDER, l2a="")).holds(FOLDER)
    found = []
    for _ in range(24 * 4):
        found += place.rescues()
        place.clock.advance(minutes=15)
    assert found == [(CLASSIFICATIONS, L2A)] * 2
    row = place.ledger.month_rows[MONTH]
    assert (row.searched, row.found, row.closed, row.checked) == (None, 0, False, NOON + CHECK_EVERY)


def test_a_folder_that_has_just_become_complete_is_left_to_its_trigger():
    place = a_place(a_record(State.SKIPPED, OLDER, l2a=""))
    place.store.clock = place.clock
    assert place.holds(FOLDER).rescues() == []


def test_a_month_with_fewer_rows_than_catalogue_entries_is_searched_again_and_says_how_many_are_missing():
    place = a_place(a_record(State.DISCOVERED), month=a_month(found=3))
    found = reconcile(ledger=place.ledger, store=place.store, clock=place.clock)
    assert found == [Rescue(TILE_MONTHS, TileMonthMessage.of(MONTH, backfill=True))]
    assert (place.ledger.month_rows[MONTH].missing, place.ledger.month_rows[MONTH].checked) == (2, NOON)


def test_the_months_row_counts_what_is_on_its_way_and_what_failed():
    records = [a_record(State.DISCOVERED), a_record(State.OFFLINE, OLDER), a_record(State.FAILED, SECOND_HALF)]
    place = a_place(*records, month=a_month(found=3))
    assert place.rescues() == []
    row = place.ledger.month_rows[MONTH]
    assert (row.missing, row.unfinished, row.failed, row.found, row.searched) == (0, 2, 1, 3, YESTERDAY)


def test_a_month_nobody_watches_is_searched_again_while_products_wait_for_the_archive():
    place = a_place(a_record(State.OFFLINE), month=a_month(found=1, waiting=1))
    assert place.rescues() == []
    place.clock.advance(days=2)
    assert [queue for queue, _ in place.rescues()] == [TILE_MONTHS]


def test_older_results_are_superseded_as_soon_as_the_newer_are_published():
    older = a_record(State.CLASSIFIED, OLDER, successor=L1C, l2a="")
    place = a_place(older, a_record(State.CORRECTED)).holds(FOLDER)
    place.ledger.rows["22WEV", OLDER] = replace(older, times={"classify": NOON})
    place.rescues()
    assert place.row(OLDER).state is State.CLASSIFIED
    place.ledger.update("22WEV", L1C, lambda old: replace(old, state=State.CLASSIFIED))
    place.rescues()
    assert place.row(OLDER).state is State.SKIPPED
    assert L1C in place.row(OLDER).reason


def months(count: int) -> Place:
    records, rows = [], []
    month = TileMonth(Tile("22WEV"), 2018, 1)
    for _ in range(count):
        name = f"S2B_MSIL1C_{month.year}{month.month:02d}16T151809_N0500_R068_T22WEV_20240716T184612"
        records.append(a_record(State.REJECTED, name))
        rows.append(MonthRecord(month, YESTERDAY, 1, closed=True))
        month = month.next()
    return Place(FakeLedger(records, rows))


def checked(place: Place) -> int:
    return sum(row.checked is not None for row in place.ledger.month_rows.values())


def test_one_run_checks_a_bounded_number_of_months_and_in_time_each_has_its_turn():
    place = months(60)
    place.rescues()
    assert checked(place) == MONTHS_PER_RUN
    for _ in range(40):
        place.clock.advance(minutes=15)
        place.rescues()
    assert checked(place) == 60


def test_a_month_is_not_listed_again_before_its_time():
    place = months(3)
    place.rescues()
    listed = len(place.store.calls)
    place.clock.advance(hours=6)
    place.rescues()
    assert len(place.store.calls) == listed
    place.clock.now = NOON + CHECK_EVERY
    place.rescues()
    assert len(place.store.calls) == 2 * listed


def test_busy_storage_raises_and_the_next_run_goes_on():
    place = a_place(a_record(State.STAGED))
    place.store.fail("list", StorageUnavailable("Busy."))
    with pytest.raises(StorageUnavailable):
        place.rescues()
    assert place.rescues() == [(PRODUCTS, L1C)]


def test_a_month_of_which_the_ledger_has_no_product_is_searched_again():
    place = a_place(month=a_month(3, searched=NOON - timedelta(days=2)))
    assert [queue for queue, _ in place.rescues()] == [TILE_MONTHS]
    assert place.ledger.month_rows[MONTH].missing == 3


def test_a_deleted_product_does_not_stand_in_for_one_that_is_missing():
    deleted = a_record(State.SKIPPED, OLDER, times={"deleted": YESTERDAY})
    place = a_place(a_record(State.CLASSIFIED), deleted, month=a_month(2)).holds(RESULTS)
    place.rescues()
    assert place.ledger.month_rows[MONTH].missing == 1


def test_a_zip_of_a_product_that_was_begun_anew_meanwhile_stays():
    place = a_place(a_record(State.SKIPPED)).holds(ZIP)
    listing = place.store.list

    def begun_anew(folder):
        yield from listing(folder)
        place.ledger.update("22WEV", L1C, lambda old: replace(old, state=State.STAGED, times={"stage": NOON}))

    place.store.list = begun_anew  # type: ignore[method-assign]
    place.rescues()
    assert place.store.info(ZIP) is not None


def test_the_zip_of_an_official_l2a_that_was_superseded_before_it_was_unpacked_is_deleted():
    zipped = parcel(ProductName.parse(OFFICIAL))
    place = a_place(a_record(State.SKIPPED, OFFICIAL, l2a="")).holds(zipped)
    place.rescues()
    assert place.store.info(zipped) is None


def test_dates_in_the_future_stop_no_healing():
    ahead = NOON + timedelta(days=9999)
    place = a_place(a_record(State.STAGED, times={"stage": ahead, "published": ahead}), month=a_month(1, checked=ahead))
    assert place.rescues() == [(PRODUCTS, L1C)]


def test_an_official_l2a_whose_parcel_is_there_is_unpacked_again_and_no_correction_is_asked_for():
    place = a_place(a_record(State.CORRECTED, OFFICIAL, l2a=OFFICIAL)).holds(parcel(ProductName.parse(OFFICIAL)))
    assert place.rescues() == [(PRODUCTS, OFFICIAL)]


def test_a_publication_just_now_is_no_sign_that_a_step_is_at_work():
    times = {"stage": YESTERDAY, "published": NOON, "sensing": NOON, "deleted": NOON}
    assert a_place(a_record(State.STAGED, times=times)).rescues() == [(PRODUCTS, L1C)]


def asked_for(state: State = State.CLASSIFIED) -> Place:
    times = {"stage": YESTERDAY, "correct": YESTERDAY, "classify": YESTERDAY, ASKED: YESTERDAY + timedelta(hours=1)}
    return a_place(a_record(state, times=times)).holds(FOLDER, RESULTS)


@pytest.mark.parametrize("state", [State.CLASSIFIED, State.REJECTED, State.FAILED])
def test_a_classification_that_was_asked_for_and_lost_its_message_is_sent_again_and_once_only(state: State):
    place = asked_for(state)
    assert place.rescues() == [(CLASSIFICATIONS, L2A)]
    assert place.rescues() == []
    assert (place.row().state, place.row().times[ASKED]) == (state, NOON)


def test_one_that_may_still_stand_in_the_queue_is_not_doubled():
    place = asked_for()
    assert reconcile(ledger=place.ledger, store=place.store, clock=place.clock, waiting=1000) == []


def test_what_the_provider_does_to_a_product_hides_no_classification_that_was_asked_for():
    place = asked_for()
    later = {"deleted": NOON - timedelta(hours=8), "published": NOON - timedelta(hours=8)}
    place.ledger.update("22WEV", L1C, lambda old: replace(old, times={**old.times, **later}))
    assert place.rescues() == [(CLASSIFICATIONS, L2A)]


@pytest.mark.parametrize("later", ["classify", "retry", "watch"])
def test_one_that_something_became_of_is_left(later: str):
    place = asked_for()
    place.ledger.update("22WEV", L1C, lambda old: replace(old, times={**old.times, later: NOON - timedelta(hours=8)}))
    assert place.rescues() == []


def test_a_classification_asked_for_in_vain_again_and_again_is_given_up_and_the_row_says_so():
    place = asked_for()
    sent = 0
    for _ in range(MAX_RESCUES + 3):
        sent += place.rescues().count((CLASSIFICATIONS, L2A))
        place.clock.advance(days=1)
    assert sent == MAX_RESCUES
    assert (place.row().state, "lost 4 times" in place.row().error) == (State.CLASSIFIED, True)


@pytest.mark.parametrize("asked_before", [0, MAX_RESCUES])
def test_one_that_is_classified_while_its_message_is_looked_for_is_left(asked_before: int):
    place = asked_for()
    row = replace(place.row(), attempts={ASKED: asked_before})
    place.ledger.rows["22WEV", L1C] = row
    after = row.advanced(State.CLASSIFIED, step="classify", at=NOON)
    place.ledger.interfere = lambda: place.ledger.rows.update({("22WEV", L1C): after})
    assert place.rescues() == []
    assert place.row() == after


def test_the_lot_falls_on_months_whose_turn_it_is_alone():
    place = months(MONTHS_PER_RUN * 4)
    for run in range(1, 5):
        place.rescues()
        assert checked(place) == MONTHS_PER_RUN * run
        place.clock.advance(minutes=15)


LAYER = surface_folder(ProductName.parse(L2A)) / "T22WEV_20240716T151809_CLASS_20m.tif"


def with_results(manifest: bytes) -> Place:
    place = a_place(a_record(State.CLASSIFIED, results="surface/22WEV/x.SAFE")).holds(FOLDER, LAYER)
    place.store.write(RESULTS, manifest)
    return place


LISTS_LAYER = f'{{"files": [{{"name": "{LAYER.name.rpartition("/")[2]}"}}]}}'.encode()


def test_one_result_file_that_is_gone_is_made_again_and_the_others_stay_in_view():
    place = with_results(LISTS_LAYER)
    assert place.rescues() == []
    place.store.delete(LAYER)
    place.clock.now += CHECK_EVERY
    assert place.rescues() == [(CLASSIFICATIONS, L2A)]
    assert (place.row().state, place.row().results) == (State.CORRECTED, "surface/22WEV/x.SAFE")
    assert "CLASS_20m.tif in the results of" in place.row().error


@pytest.mark.parametrize("manifest", [b"", b"[]", b'{"files": [{"name": ""}]}'])
def test_results_whose_manifest_cannot_be_read_are_made_again(manifest: bytes):
    assert with_results(manifest).rescues() == [(CLASSIFICATIONS, L2A)]


def test_a_file_written_after_the_listing_is_not_missing():
    place = with_results(LISTS_LAYER)
    place.store.delete(LAYER)
    read = place.store.read

    def written_before_the_manifest_is_read(path):
        place.store.write(LAYER, b"x")
        return read(path)

    place.store.read = written_before_the_manifest_is_read  # type: ignore[method-assign]
    assert place.rescues() == []


def test_a_row_without_a_readable_l2a_name_stops_no_healing():
    place = a_place(a_record(State.CLASSIFIED, l2a=""), a_record(State.STAGED, OLDER))
    assert place.rescues() == [(PRODUCTS, OLDER)]
    assert place.row().state is State.FAILED


def test_a_healing_leaves_alone_what_a_step_has_written_since_in_the_same_state():
    place = a_place(a_record(State.CORRECTED))
    written = a_record(State.CORRECTED, times={"stage": YESTERDAY, "correct": NOON})
    place.ledger.interfere = lambda: place.ledger.rows.update({("22WEV", L1C): written})
    assert place.rescues() == []
    assert place.row() == written


def test_a_search_that_ends_while_the_month_is_looked_at_keeps_what_it_found():
    place = a_place(a_record(State.REJECTED), month=a_month(1))
    listing = place.store.list

    def searched_meanwhile(folder):
        place.ledger.save_month(a_month(4, searched=NOON, closed=True))
        return listing(folder)

    place.store.list = searched_meanwhile  # type: ignore[method-assign]
    place.rescues()
    row = place.ledger.month_rows[MONTH]
    assert (row.found, row.searched, row.closed, row.checked) == (4, NOON, True, NOON)


def test_an_order_given_while_the_month_s_row_is_written_stays():
    place = a_place(a_record(State.REJECTED), month=a_month(1))
    place.ledger.interfere = lambda: place.ledger.save_month(a_month(1, asked=NOON))
    place.rescues()
    row = place.ledger.month_rows[MONTH]
    assert (row.asked, row.checked) == (NOON, NOON)
