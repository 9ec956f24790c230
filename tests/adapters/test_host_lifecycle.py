"""Start, stop and workers of the one-machine host."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import azure.functions as func
import pytest
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from local.host import Endpoints, Host, endpoints_of
from shared.errors import BadSetting
from tests.adapters.hosting import FAST, STORAGE, eventually, host_json, host_of, texts, unique
from tests.conftest import ROOT

MODULE = "tests.adapters.standin_worker"
needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")


def running(pid: int) -> bool:
    """True where the process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def children(pid: int) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(entry.read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == pid:
            found.append(int(entry.parent.name))
    return found


@pytest.fixture
def corrections(azurite: str) -> Iterator[QueueClient]:
    with QueueClient.from_connection_string(azurite, "corrections") as queue:
        with suppress(ResourceExistsError):
            queue.create_queue()
        queue.clear_messages()
        yield queue
        queue.clear_messages()


def lines(notes: Path) -> list[str]:
    return [line.rpartition(" ")[0] for line in notes.read_text().splitlines()] if notes.exists() else []


def worker_host(azurite: str, folder: Path, workers: int = 1, **settings: str) -> Host:
    settings = {"STANDIN_NOTES": str(folder / "notes")} | settings
    return host_of(func.FunctionApp(), azurite, folder, workers=workers, worker_module=MODULE, settings=settings)


def test_each_message_gets_a_worker_of_its_own(azurite: str, corrections: QueueClient, tmp_path: Path) -> None:
    for _ in range(2):
        corrections.send_message("take")
    with worker_host(azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    notes = (tmp_path / "notes").read_text().split()
    assert notes[::2] == ["take", "take"]
    assert notes[1] != notes[3]
    assert (tmp_path / "host" / "workers.log").read_text() == "standin at work\n" * 2


def test_no_more_workers_run_than_asked_for(azurite: str, corrections: QueueClient, tmp_path: Path) -> None:
    for _ in range(3):
        corrections.send_message("hang")
    with worker_host(azurite, tmp_path, workers=2):
        assert eventually(lambda: lines(tmp_path / "notes") == ["hang", "hang"])
        time.sleep(0.5)
        assert lines(tmp_path / "notes") == ["hang", "hang"]


def test_workers_give_their_message_back_when_the_host_stops(
    azurite: str, corrections: QueueClient, tmp_path: Path
) -> None:
    corrections.send_message("hang")
    with worker_host(azurite, tmp_path):
        assert eventually(lambda: lines(tmp_path / "notes"))
    assert lines(tmp_path / "notes") == ["hang", "gave back"]
    assert texts(corrections) == ["hang"]


@needs_proc
def test_a_worker_that_ignores_sigterm_is_killed(azurite: str, corrections: QueueClient, tmp_path: Path) -> None:
    corrections.send_message("stubborn")
    host = worker_host(azurite, tmp_path)
    host._pace = replace(FAST, grace=0.5)
    with host:
        assert eventually(lambda: lines(tmp_path / "notes"))
        pid = int((tmp_path / "notes").read_text().split()[-1])
        assert running(pid)
    assert not running(pid)


def test_a_worker_that_fails_at_once_is_not_started_over_and_over(
    azurite: str, corrections: QueueClient, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    corrections.send_message("take")
    with worker_host(azurite, tmp_path, STANDIN_CRASH="1"):
        assert eventually(lambda: "ended with code 7" in caplog.text)
        time.sleep(0.7)
        assert lines(tmp_path / "notes") == ["crash"]


@pytest.fixture
def subprocess_host(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.adapters.standin_host", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONWARNINGS": "error"}) as process:
        try:
            assert eventually(lambda: endpoints_of(tmp_path / "host"))
            yield process
        finally:
            process.kill()


def start_hanging_worker(folder: Path) -> int:
    endpoints = endpoints_of(folder / "host")
    assert endpoints is not None
    with QueueClient.from_connection_string(endpoints.connection_string, "corrections") as queue:
        queue.send_message("hang")
    assert eventually(lambda: lines(folder / "notes") == ["hang"])
    return int((folder / "notes").read_text().split()[-1])


@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_host_with_all_it_started_and_nothing_else(
    subprocess_host: subprocess.Popen[bytes], tmp_path: Path, number: signal.Signals
) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with bystander:
        worker = start_hanging_worker(tmp_path)
        started = children(subprocess_host.pid)
        assert worker in started
        assert len(started) == 2  # the worker and Azurite
        subprocess_host.send_signal(number)
        assert subprocess_host.wait(60) == 0
        assert not any(running(pid) for pid in started)
        assert running(bystander.pid)
        bystander.kill()
    assert lines(tmp_path / "notes") == ["hang", "gave back"]
    assert not (tmp_path / "host" / "endpoints.json").exists()


@needs_proc
def test_a_killed_host_takes_its_processes_along_and_can_be_started_again(
    subprocess_host: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    start_hanging_worker(tmp_path)
    started = children(subprocess_host.pid)
    subprocess_host.kill()
    subprocess_host.wait()
    assert endpoints_of(tmp_path / "host") is None  # though the file is still there
    assert eventually(lambda: not any(running(pid) for pid in started))
    app = func.FunctionApp()
    host = Host(app, {}, folder=tmp_path / "host", workers=0, host_json=host_json(tmp_path), pace=FAST).start()
    try:
        with QueueClient.from_connection_string(host.settings[STORAGE], "corrections") as queue:
            assert queue.get_queue_properties().approximate_message_count == 1  # kept by Azurite
    finally:
        host.stop()


def test_endpoints_are_published_for_their_owner_only_and_withdrawn(azurite: str, tmp_path: Path) -> None:
    folder = tmp_path / "host"
    with host_of(func.FunctionApp(), azurite, tmp_path) as host:
        assert endpoints_of(folder) == Endpoints(os.getpid(), host.http_address, azurite)
        assert stat.S_IMODE((folder / "endpoints.json").stat().st_mode) == 0o600
        assert json.loads((folder / "endpoints.json").read_text())["http"].startswith("http://127.0.0.1:")
    assert endpoints_of(folder) is None


def test_a_second_host_on_the_same_folder_is_refused(azurite: str, tmp_path: Path) -> None:
    with (
        host_of(func.FunctionApp(), azurite, tmp_path),
        pytest.raises(BadSetting, match=f"A host, process {os.getpid()}, already runs on"),
    ):
        host_of(func.FunctionApp(), azurite, tmp_path).start()


def test_settings_are_in_the_environment_while_the_host_runs_and_gone_afterwards(
    azurite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ICEWATCH_A", "before")
    monkeypatch.delenv("ICEWATCH_B", raising=False)
    settings = {"ICEWATCH_A": "during", "ICEWATCH_B": "new"}
    with host_of(func.FunctionApp(), azurite, tmp_path, settings=settings):
        assert (os.environ["ICEWATCH_A"], os.environ["ICEWATCH_B"]) == ("during", "new")
        assert os.environ[STORAGE] == azurite
    assert os.environ["ICEWATCH_A"] == "before"
    assert "ICEWATCH_B" not in os.environ
    assert STORAGE not in os.environ


def test_a_proxy_is_not_asked_for_what_is_on_this_machine(
    azurite: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app, seen, name = func.FunctionApp(), [], unique("proxied")

    @app.queue_trigger("message", name, STORAGE)
    def take(message: func.QueueMessage) -> None:
        seen.append(message.get_body())

    with QueueClient.from_connection_string(azurite, name) as queue:
        queue.create_queue()
        queue.send_message("x")
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    assert seen == [b"x"]


def test_a_missing_setting_is_named_before_anything_starts(tmp_path: Path) -> None:
    app = func.FunctionApp()

    @app.timer_trigger("timer", "%SCHEDULE%")
    def schedule(timer: func.TimerRequest) -> None: ...

    host = Host(app, {}, folder=tmp_path / "host", host_json=host_json(tmp_path))
    with pytest.raises(BadSetting, match=r"Function schedule needs the app setting SCHEDULE, which is not set."):
        host.start()
    assert not (tmp_path / "host" / "azurite").exists()
    assert STORAGE not in os.environ


def test_what_was_started_is_stopped_where_a_later_part_fails(azurite: str, tmp_path: Path) -> None:
    app = func.FunctionApp()

    @app.timer_trigger("timer", "not a schedule")
    def never(timer: func.TimerRequest) -> None: ...

    with pytest.raises(BadSetting, match="Function never has the schedule"):
        host_of(app, azurite, tmp_path).start()
    with host_of(func.FunctionApp(), azurite, tmp_path):
        pass  # the folder is free again


def test_a_storage_setting_that_is_none_is_refused(tmp_path: Path) -> None:
    app = func.FunctionApp()

    @app.queue_trigger("message", unique("q"), "Elsewhere")
    def take(message: func.QueueMessage) -> None: ...

    with pytest.raises(BadSetting, match="The connection Elsewhere is not configured"):
        host_of(app, "AccountName=x;AccountKey=eA==;EndpointSuffix=example.invalid", tmp_path).start()
    with pytest.raises(BadSetting, match="The app setting Elsewhere is no connection string"):
        host_of(app, "", tmp_path, settings={STORAGE: "x=y", "Elsewhere": "nonsense"}).start()


def test_a_filter_for_a_function_that_does_not_exist_is_refused(azurite: str, tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="blob_endings names clasify"):
        host_of(func.FunctionApp(), azurite, tmp_path, blob_endings={"clasify": "x"}).start()


def test_waiting_for_idleness_ends_at_its_limit_and_says_what_is_left(azurite: str, tmp_path: Path) -> None:
    app, name = func.FunctionApp(), unique("slow")

    @app.queue_trigger("message", name, STORAGE)
    def slow(message: func.QueueMessage) -> None:
        time.sleep(1)

    with QueueClient.from_connection_string(azurite, name) as queue:
        queue.create_queue()
        queue.send_message("x")
    with host_of(app, azurite, tmp_path) as host:
        assert eventually(lambda: "1 x slow running" in host.outstanding())
        assert not host.wait_until_idle(0.1)
        assert f"1 messages in {name}" in host.outstanding()
        assert host.wait_until_idle(60)
        assert host.outstanding() == []
