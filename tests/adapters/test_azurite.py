"""Azurite as one process of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local import azurite as module
from local.azurite import Azurite
from shared.errors import NotFound, StorageUnavailable
from tests.conftest import ROOT


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def wait_gone(pid: int, seconds: float = 60.0) -> bool:
    end = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    return not alive(pid)


def test_all_three_services_answer_on_loopback(azurite: str) -> None:
    assert azurite.count("http://127.0.0.1:") == 3
    with (
        BlobServiceClient.from_connection_string(azurite) as blobs,
        QueueServiceClient.from_connection_string(azurite) as queues,
        TableServiceClient.from_connection_string(azurite) as tables,
    ):
        assert list(blobs.list_containers(name_starts_with="no-such")) == []
        assert list(queues.list_queues(name_starts_with="no-such")) == []
        assert list(tables.query_tables("TableName eq 'none'")) == []


def test_data_is_kept_across_a_restart(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path)
    with azurite, QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        service.create_queue("kept").send_message("still here")
    with azurite, QueueServiceClient.from_connection_string(azurite.connection_string) as service:
        assert [m.content for m in service.get_queue_client("kept").peek_messages()] == ["still here"]


def test_stop_ends_the_process_and_nothing_of_it_remains(tmp_path: Path) -> None:
    azurite = Azurite(tmp_path).start()
    pid = azurite.pid
    assert pid is not None
    azurite.stop()
    assert not alive(pid)
    assert azurite.pid is None
    with pytest.raises(StorageUnavailable):
        _ = azurite.connection_string
    azurite.stop()  # a second stop does nothing


def test_azurite_saves_and_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from local.azurite import Azurite\n"
        "from azure.storage.queue import QueueClient\n"
        "azurite = Azurite(Path(sys.argv[1])).start()\n"
        "queue = QueueClient.from_connection_string(azurite.connection_string, 'orphan')\n"
        "queue.create_queue(); queue.send_message('saved')\n"
        "print(azurite.pid, flush=True); time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    with Azurite(tmp_path) as successor:  # waits for the orphan to leave the folder
        assert wait_gone(pid)
        with QueueServiceClient.from_connection_string(successor.connection_string) as service:
            assert [m.content for m in service.get_queue_client("orphan").peek_messages()] == ["saved"]


def test_a_second_azurite_is_kept_out_of_a_folder_in_use(tmp_path: Path) -> None:
    with Azurite(tmp_path), pytest.raises(StorageUnavailable, match="Another Azurite works in"):
        Azurite(tmp_path, patience=0.3).start()


def test_a_failed_start_shows_the_end_of_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.js"
    broken.write_text("console.error('no space left on this planet'); process.exit(3)")
    monkeypatch.setattr(module, "_PROGRAM", broken)
    with pytest.raises(StorageUnavailable, match=r"(?s)code 3.*no space left on this planet"):
        Azurite(tmp_path / "data").start()


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROGRAM", tmp_path / "absent.js")
    with pytest.raises(NotFound, match="make setup"):
        Azurite(tmp_path).start()
