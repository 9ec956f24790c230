"""Running L2A_Process: each way it can end, and the verdict on it."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from local.scenes.build import build_scene
from local.scenes.month import demo_month
from shared.adapters.sen2cor import Sen2Cor, choose_commands
from shared.adapters.unpack import unpack
from shared.errors import CorrectionFailed, TransientError
from shared.models import Level, ProductName
from shared.ports import Corrected
from shared.settings import Correction
from tests.standins.l1c import PRODUCT, l1c_folder, standin

L2A = "S2A_MSIL2A_20190716T151911_N9999_R068_T22WEV_20261101T000000"


def corrector(tmp_path: Path, behave: str, resolution: int = 20, **settings: object) -> Sen2Cor:
    correction = Correction(command=str(standin(tmp_path, behave)))
    correction = replace(correction, **{"time_limit": 60.0, **settings})  # type: ignore[arg-type]
    return Sen2Cor(choose_commands(correction), resolution=resolution, settings=correction, grace=1.0)


def correct(by: Sen2Cor, tmp_path: Path) -> Corrected:
    return by.correct(l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None)


def outcome(tmp_path: Path, behave: str) -> str:
    """The sentence that the failed run ends with."""
    with pytest.raises(CorrectionFailed) as caught:
        correct(corrector(tmp_path, behave), tmp_path)
    assert str(PRODUCT) in str(caught.value) or L2A[:38] in str(caught.value)
    return str(caught.value)


def alive(pid: int) -> bool:
    """True where the process runs; a zombie waiting for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """True once the process has ended; the kernel may need a moment."""
    deadline = time.monotonic() + 60
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look for processes")


@pytest.mark.parametrize("resolution", [20, 60])
def test_a_good_run_gives_the_folder_and_what_it_took(tmp_path: Path, resolution: int) -> None:
    percents: list[float] = []
    by = corrector(tmp_path, "busy", resolution)
    result = by.correct(l1c_folder(tmp_path), tmp_path / "run", on_progress=percents.append)
    l2a = ProductName.parse(result.folder.name)
    assert l2a.level is Level.L2A
    assert l2a.baseline == "9999"
    assert l2a.acquisition == PRODUCT.acquisition
    assert (result.folder / "manifest.safe").is_file()
    assert result.processor == "Sen2Cor 02.12.03"
    assert percents == sorted(percents)
    assert 12.34 in percents
    assert 2 < result.seconds < 60
    assert 60e6 < result.peak_memory < 1e9
    assert 40e6 < result.peak_disk < 60e6


def test_a_stale_partial_result_is_removed_before_the_run(tmp_path: Path) -> None:
    stale = tmp_path / "run" / "l2a" / f"{L2A}.SAFE"
    stale.mkdir(parents=True)
    result = correct(corrector(tmp_path, "succeed"), tmp_path)
    assert result.folder != stale
    assert not stale.exists()


@pytest.mark.parametrize(
    ("behave", "sentence"),
    [
        ("crash", "crashed at 47 % with signal 11"),
        ("error", "ended at 47 % with exit code 1: .*L2A_Config: 3181 +Error in creating L2A User Product"),
        ("silent", "exit code 0 but without the success sentence"),
        ("already", "already processed"),
        ("empty", "incomplete at 20 m: B02, B03, B04, B05, B06, B07, B8A, B11, B12, SCL missing"),
        ("partial", "incomplete at 20 m: B11 missing"),
        ("truncated", r"B04_20m.jp2 of .* is cut short"),
        ("small", r"B03_20m.jp2 of .* has 15 x 15 pixels; expected 16 x 16"),
        ("refuse", r"No processor here reads the format of .*; tried Sen2Cor 02.12.03: .*format 15.1 is not supported"),
        ("metadata", "MTD_MSIL2A.xml is no readable XML"),
        ("two", "should leave one L2A folder; it left S2A_MSIL2A_"),
    ],
)
def test_a_run_without_a_usable_product_fails_with_its_reason(tmp_path: Path, behave: str, sentence: str) -> None:
    reason = outcome(tmp_path, behave)
    assert re.search(sentence, reason), reason
    assert "\n" not in reason


