"""The contract of Ledger, on the fake and on real table storage (Azurite); then rows that others wrote."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Barrier, Thread
from time import sleep
from typing import Any
from uuid import uuid4

import pytest
from azure.data.tables import TableServiceClient

from shared.adapters.account import Account
from shared.adapters.ledger import AzureLedger
from shared.adapters.rows import row_of
from shared.errors import NotFound, PermanentError, StorageUnavailable
from shared.messages import TILE_MONTHS, TileMonthMessage
from shared.models import State, Tile, TileMonth
from shared.pipeline.orders import Orders
from shared.ports import Ledger
from shared.records import REFUSED, MonthRecord, Record
from shared.settings import Storage
from tests.fakes import NOON, FakeClock, FakeLedger, FakeQueues, FakeStore

NAME = "S2B_MSIL1C_20240716T151809_N0510_R068_T22WEV_20240716T184612"
L2A = NAME.replace("L1C", "L2A")
AT = datetime(2024, 7, 16, 15, 18, 9, 24_000, tzinfo=UTC)
FULL = Record(
    partition="22WEV",
    name=NAME,
    state=State.REJECTED,
    reason="Only 12.5 % of the tile is usable; at least 40 % are needed – albedo not computed.",
    id="0ee5de89-fadb-496b-b295-82fb9ae110c5",
    bytes=3_000_000_000,
    checksum="MD5:ef0e036af119acf95a8d79c0a27aa1d7",
    baseline="0510",
    orbit=68,
    l2a=L2A,
    processor="Sen2Cor 02.12.03",
    dem="CopernicusDEM90",
    peak_memory=3_500_000_000,
    peak_disk=4_100_000_000,
    progress=47.5,
    progress_at=AT + timedelta(hours=4),
    results=f"surface/22WEV/2024/07/{L2A}.SAFE",
    message='{"version":1}',
    error="Azure storage was busy.",
    successor="S2B_MSIL1C_20240716T151809_N0511_R068_T22WEV_20250101T000000",
    note="Deleted by the provider on 2024-09-01: Duplicated product.",
    times={"sensing": AT, "stage": AT + timedelta(hours=3)},
    seconds={"stage": 12.0, "classify": 94.25},
    attempts={"stage": 2},
    usable_percent=12.5,
    classified_percent=11.5,
    class_percent={"LA": 56.0, "CI": 38.3},
    class_km2={"LA": 6000.0},
    albedo_mean=0.0,
    albedo_sd=0.07,
    index_mean=1.02,
    index_sd=0.04,
    model="ice_surface 1.0.0",
)
PLAIN = Record("22WEV", "S2A_MSIL1C_20240717T150911_N0510_R025_T22WEV_20240717T184612", State.DISCOVERED)


@pytest.fixture(scope="module")
def service(azurite: str) -> Iterator[TableServiceClient]:
    with Account(Storage(azurite)).tables() as client:
        yield client


@pytest.fixture
def azure(service: TableServiceClient) -> AzureLedger:
    """A ledger whose tables do not exist yet."""
    return AzureLedger(service, products=f"p{uuid4().hex}", tile_months=f"m{uuid4().hex}")


@pytest.fixture(params=["fake", "azurite"])
def ledger(request: pytest.FixtureRequest) -> Ledger:
    found: Ledger = FakeLedger() if request.param == "fake" else request.getfixturevalue("azure")
    return found


def staged(record: Record) -> Record:
    return record.advanced(State.STAGED, step="stage", at=AT)


def test_an_empty_ledger_answers_everything_with_nothing(ledger: Ledger) -> None:
    assert ledger.get("22WEV", NAME) is None
    assert list(ledger.records()) == []
    assert list(ledger.records("22WEV")) == []
    assert ledger.by_l2a(Tile("22WEV"), L2A) is None
    assert ledger.month(TileMonth(Tile("22WEV"), 2024, 7)) is None
    with pytest.raises(NotFound, match=NAME):
        ledger.update("22WEV", NAME, staged)


@pytest.mark.parametrize("record", [FULL, PLAIN], ids=["full", "plain"])
def test_a_record_comes_back_as_it_was_written(ledger: Ledger, record: Record) -> None:
    assert ledger.add(record)
    assert ledger.get(record.partition, record.name) == record
    assert list(ledger.records()) == [record]


def test_a_second_record_of_the_same_name_changes_nothing(ledger: Ledger) -> None:
    assert ledger.add(PLAIN)
    assert not ledger.add(replace(PLAIN, state=State.FAILED))
    assert ledger.get(PLAIN.partition, PLAIN.name) == PLAIN


def test_an_update_replaces_the_record_and_gives_it_back(ledger: Ledger) -> None:
    ledger.add(FULL)
    new = ledger.update("22WEV", NAME, staged)
    assert new == staged(FULL)
    assert ledger.get("22WEV", NAME) == new


def test_an_update_removes_what_the_new_record_has_no_more(ledger: Ledger) -> None:
    ledger.add(FULL)
    cleared: dict[str, Any] = {"class_percent": {"CI": 100.0}, "albedo_mean": None, "error": "", "message": ""}
    ledger.update("22WEV", NAME, lambda old: replace(old, **cleared))
    assert ledger.get("22WEV", NAME) == replace(FULL, **cleared)


def test_an_update_that_meets_a_faster_writer_is_made_again_on_the_newest(ledger: Ledger) -> None:
    ledger.add(PLAIN)
    seen: list[dict[str, int]] = []

    def change(old: Record) -> Record:
        seen.append(dict(old.attempts))
        if len(seen) == 1:
            ledger.update(PLAIN.partition, PLAIN.name, lambda other: other.tried("stage", "the faster one"))
        return old.tried("classify", "the slower one")

    ledger.update(PLAIN.partition, PLAIN.name, change)
    assert seen == [{}, {"stage": 1}]
    found = ledger.get(PLAIN.partition, PLAIN.name)
    assert found
    assert found.attempts == {"stage": 1, "classify": 1}


def test_an_update_that_always_meets_faster_writers_gives_up_for_now(ledger: Ledger) -> None:
    ledger.add(PLAIN)
    own = PLAIN.partition, PLAIN.name

    def change(old: Record) -> Record:
        ledger.update(*own, lambda other: other.tried("stage", "faster"))
        return old.tried("classify", "slower")

    with pytest.raises(StorageUnavailable):
        ledger.update(*own, change)
    found = ledger.get(*own)
    assert found
    assert "classify" not in found.attempts


def test_an_error_in_the_change_passes_and_changes_nothing(ledger: Ledger) -> None:
    ledger.add(PLAIN)
    with pytest.raises(ZeroDivisionError):
        ledger.update(PLAIN.partition, PLAIN.name, lambda old: replace(old, orbit=1 // 0))
    assert ledger.get(PLAIN.partition, PLAIN.name) == PLAIN


def test_the_records_of_one_partition_are_told_from_the_others(ledger: Ledger) -> None:
    other = replace(PLAIN, partition="22WEA")
    ledger.add(PLAIN)
    ledger.add(other)
    assert list(ledger.records("22WEV")) == [PLAIN]
    assert sorted(record.partition for record in ledger.records()) == ["22WEA", "22WEV"]
    assert list(ledger.records("22WEV' or PartitionKey ne 'x")) == []


def test_a_record_is_found_by_its_l2a_product(ledger: Ledger) -> None:
    ledger.add(FULL)
    ledger.add(PLAIN)
    assert ledger.by_l2a(Tile("22WEV"), L2A) == FULL
    assert ledger.by_l2a(Tile("22WEA"), L2A) is None
    assert ledger.by_l2a(Tile("22WEV"), "") is None
    assert ledger.by_l2a(Tile("22WEV"), "x' or l2a ne 'x") is None


@pytest.mark.parametrize(
    "name",
    ["a/b\\c#d?e", "it's 100 % – \x00\x1f\x7f\x9f\n", "%2F", " ", "…" * 120, "l" * 5000, "é/" * 5000, "\ud800"],
)
def test_whatever_was_refused_can_be_a_name(ledger: Ledger, name: str) -> None:
    record = Record(REFUSED, name, State.FAILED, reason="It is no product name.")
    assert ledger.add(record)
    assert not ledger.add(record)
    ledger.update(REFUSED, name, lambda old: old.tried("discover", "again"))
    found = ledger.get(REFUSED, name)
    assert found
    assert found.attempts == {"discover": 1}
    if "\ud800" not in name:
        assert found.name == name
    [listed] = ledger.records(REFUSED)
    assert listed == found


def test_a_queue_message_of_full_length_comes_back_whole(ledger: Ledger) -> None:
    message = "".join(chr(33 + i % 90) for i in range(64 * 1024))
    ledger.add(replace(PLAIN, message=message))
    shorter = ledger.update(PLAIN.partition, PLAIN.name, lambda old: replace(old, message=old.message[:20_000]))
    assert shorter.message == message[:20_000]
    assert ledger.get(PLAIN.partition, PLAIN.name) == shorter


def saved(ledger: Ledger, record: MonthRecord) -> MonthRecord:
    return ledger.update_month(record.month, lambda _: record)


def test_a_month_is_saved_and_replaced(ledger: Ledger) -> None:
    month = TileMonth(Tile("22WEV"), 2024, 7)
    plain = MonthRecord(month, AT, 24, closed=False)
    full = MonthRecord(month, AT, 25, closed=True, waiting=1, checked=AT, missing=2, unfinished=3, failed=4, asked=AT)
    for record in (plain, full, plain):
        assert saved(ledger, record) == record
        assert ledger.month(month) == record
    assert ledger.month(month.next()) is None


def test_a_month_is_updated_from_what_is_known_and_no_other_writer_is_lost(ledger: Ledger) -> None:
    month = TileMonth(Tile("22WEV"), 2024, 7)
    new = MonthRecord(month, None, 0, closed=False)
    seen: list[MonthRecord | None] = []

    def counting(old: MonthRecord | None) -> MonthRecord:
        seen.append(old)
        if len(seen) in {1, 3}:  # another writer is faster: with the first row, and with a later one
            saved(ledger, replace(old or new, found=len(seen)))
        row = old or new
        return replace(row, waiting=row.waiting + 1)

    assert ledger.update_month(month, counting) == replace(new, found=1, waiting=1)
    assert ledger.update_month(month, counting) == replace(new, found=3, waiting=2)
    assert ledger.month(month) == replace(new, found=3, waiting=2)
    assert seen[0] is None


def test_of_orders_at_one_instant_each_month_lets_one_through(azure: AzureLedger) -> None:
    queues, together, tile = FakeQueues(), Barrier(3), Tile("22WEV")

    def ask() -> None:
        orders = Orders(FakeStore(), azure, queues, FakeClock(), lambda _: "")
        together.wait()
        orders.backfill(tile, TileMonth(tile, 2021, 6), TileMonth(tile, 2021, 8))

    threads = [Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    asked = sorted(TileMonthMessage.decode(text).month for text in queues.sent[TILE_MONTHS])
    assert asked == ["2021-06", "2021-07", "2021-08"]


def test_a_reason_longer_than_a_column_is_cut_with_a_mark(azure: AzureLedger) -> None:
    azure.add(replace(PLAIN, reason="🏔" * 40_000))
    found = azure.get(PLAIN.partition, PLAIN.name)
    assert found
    assert len(found.reason) == 16_000
    assert found.reason.endswith("🏔…")


def test_all_pages_are_listed(azure: AzureLedger, service: TableServiceClient) -> None:
    table = service.get_table_client(azure._products.table_name)
    table.create_table()
    rows = [row_of(replace(PLAIN, name=f"n{i:04d}")) for i in range(1050)]
    for start in range(0, len(rows), 100):
        table.submit_transaction([("create", row) for row in rows[start : start + 100]])
    assert len(list(azure.records())) == 1050
    assert len(list(azure.records("22WEV"))) == 1050


def test_of_many_writers_at_once_none_is_lost(azure: AzureLedger) -> None:
    azure.add(PLAIN)

    def write() -> None:
        for _ in range(4):
            azure.update(PLAIN.partition, PLAIN.name, lambda old: old.tried("stage", ""))

    threads = [Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = azure.get(PLAIN.partition, PLAIN.name)
    assert found
    assert found.attempts == {"stage": 16}


def test_columns_of_a_later_version_survive_an_update(azure: AzureLedger, service: TableServiceClient) -> None:
    azure.add(FULL)
    table = service.get_table_client(azure._products.table_name)
    added = {"melt_mm": 4.5, "seen": AT, "large": 7}
    table.update_entity({"PartitionKey": "22WEV", "RowKey": NAME, **added})
    assert azure.get("22WEV", NAME) == FULL
    azure.update("22WEV", NAME, staged)
    row = table.get_entity("22WEV", NAME)
    assert {name: row[name] for name in added} == added


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"state": "MELTED"}, "MELTED"), ({"orbit": "x"}, "'x'"), ({"time_stage": "today"}, "today")],
)
def test_a_row_that_does_not_parse_is_left_out_of_listings_and_never_overwritten(
    azure: AzureLedger,
    service: TableServiceClient,
    caplog: pytest.LogCaptureFixture,
    wrong: dict[str, str],
    says: str,
) -> None:
    azure.add(FULL)
    azure.add(PLAIN)
    table = service.get_table_client(azure._products.table_name)
    table.update_entity({"PartitionKey": "22WEV", "RowKey": NAME, **wrong})
    with caplog.at_level(logging.WARNING):
        assert list(azure.records()) == [PLAIN]
    assert NAME in caplog.text
    with pytest.raises(PermanentError, match=f"{NAME} does not parse.*{says}"):
        azure.get("22WEV", NAME)
    with pytest.raises(PermanentError, match=f"{NAME} does not parse.*{says}"):
        azure.update("22WEV", NAME, staged)
    assert table.get_entity("22WEV", NAME)[next(iter(wrong))] == next(iter(wrong.values()))


def test_a_month_whose_row_does_not_parse_is_as_unknown_and_mended_by_the_next_search(
    azure: AzureLedger, service: TableServiceClient
) -> None:
    months = [TileMonth(Tile("22WEV"), 2019, number) for number in (6, 7)]
    for month in months:
        saved(azure, MonthRecord(month, NOON, 3, closed=False, error="503.", tried=NOON))
    table = service.get_table_client(azure._months.table_name)
    table.update_entity({"PartitionKey": "22WEV", "RowKey": "2019-07", "found": "many"})
    assert azure.month(months[1]) is None
    assert [row.month for row in azure.months()] == [row.month for row in azure.months(Tile("22WEV"))] == months[:1]
    saved(azure, MonthRecord(months[1], None, 0, closed=False))
    assert azure.month(months[1]) == MonthRecord(months[1], None, 0, closed=False)
    assert azure.month(months[0]) == MonthRecord(months[0], NOON, 3, closed=False, error="503.", tried=NOON)


def test_storage_that_does_not_answer_is_unavailable() -> None:
    nobody = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;TableEndpoint=http://127.0.0.1:9/a;"
    with Account(Storage(nobody), retries=0).tables() as service:
        ledger = AzureLedger(service)
        with pytest.raises(StorageUnavailable, match="22WEV"):
            ledger.get("22WEV", NAME)
        with pytest.raises(StorageUnavailable, match="ledger"):
            list(ledger.records())


def test_what_was_written_since_an_instant_is_found_alone(ledger: Ledger):
    month = MonthRecord(TileMonth(Tile("22WEV"), 2024, 7), None, found=0, closed=False)
    ledger.add(FULL)
    saved(ledger, month)
    sleep(0.1)
    between = datetime.now(UTC)
    sleep(0.1)
    assert list(ledger.records(since=between)) == []
    assert list(ledger.months(since=between)) == []
    ledger.add(PLAIN)
    ledger.update(FULL.partition, FULL.name, lambda old: replace(old, note="written again"))
    other = replace(month, month=month.month.next())
    saved(ledger, other)
    assert {record.name for record in ledger.records(since=between)} == {PLAIN.name, FULL.name}
    assert list(ledger.records(REFUSED, since=between)) == []
    assert list(ledger.months(since=between)) == [other]
