"""A result folder on a disk: files appear whole, whoever else writes there."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from shared.adapters.folders import ResultFolder
from shared.errors import BadSetting

OWNER = "S2B_MSIL2A_20240716T151809_N0511_R068_T22WEV_20240716T184612"


def test_two_runs_into_one_folder_leave_whole_files_of_one_of_them(tmp_path: Path) -> None:
    contents = [letter * 200_000 for letter in (b"a", b"b")]
    faults: list[BaseException] = []

    def write(content: bytes) -> None:
        folder = ResultFolder(tmp_path, OWNER)
        try:
            for _ in range(40):
                folder.emit("quicklook.png", content, "image/png")
        except BaseException as fault:  # noqa: BLE001  # a thread would swallow it
            faults.append(fault)

    runs = [threading.Thread(target=write, args=(content,)) for content in contents]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert faults == []
    assert (tmp_path / "quicklook.png").read_bytes() in contents
    assert [path.name for path in tmp_path.iterdir()] == ["quicklook.png"]


def test_what_a_killed_run_left_is_removed_by_the_next_and_what_is_young_is_not(tmp_path: Path) -> None:
    old, young = tmp_path / ".summary.json.0.part", tmp_path / ".summary.json.1.part"
    for partial in (old, young):
        partial.write_bytes(b"half")
    os.utime(old, (1, 1))
    ResultFolder(tmp_path, OWNER).emit("summary.json", b"{}", "application/json")
    assert sorted(path.name for path in tmp_path.iterdir()) == [young.name, "summary.json"]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing_half_written(tmp_path: Path) -> None:
    (tmp_path / "summary.json").mkdir()
    with pytest.raises(BadSetting, match=r"summary\.json cannot be written: "):
        ResultFolder(tmp_path, OWNER).emit("summary.json", b"{}", "application/json")
    assert [path.name for path in tmp_path.iterdir()] == ["summary.json"]
