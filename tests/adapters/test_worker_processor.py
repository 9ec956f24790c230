"""However the processor behaves: the right state and reason, the message where it belongs, and nothing left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from container import run
from container.run import AGAIN, DONE
from shared.adapters.sen2cor import Command
from shared.errors import BadSetting, StorageUnavailable
from shared.messages import CorrectionMessage
from shared.models import MANIFEST, State, staged_zip
from shared.records import Record
from tests.adapters.worker_world import StopWhen, World, lives, until


def no_orphan_of(world: World) -> None:
    """What the stand-in started beside itself has ended."""
    for note in world.tmp_path.rglob("child.pid"):
        assert not lives(int(note.read_text()))


@pytest.mark.parametrize(
    ("behave", "reason"),
    [
        ("crash", "signal 11"),
        ("error", "3181"),
        ("empty", "incomplete at 20 m"),
        ("already", "already processed"),
        ("truncated", "cut short"),
        ("silent", "without the success sentence"),
        ("partial", "B11 missing"),
        ("metadata", "no readable XML"),
        ("small", "B03"),
        ("noaot", "AOT missing"),
        ("cutwvp", "WVP"),
        ("linked", "'HTML/secret.xml', which is no file and no folder"),
        ("deleted", "No such file or directory"),
        ("refuse", "reads the format"),
    ],
)
def test_a_product_that_cannot_be_corrected_fails_with_its_reason(world: World, behave: str, reason: str) -> None:
    world.stage()
    assert world.run(behave) == DONE
    assert world.has(State.FAILED)
    assert reason in world.record.reason
    assert world.record.progress is None
    assert world.l2a() == []
    assert world.waiting() == 0
    assert world.leftovers() == []
    assert not world.lock_is_there()
    assert world.services.store.info(staged_zip(world.product)) is not None, "kept for a look or a retry"


@pytest.mark.parametrize(
    ("behave", "reason", "limits"),
    [
        ("disk", "disk was full", {}),
        ("memory", "memory ran out", {}),
        ("killed", "memory ran out", {}),
        ("hang", "the time limit", {"time_limit": 2.0}),
        ("runaway", "the time limit", {"time_limit": 2.0}),
    ],
)
def test_trouble_of_the_processor_that_may_pass_is_tried_again_a_few_times(
    world: World, behave: str, reason: str, limits: dict[str, Any]
) -> None:
    world.stage()
    assert world.run(behave, visibility=2, **limits) == AGAIN
    assert world.has(State.STAGED)
    assert reason in world.record.error
    assert world.record.attempts == {"correct": 1}
    assert world.leftovers() == []
    no_orphan_of(world)
    until(world.queue.peek_messages)
    assert world.run(behave, visibility=2, max_tries=2, **limits) == DONE
    assert world.has(State.FAILED)
    assert reason in world.record.reason
    assert world.poisoned(CorrectionMessage(product=str(world.product)).encode())
    assert world.waiting() == 0
    assert world.l2a() == []


@pytest.mark.parametrize("behave", ["succeed", "children", "escape", "flood", "closed", "twosay"])
def test_what_the_processor_does_besides_harms_no_success(world: World, behave: str) -> None:
    world.stage()
    assert world.run(behave) == DONE
    assert world.has(State.CORRECTED)
    assert world.l2a().count(MANIFEST) == 1
    assert world.leftovers() == []
    no_orphan_of(world)


def test_progress_is_in_the_ledger_while_it_lasts(world: World) -> None:
    world.stage()
    seen: list[tuple[float | None, bool]] = []

    def look() -> bool:
        seen.append((world.record.progress, world.record.progress_at is not None))
        return False

    assert world.run("slow", stop=StopWhen(holds=look)) == DONE
    told = [percent for percent, _ in seen if percent is not None]
    assert told == sorted(told)
    assert len(set(told)) >= 2
    assert all(dated is (percent is not None) for percent, dated in seen)
    assert (world.record.progress, world.record.progress_at) == (None, None)


def test_a_ledger_that_takes_no_progress_does_not_fail_the_work(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = world.services.ledger
    update = ledger.update
    refused: list[str] = []

    def moody(partition: str, name: str, change: Any) -> Record:
        if change(world.record).progress is not None:
            refused.append(name)
            raise StorageUnavailable("The ledger is busy.")
        return update(partition, name, change)

    world.stage()
    monkeypatch.setattr(ledger, "update", moody)
    assert world.run() == DONE
    assert refused
    assert world.has(State.CORRECTED)


def test_what_it_took_is_in_the_ledger(world: World) -> None:
    world.stage()
    assert world.run("busy") == DONE
    assert world.record.peak_memory > 60_000_000
    assert world.record.peak_disk > 40_000_000
    assert world.record.seconds["correct"] > 2


def test_a_correction_without_elevation_model_says_so(world: World) -> None:
    world.stage()
    assert world.run("nodem") == DONE
    assert (world.record.state, world.record.dem) == (State.CORRECTED, "flat")


def test_sen2cor_is_not_let_work_on_a_network_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(run, "network_file_system", lambda _: "cifs")
    sen2cor, approximate = Command("Sen2Cor", ("L2A_Process",)), Command("approximate", ("python",))
    with pytest.raises(BadSetting, match="on a cifs file system; Sen2Cor needs a disk of this machine"):
        run._check_disk(tmp_path, [approximate, sen2cor])
    run._check_disk(tmp_path, [approximate])


def test_a_work_folder_that_cannot_be_written_is_a_bad_setting_and_costs_no_product_a_try(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(BadSetting, match="where nothing can be written"):
        run._check_disk(tmp_path / "file", [Command("approximate", ("python",))])
