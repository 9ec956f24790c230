"""Timers of the one-machine host."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import azure.functions as func
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.functions.timer import TimerRequest
from azure.storage.blob import BlobServiceClient

from local.timers import Status, missed
from shared.adapters.timers import HOSTS, Schedule, set_up_at
from shared.errors import BadSetting, PermanentError
from shared.settings import Settings
from shared.wiring import Services
from tests.adapters.hosting import eventually, host_of, unique

NEVER_SOON = "0 0 0 1 1 *"  # new year


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "after", "then"),
    [
        ("0 */15 * * * *", "2024-07-16T15:18:09", "2024-07-16T15:30:00"),
        ("*/5 * * * * *", "2024-07-16T15:18:09", "2024-07-16T15:18:10"),
        ("30 0 6 * * 1-5", "2024-07-19T06:00:30", "2024-07-22T06:00:30"),
        ("0 0 12 13 * Fri", "2024-07-16T00:00:00", "2024-09-13T12:00:00"),  # both day fields must match
        ("0 0 0 1 Jan *", "2024-07-16T00:00:00", "2025-01-01T00:00:00"),
    ],
)
def test_six_fields_begin_with_the_second_and_all_must_match(expression: str, after: str, then: str) -> None:
    assert Schedule(expression, "it").next(at(after)) == at(then)


@pytest.mark.parametrize(
    "expression", ["*/5 * * * *", "0 61 * * * *", "00:05:00", "@daily", "0 0 0 31 2 *", "", "0 0 0 L * *"]
)
def test_what_is_no_schedule_is_refused_with_its_function(expression: str) -> None:
    with pytest.raises(BadSetting, match=r"^Function watch has the schedule"):
        Schedule(expression, "Function watch")


def test_a_run_counts_as_missed_only_under_the_schedule_it_was_planned_with() -> None:
    hourly, daily = Schedule("0 0 * * * *", "it"), Schedule("0 0 0 * * *", "it")
    planned = Status(at("2024-07-16T10:00:00"), at("2024-07-16T11:00:00"), at("2024-07-16T10:00:05"))
    assert missed(planned, hourly, at("2024-07-16T15:30:00"))
    assert not missed(planned, hourly, at("2024-07-16T10:30:00"))
    assert not missed(planned, daily, at("2024-07-20T10:30:00"))
    assert not missed(None, hourly, at("2024-07-20T10:30:00"))


def test_status_survives_writing_and_reading_and_nonsense_counts_as_none() -> None:
    status = Status(None, at("2024-07-16T11:00:00"), at("2024-07-16T10:00:05"))
    assert Status.parse(json.dumps(status.as_json()).encode()) == status
    assert Status.parse(b"{}") is None
    assert Status.parse(b"\xff") is None


def test_a_timer_runs_at_its_times_and_never_overlaps_with_itself(azurite: str, tmp_path: Path) -> None:
    app, runs = func.FunctionApp(), []

    @app.timer_trigger("timer", "%EVERY_SECOND%")
    def tick(timer: func.TimerRequest) -> None:
        begun = time.time()
        time.sleep(1.3)
        runs.append((begun, time.time(), timer.past_due))

    with host_of(app, azurite, tmp_path, settings={"EVERY_SECOND": "* * * * * *"}):
        assert eventually(lambda: len(runs) >= 2)
    for (_, ended, _), (begun, _, past_due) in pairwise(runs):
        assert begun >= ended
        assert int(begun) > int(ended)  # not at once, but at the next time of the schedule
        assert not past_due


def test_run_on_startup_runs_at_once(azurite: str, tmp_path: Path) -> None:
    app, runs = func.FunctionApp(), []

    @app.timer_trigger("timer", NEVER_SOON, run_on_startup=True, use_monitor=False)
    def now(timer: func.TimerRequest) -> None:
        runs.append(timer.past_due)

    with host_of(app, azurite, tmp_path):
        assert eventually(lambda: runs)
    assert runs == [False]


def test_one_missed_run_is_caught_up_once(azurite: str, tmp_path: Path) -> None:
    app, runs, name = func.FunctionApp(), [], unique("late").replace("-", "_")

    @app.function_name(name)
    @app.timer_trigger("timer", "0 0 0 * * *")
    def late(timer: TimerRequest) -> None:
        runs.append((timer.past_due, timer.schedule_status))

    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    old = Status(midnight - timedelta(days=4), midnight - timedelta(days=3), midnight - timedelta(days=4))
    with BlobServiceClient.from_connection_string(azurite) as service:
        container = service.get_container_client("azure-webjobs-hosts")
        if not container.exists():
            container.create_container()
        status = container.get_blob_client(f"timers/icewatch/Host.Functions.{name}/status")
        status.upload_blob(json.dumps(old.as_json()))
        for _ in range(2):  # the second host finds nothing missed
            with host_of(app, azurite, tmp_path):
                assert eventually(lambda: runs)
                time.sleep(0.3)
        kept = Status.parse(status.download_blob().readall())
    [(past_due, told)] = runs
    assert past_due
    assert told == old.as_json()
    assert kept is not None
    assert kept.next == midnight + timedelta(days=1)


def test_a_timer_that_fails_runs_again_the_next_time(azurite: str, tmp_path: Path) -> None:
    app, runs = func.FunctionApp(), []

    @app.timer_trigger("timer", "* * * * * *")
    def fail(timer: func.TimerRequest) -> None:
        runs.append(1)
        raise PermanentError("The watchlist names no tile.")

    with host_of(app, azurite, tmp_path):
        assert eventually(lambda: len(runs) >= 2)


def test_a_timer_can_be_run_by_hand(azurite: str, tmp_path: Path) -> None:
    app, runs = func.FunctionApp(), []

    @app.timer_trigger("timer", NEVER_SOON)
    def by_hand(timer: func.TimerRequest) -> None:
        runs.append(timer.past_due)
        if len(runs) > 1:
            raise PermanentError("Not twice.")

    with host_of(app, azurite, tmp_path) as host:
        assert host.run_timer("by_hand")
        assert not host.run_timer("by_hand")
        with pytest.raises(BadSetting, match="no timer function other"):
            host.run_timer("other")
    assert runs == [False, False]


def test_the_moment_of_set_up_is_when_a_host_first_began_and_outlives_restarts(azurite: str, tmp_path: Path) -> None:
    app = func.FunctionApp()

    @app.timer_trigger("timer", NEVER_SOON)
    def seldom(timer: func.TimerRequest) -> None:
        raise AssertionError("It is not due.")

    with host_of(app, azurite, tmp_path), BlobServiceClient.from_connection_string(azurite) as service:
        began = set_up_at(service)
        blob = service.get_blob_client(HOSTS, "locks/of-a-test")
        blob.upload_blob(b"", overwrite=True)
        assert began is not None
        assert began <= blob.get_blob_properties().last_modified
    with host_of(app, azurite, tmp_path), BlobServiceClient.from_connection_string(azurite) as service:
        assert set_up_at(service) == began


def test_a_timer_is_due_first_when_its_schedule_says_so_after_the_set_up(azurite: str) -> None:
    env = {"AzureWebJobsStorage": azurite, "SCHEDULE": "0 0 */6 * * *", "WATCH_SCHEDULE": "no schedule"}
    with BlobServiceClient.from_connection_string(azurite) as service:
        with suppress(ResourceExistsError):  # as the host does
            service.create_container(HOSTS)
        began = set_up_at(service)
    outside = Services(Settings.from_env(env))
    due = outside.first_due("schedule")
    assert began is not None
    assert due is not None
    assert timedelta(0) < due - began <= timedelta(hours=6)
    assert (due.hour % 6, due.minute, due.second) == (0, 0, 0)
    assert outside.first_due("watch") is None  # no host runs that
    assert Services(Settings.from_env({"AzureWebJobsStorage": azurite})).first_due("schedule") is None
