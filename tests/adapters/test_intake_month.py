"""A month through the real steps and adapters: simulated Copernicus, Azurite, watchlist from the command line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.__main__ import app
from local.azurite import Azurite
from local.copernicus import SimulatedCopernicus
from shared.messages import CORRECTIONS, ProductMessage, TileMonthMessage
from shared.models import WATCHLIST, ProductName, State, staged_zip
from shared.pipeline.discover import discover
from shared.pipeline.discover_choice import Rules
from shared.pipeline.reconcile import reconcile
from shared.pipeline.schedule import schedule
from shared.pipeline.stage import stage
from shared.pipeline.watching import in_force, settings_of
from shared.settings import STORAGE, Settings
from shared.wiring import Services
from tests.products import l1c_zip

AREA = {"name": "July", "tiles": ["22WEV"], "since": "2024-07-01", "until": "2024-07-31", "scene_cloud_limit": 80}
LONG_AGO = datetime(2024, 7, 20, tzinfo=UTC)  # published, and not changed since
LONG = "S2A_OPER_PRD_MSIL1C_PDMC_20240713T075059_R111_V20240712T161812_20240712T161807"


def named(day: int, *, baseline: str = "0510", made: str = "184612") -> str:
    return f"S2B_MSIL1C_202407{day:02d}T151809_N{baseline}_R068_T22WEV_20240716T{made}"


PLAIN = [named(day) for day in (1, 3, 5, 7)]
HALF, OLDER, ARCHIVED, CLOUDY = named(3, made="184613"), named(5, baseline="0509"), named(9), named(11)
LATE, REPROCESSED = named(13), named(7, baseline="0511")


@dataclass
class Month:
    """The intake of one tile-month, run by hand."""

    copernicus: SimulatedCopernicus
    outside: Services
    storage: str
    now: datetime

    def publish(self, *names: str, **facts) -> None:
        for name in names:
            self.copernicus.publish_entry(name, l1c_zip(name), **facts)

    def run(self) -> list[TileMonthMessage]:
        """One schedule and everything that follows from it, up to the corrections."""
        outside = self.outside
        watched = in_force(outside.store, ledger=outside.ledger, clock=outside.clock)
        asked = schedule(watched, ledger=outside.ledger, queues=outside.queues, now=self.now)
        for message in asked:
            tile = settings_of(message.value().tile, watched, outside.settings.defaults)
            rules = Rules(tile.scene_cloud_limit, official=tile.correction == "official")
            catalogue = outside.catalogue_of(tile.catalogue)
            for product in discover(
                message, catalogue=catalogue, ledger=outside.ledger, clock=outside.clock, rules=rules
            ):
                self._stage(product)
        return asked

    def _stage(self, message: ProductMessage) -> None:
        outside = self.outside
        for following in stage(
            message,
            catalogue=outside.catalogue,
            store=outside.store,
            ledger=outside.ledger,
            clock=outside.clock,
            intake=outside.intake,
        ):
            outside.queues.send(following.queue, following.message.encode())

    def states(self) -> dict[str, State]:
        return {record.name: record.state for record in self.outside.ledger.records("22WEV")}

    def downloads(self) -> int:
        return sum(count for kind, count in self.copernicus.requests.items() if "download" in str(kind).lower())


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    folder = tmp_path_factory.mktemp("month")
    with Azurite(folder) as azurite, SimulatedCopernicus() as copernicus:
        settings = Settings.from_env({STORAGE: azurite.connection_string, **copernicus.environment()})
        outside = Services(settings)
        yield Month(copernicus, outside, azurite.connection_string, datetime.now(UTC))
        outside.close()


def watchlist(month: Month, monkeypatch: pytest.MonkeyPatch, *arguments: str):
    monkeypatch.setenv(STORAGE, month.storage)
    return CliRunner().invoke(app, ["watchlist", *arguments])


def test_a_watchlist_is_put_in_force_and_shown(month: Month, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    file = tmp_path / "watchlist.json"
    file.write_text(json.dumps({"version": 1, "areas": [AREA]}))
    assert "1 areas, 1 tiles" in watchlist(month, monkeypatch, "put", str(file)).stdout
    shown = watchlist(month, monkeypatch, "show").stdout
    assert "22WEV" in shown
    assert "scene_cloud_limit=80" in shown


def test_one_that_somebody_breaks_in_the_portal_is_refused_and_the_last_stays(
    month: Month, monkeypatch: pytest.MonkeyPatch
):
    good = month.outside.store.read(WATCHLIST)
    month.outside.store.write(WATCHLIST, b'{"version": 1, "areas": [{}]}')
    shown = watchlist(month, monkeypatch, "show").stdout
    assert "refused at areas.0.name: Field required" in shown
    assert "22WEV" in shown
    month.outside.store.write(WATCHLIST, good)
    assert "refused" not in watchlist(month, monkeypatch, "show").stdout


def test_the_first_schedule_stages_what_is_wanted_and_says_of_the_rest_why_not(month: Month):
    month.publish(*PLAIN, HALF, OLDER, published=LONG_AGO)
    month.publish(ARCHIVED, online=False, published=LONG_AGO)
    month.publish(CLOUDY, cloud_cover=95.0, published=LONG_AGO)
    month.publish(PLAIN[0], product_id="00000000-0000-0000-0000-000000000001")
    month.copernicus.publish_long(LONG, "22WEV", datetime(2024, 7, 12, tzinfo=UTC))
    month.run()
    staged, skipped = dict.fromkeys([*PLAIN, HALF], State.STAGED), dict.fromkeys([OLDER, CLOUDY, LONG], State.SKIPPED)
    assert month.states() == staged | skipped | {ARCHIVED: State.OFFLINE}
    assert month.downloads() == month.outside.queues.depth(CORRECTIONS) == len(staged)
    assert all(month.outside.store.info(staged_zip(ProductName.parse(name))) for name in staged)
    assert all(r.reason for r in month.outside.ledger.records("22WEV") if r.state is not State.STAGED)


def test_what_comes_back_from_the_archive_is_staged_at_the_next_look(month: Month):
    month.copernicus.set_online(ARCHIVED, online=True)
    month.now += timedelta(days=2)
    assert [message.since for message in month.run()] == [None]
    assert month.states()[ARCHIVED] is State.STAGED


def test_a_late_arrival_and_a_reprocessing_are_found_among_the_changes_alone(month: Month):
    month.publish(LATE, REPROCESSED)
    month.now += timedelta(days=8)
    [asked] = month.run()
    assert asked.since is not None
    states = month.states()
    assert (states[LATE], states[REPROCESSED]) == (State.STAGED, State.STAGED)
    older = month.outside.ledger.get("22WEV", PLAIN[3])
    assert older is not None
    assert (older.state, older.successor) == (State.STAGED, REPROCESSED)


def test_a_deletion_of_what_is_staged_is_noted(month: Month):
    month.copernicus.withdraw(LATE, cause="Corrupted product")
    month.now += timedelta(days=8)
    month.run()
    record = month.outside.ledger.get("22WEV", LATE)
    assert record is not None
    assert record.state is State.STAGED
    assert record.note.endswith("Corrupted product.")


def test_one_more_schedule_changes_nothing_and_downloads_nothing(month: Month):
    before, downloads = list(month.outside.ledger.records("22WEV")), month.downloads()
    month.now += timedelta(days=8)
    assert month.run()
    assert list(month.outside.ledger.records("22WEV")) == before
    assert month.downloads() == downloads


def test_a_zip_that_somebody_removed_is_staged_again(month: Month):
    month.outside.store.delete(staged_zip(ProductName.parse(PLAIN[0])))
    later = datetime.now(UTC) + timedelta(hours=5)
    [rescue] = reconcile(ledger=month.outside.ledger, store=month.outside.store, clock=lambda: later)
    assert isinstance(rescue.message, ProductMessage)
    month._stage(rescue.message)
    assert month.states()[PLAIN[0]] is State.STAGED
    row = month.outside.ledger.month(TileMonthMessage(tile="22WEV", month="2024-07").value())
    assert row is not None
    assert (row.missing, row.failed, row.checked) == (0, 0, later)
