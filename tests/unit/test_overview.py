"""The read model: what rows say to a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from functions.api.cursors import after, cursor
from shared.errors import BadName
from shared.models import ProductName, State
from shared.pipeline import runs
from shared.pipeline.overview import Filter, chosen, newest_first, orthomosaics, tiles
from shared.pipeline.overview_calendar import calendar, years
from shared.pipeline.overview_failures import failures, pattern
from shared.pipeline.overview_series import as_csv, series
from shared.records import DRONE, REFUSED, Record
from shared.watchlist import Watchlist
from tests.fakes import NOON, FakeClock, FakeStore

WATCHED = Watchlist.model_validate({"version": 1, "areas": [{"name": "a", "tiles": ["22WEV"]}]})


def row(day: int, state: State = State.CLASSIFIED, tile: str = "22WEV", **facts: Any) -> Record:
    sensing = datetime(2024, 7, day, 15, tzinfo=UTC)
    stamp = f"{sensing:%Y%m%dT%H%M%S}"
    name = ProductName.parse(f"S2A_MSIL1C_{stamp}_N0511_R025_T{tile}_{stamp}")
    made = {"results": f"surface/{tile}/{name}"} if state is State.CLASSIFIED else {}
    return Record.of(name, state, times={}, **made | facts)


def test_lists_are_newest_first_and_what_is_no_product_comes_last():
    rows = [row(1), Record(REFUSED, "x", State.FAILED), row(3), row(2)]
    assert [record.times["sensing"].day for record in newest_first(rows)[:3]] == [3, 2, 1]
    assert newest_first(rows)[-1].name == "x"


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_pages_of_any_size_hold_every_row_once(size: int):
    rows = newest_first([*(row(day) for day in range(1, 7)), row(3, tile="22WEU"), Record(REFUSED, "x", State.FAILED)])
    seen: list[Record] = []
    token = ""
    while page := after(rows, token)[:size]:
        seen += page
        token = cursor(page[-1])
    assert seen == rows


def test_a_page_goes_on_where_its_last_row_was_though_that_is_gone():
    rows = newest_first(row(day) for day in range(1, 6))
    token = cursor(rows[2])
    assert list(after([record for record in rows if record != rows[2]], token)) == rows[3:]


@pytest.mark.parametrize("token", ["x", "e30", "W10", "WzFd", "!!!", "W251bGwsMSwyXQ", "é"])
def test_a_token_that_names_no_row_is_refused(token: str):
    with pytest.raises(BadName, match="names no row"):
        after([row(1)], token)


def test_a_filter_of_days_includes_both():
    rows = [row(day) for day in range(1, 6)]
    found = chosen(rows, Filter(since=date(2024, 7, 2), until=date(2024, 7, 3)))
    assert [record.times["sensing"].day for record in found] == [2, 3]


def test_a_tile_shows_its_newest_picture_and_when_it_last_succeeded():
    done = replace(row(2), times={**row(2).times, "classify": NOON})
    (tile,) = tiles([row(1), done, row(5, State.FAILED)], WATCHED)
    assert (tile.latest, tile.last_success, tile.areas) == (done, NOON, ("a",))
    assert tile.last_sensing == row(5).times["sensing"]


def test_maps_of_before_count_while_a_product_is_classified_again_or_that_failed():
    again = [row(day, state, results="surface/x") for day, state in enumerate((State.CORRECTED, State.FAILED), 1)]
    without = [row(3, State.FAILED), row(4, State.REJECTED)]
    assert [point.product for point in series([*again, *without], "22WEV")] == [record.name for record in again]
    (tile,) = tiles([*again, *without], WATCHED)
    assert (tile.latest, tile.last_success) == (again[-1], None)


def test_a_year_has_twelve_months_whatever_there_is():
    months = calendar([row(1), row(1, tile="22WEU")], [], "22WEV", 2024)
    assert [len(month.days) for month in months] == [0] * 6 + [1] + [0] * 5
    assert years([row(1)], "22WEV") == [2024]
    with pytest.raises(BadName):
        calendar([], [], "22WEV", 1999)


def test_a_series_holds_classified_acquisitions_only_oldest_first():
    points = series([row(3), row(1), row(2, State.REJECTED)], "22WEV")
    assert [point.sensing.day for point in points] == [1, 3]
    assert as_csv(points).count("\r\n") == 3


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("stage gave up after 5 tries: busy", "stage gave up after 4 tries: busy", True),
        ("GRANULE/a/B02.jp2 is damaged: 1 of 2 bytes", "GRANULE/b/B8A.jp2 is damaged: 10 of 20 bytes", True),
        (f"{row(1).name} is gone", f"{row(2).name} is gone", True),
        ("Model 'a' is missing", "Model 'b' is missing", True),
        ("The band is missing", "The model is missing", False),
        ("No L1C zip is left", "No L2A zip is left", False),
        ("B04 does not decode", "B8A does not decode", True),
        ("It has 60x60 pixels", "It has 5490x5490 pixels", True),
        ("Seen at 2021-07-02T15:09:11Z", "Seen at 2022-07-02T15:09:12Z", True),
    ],
)
def test_sentences_are_of_one_kind_if_only_their_values_differ(one: str, other: str, same: bool):
    assert (pattern(one) == pattern(other)) is same


def test_digits_inside_words_stay():
    assert pattern("'a' is no Sentinel-2 product of 7.") == "… is no Sentinel-2 product of …"
    said = "Sen2Cor 02.12.03 wrote no MTD_TL2 into the L2A folder of T22WEV after 3 of 5 tries."
    assert pattern(said) == "Sen2Cor … wrote no MTD_TL2 into the L2A folder of … after … of … tries."


def test_the_most_frequent_failure_comes_first():
    rows = [row(1, State.FAILED, reason="A."), row(2, State.FAILED, reason="B 1."), row(3, State.FAILED, reason="B 2.")]
    kinds = failures([*rows, row(4)])
    assert [(kind.reason, len(kind.records)) for kind in kinds] == [("B …", 2), ("A.", 1)]
    assert len({kind.key for kind in kinds}) == 2


def test_the_last_run_is_remembered_and_a_broken_note_is_none():
    store = FakeStore()
    assert runs.runs("watch", store).last is None
    runs.note("watch", store, FakeClock())
    assert runs.runs("watch", store).last == NOON
    (path,) = store.blobs
    store.write(path, b"{}")
    assert runs.runs("watch", store).last is None


@pytest.mark.parametrize(
    "broken", [b"[]", b"{", b'{"at": "yesterday"}', b'{"at": "2024-08-01T12:00:00Z", "before": 3}']
)
def test_a_note_that_somebody_broke_is_written_anew(broken: bytes):
    store, clock = FakeStore(), FakeClock()
    runs.note("watch", store, clock)
    (path,) = store.blobs
    store.write(path, broken)
    assert runs.runs("watch", store).times == ()
    runs.note("watch", store, clock)
    assert runs.runs("watch", store).last == NOON


def test_a_timer_is_late_after_twice_its_interval_which_its_own_runs_tell():
    store, clock = FakeStore(), FakeClock()
    for pause in (60, 60, 1, 1, 61, 60):  # minutes; runs by hand among them
        clock.advance(minutes=pause)
        runs.note("watch", store, clock)
    seen = runs.runs("watch", store)
    assert seen.every == timedelta(minutes=61)
    assert not seen.is_late(clock.now + timedelta(minutes=122))
    assert seen.is_late(clock.now + timedelta(minutes=122, seconds=1))


def test_runs_by_hand_within_a_minute_make_no_timer_late():
    store, clock = FakeStore(), FakeClock()
    for _ in range(5):
        clock.advance(seconds=2)
        runs.note("watch", store, clock)
    assert not runs.runs("watch", store).is_late(clock.now + timedelta(minutes=29))


def test_a_timer_of_which_little_is_known_may_run_once_a_day():
    seen = runs.Runs("schedule", (NOON, NOON - timedelta(minutes=9)))
    assert not seen.is_late(NOON + timedelta(days=1))
    assert seen.is_late(NOON + timedelta(hours=27))
    assert runs.Runs("watch").is_late(NOON)


def test_a_timer_that_was_never_due_is_new_and_not_late_until_half_an_hour_after_its_first_run():
    new = runs.Runs("schedule", first_due=NOON)
    for minutes, is_new in ((-300, True), (0, True), (30, True), (31, False)):
        at = NOON + timedelta(minutes=minutes)
        assert (new.is_new(at), new.is_late(at)) == (is_new, not is_new)


def test_a_timer_that_ran_once_is_new_no_more_however_it_was_set_up():
    store, asked = FakeStore(), []
    runs.note("watch", store, FakeClock())

    def first_due(step: str) -> datetime:
        asked.append(step)
        return NOON + timedelta(days=1)

    found = {one.step: one for one in runs.all_runs(store, first_due)}
    assert asked == ["schedule"]  # of the other it does not matter
    assert (found["schedule"].is_new(NOON), found["watch"].is_new(NOON)) == (True, False)
    assert not runs.Runs("watch").is_new(NOON)


def test_the_step_of_a_kind_is_that_of_most_of_its_failures():
    steps = ("correct", "stage", "stage")
    rows = [
        row(day, State.FAILED, reason="A.").advanced(State.FAILED, step=step, at=NOON, reason="A.")
        for day, step in enumerate(steps, start=1)
    ]
    (kind,) = failures(rows)
    assert kind.step == "stage"


def test_the_kind_of_a_very_long_reason_is_told_by_its_beginning():
    long = "a." * 8000
    assert len(pattern(long)) <= 1000
    assert pattern(long) == pattern(long + "b")


def test_the_calendar_goes_by_the_name_where_the_row_says_something_else():
    wrong = replace(row(1), times={"sensing": NOON - timedelta(days=400)})
    assert [len(month.days) for month in calendar([wrong], [], "22WEV", 2024)][6] == 1


def test_orthomosaics_and_refused_things_are_no_tiles():
    drone = [Record(DRONE, "a", State.CLASSIFIED), Record(DRONE, "b", State.FAILED)]
    rows = [row(1), *drone, Record(REFUSED, "x", State.FAILED)]
    assert [tile.tile for tile in tiles(rows, Watchlist.model_validate({"version": 1, "areas": []}))] == ["22WEV"]
    assert orthomosaics(rows) == {State.CLASSIFIED: 1, State.FAILED: 1}