@pytest.mark.parametrize(("behave", "word"), [("disk", "disk was full"), ("memory", "memory"), ("killed", "memory")])
def test_a_run_that_lacked_room_may_be_tried_again(tmp_path: Path, behave: str, word: str) -> None:
    with pytest.raises(TransientError, match=word):
        correct(corrector(tmp_path, behave), tmp_path)


@needs_proc
@pytest.mark.parametrize("behave", ["hang", "stubborn", "runaway"])
def test_a_hanging_run_is_ended_with_all_its_children_and_may_be_tried_again(tmp_path: Path, behave: str) -> None:
    with pytest.raises(TransientError, match=r"was stopped at 47 % after \d s, the time limit"):
        correct(corrector(tmp_path, behave, time_limit=3.0), tmp_path)
    assert gone(int((tmp_path / "run" / "work" / "child.pid").read_text()))


@needs_proc
def test_a_run_that_neither_talks_nor_computes_is_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"at 47 %: for [2-9] s it had said nothing and computed nothing"):
        correct(corrector(tmp_path, "hang", silence=2.0), tmp_path)


@needs_proc
@pytest.mark.parametrize("behave", ["children", "escape"])
def test_children_that_outlive_a_good_run_are_ended(tmp_path: Path, behave: str) -> None:
    below = tmp_path / "scratch"
    below.mkdir()
    started = time.monotonic()
    corrector(tmp_path, behave).correct(l1c_folder(tmp_path), below / "run", on_progress=lambda _: None)
    assert time.monotonic() - started < 30, "their hold on the output does not keep us waiting"
    assert gone(int((tmp_path / "child.pid").read_text()))


@needs_proc
def test_a_stop_from_outside_ends_the_processes_at_once(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    child = tmp_path / "run" / "work" / "child.pid"

    def checkpoint() -> None:
        if child.exists() and child.read_text():
            raise Stop

    commands = choose_commands(Correction(command=str(standin(tmp_path, "hang"))))
    with pytest.raises(Stop):
        correct(Sen2Cor(commands, checkpoint=checkpoint), tmp_path)
    assert gone(int(child.read_text()))


def test_much_output_does_not_block_the_run(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    result = correct(corrector(tmp_path, "flood"), tmp_path)
    assert result.folder.is_dir()
    assert len(set(threading.enumerate()) - before) < 10


def test_the_processor_sees_no_secret_and_no_python_path_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AzureWebJobsStorage", "COPERNICUS_PASSWORD", "PYTHONPATH", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, "secret")
    program = tmp_path / "L2A_Process"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    program.chmod(0o755)
    commands = choose_commands(Correction(command=str(program), home=str(tmp_path)))
    with pytest.raises(CorrectionFailed):
        correct(Sen2Cor(commands), tmp_path)
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "seen").read_text().splitlines())
    assert "secret" not in seen.values()
    assert seen["LC_NUMERIC"] == "C"
    assert seen["GDAL_DRIVER_PATH"] == "disable"
    assert seen["SEN2COR_HOME"] == str(tmp_path)
    assert seen["HOME"].startswith(str(tmp_path / "run"))


@pytest.mark.parametrize("text", ["#!/no/such/interpreter\n", "#!/bin/sh\nexec /no/such/python2.7\n"])
def test_a_program_that_cannot_start_is_no_fault_of_the_product(tmp_path: Path, text: str) -> None:
    program = tmp_path / "L2A_Process"
    program.write_text(text)
    program.chmod(0o755)
    with pytest.raises(TransientError, match="cannot be run"):
        correct(Sen2Cor(choose_commands(Correction(command=str(program)))), tmp_path)


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio 1.4 with affine 3
def test_the_approximate_processor_runs_on_a_synthetic_scene_and_is_named(tmp_path: Path) -> None:
    scene = build_scene(demo_month(120)[0], tmp_path)
    with scene.zip.open("rb") as archive:
        l1c = unpack(archive, scene.spec.name, tmp_path)
    required = Correction(dem="required")
    by = Sen2Cor(choose_commands(required), settings=required)
    result = by.correct(l1c, tmp_path / "run", on_progress=lambda _: None)
    assert result.processor.startswith("approximate ")
    assert "not stated" not in result.processor
    assert (result.dem, result.gipp) == ("flat", "")
