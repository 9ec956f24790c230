"""Running L2A_Process: each way it can end, the verdict on it, and that no process outlives it."""

from __future__ import annotations

import io
import re
import sys
import threading
import time
from pathlib import Path

import pytest

from local.scenes.build import build_scene
from local.scenes.month import demo_month
from shared.adapters.sen2cor import Sen2Cor, choose_command
from shared.adapters.unpack import unpack
from shared.adapters.verdict import (
    TRANSIENT,
    Ended,
    Heard,
    Kind,
    Verdict,
    jp2_fault,
    l2a_of,
    of_files,
    of_process,
)
from shared.errors import BadProduct, BadSetting, CorrectionFailed, TransientError
from shared.models import Level, ProductName
from shared.settings import Correction
from tests.conftest import SHARED, needs_shared
from tests.standins.l1c import PRODUCT, l1c_folder, standin

L2A = "S2A_MSIL2A_20190716T151911_N9999_R068_T22WEV_20261101T000000"


def corrector(tmp_path: Path, behave: str, **options: float) -> Sen2Cor:
    command = choose_command(Correction(command=str(standin(tmp_path, behave))))
    return Sen2Cor(command, **{"time_limit": 60.0, "grace": 1.0, **options})  # type: ignore[arg-type]


def outcome(tmp_path: Path, behave: str, **options: float) -> str:
    """The sentence that the failed run ends with."""
    with pytest.raises(CorrectionFailed) as caught:
        corrector(tmp_path, behave, **options).correct(
            l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None
        )
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
    deadline = time.monotonic() + 5
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to look for processes")


# -- running ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("resolution", [20, 60])
def test_a_good_run_gives_the_folder_and_the_version(tmp_path: Path, resolution: int) -> None:
    percents: list[float] = []
    result = corrector(tmp_path, "succeed", resolution=resolution).correct(
        l1c_folder(tmp_path), tmp_path / "run", on_progress=percents.append
    )
    l2a = ProductName.parse(result.folder.name)
    assert l2a.level is Level.L2A
    assert l2a.baseline == "9999"
    assert l2a.acquisition == PRODUCT.acquisition
    assert (result.folder / "manifest.safe").is_file()
    assert result.processor == "Sen2Cor 02.12.03"
    assert percents == sorted(percents)
    assert 12.34 in percents


def test_a_stale_partial_result_is_removed_before_the_run(tmp_path: Path) -> None:
    stale = tmp_path / "run" / "l2a" / f"{L2A}.SAFE"
    stale.mkdir(parents=True)
    result = corrector(tmp_path, "succeed").correct(l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None)
    assert result.folder != stale
    assert not stale.exists()


@pytest.mark.parametrize(
    ("behave", "sentence"),
    [
        ("crash", "crashed at 47 % with signal 11"),
        ("error", "ended at 47 % with exit code 1: L2A_Config: 3181 Error in creating L2A User Product"),
        ("silent", "exit code 0 but without the success sentence"),
        ("already", "already processed"),
        ("empty", "incomplete at 20 m: B02, B03, B04, B05, B06, B07, B8A, B11, B12, SCL missing"),
        ("partial", "incomplete at 20 m: B11 missing"),
        ("truncated", r"B04_20m.jp2 of .* is cut short"),
        ("metadata", "MTD_MSIL2A.xml is no readable XML"),
        ("two", "should leave one L2A folder; it left S2A_MSIL2A_"),
    ],
)
def test_a_run_without_a_usable_product_fails_with_its_reason(tmp_path: Path, behave: str, sentence: str) -> None:
    reason = outcome(tmp_path, behave)
    assert re.search(sentence.replace("47 %", r"\d+ %"), reason), reason
    assert "\n" not in reason


@pytest.mark.parametrize(("behave", "word"), [("disk", "disk was full"), ("memory", "memory"), ("killed", "memory")])
def test_a_run_that_lacked_room_may_be_tried_again(tmp_path: Path, behave: str, word: str) -> None:
    with pytest.raises(TransientError, match=word):
        corrector(tmp_path, behave).correct(l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None)


@needs_proc
@pytest.mark.parametrize("behave", ["hang", "stubborn"])
def test_a_hanging_run_is_ended_with_all_its_children(tmp_path: Path, behave: str) -> None:
    started = time.monotonic()
    assert re.search(r"was stopped at 47 % after \d s, the time limit", outcome(tmp_path, behave, time_limit=2.0))
    assert time.monotonic() - started < 15
    assert gone(int((tmp_path / "run" / "work" / "child.pid").read_text()))


@needs_proc
def test_children_that_outlive_a_good_run_are_ended(tmp_path: Path) -> None:
    below = tmp_path / "scratch"
    below.mkdir()
    started = time.monotonic()
    corrector(tmp_path, "children").correct(l1c_folder(tmp_path), below / "run", on_progress=lambda _: None)
    assert time.monotonic() - started < 15, "their hold on the output does not keep us waiting"
    assert gone(int((tmp_path / "child.pid").read_text()))


@needs_proc
def test_a_stop_from_outside_ends_the_processes_at_once(tmp_path: Path) -> None:
    class Stop(BaseException):
        pass

    child = tmp_path / "run" / "work" / "child.pid"

    def checkpoint() -> None:
        if child.exists() and child.read_text():
            raise Stop

    command = choose_command(Correction(command=str(standin(tmp_path, "hang"))))
    with pytest.raises(Stop):
        Sen2Cor(command, checkpoint=checkpoint).correct(
            l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None
        )
    assert gone(int(child.read_text()))


def test_much_output_does_not_block_the_run(tmp_path: Path) -> None:
    result = corrector(tmp_path, "flood").correct(l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None)
    assert result.folder.is_dir()
    assert threading.active_count() < 10


def test_the_processor_sees_no_secret_and_no_python_path_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AzureWebJobsStorage", "COPERNICUS_PASSWORD", "PYTHONPATH", "LD_LIBRARY_PATH"):
        monkeypatch.setenv(name, "secret")
    program = tmp_path / "L2A_Process"
    program.write_text(f"#!/bin/sh\nenv > {tmp_path}/seen\nexit 1\n")
    program.chmod(0o755)
    command = choose_command(Correction(command=str(program), home=str(tmp_path)))
    with pytest.raises(CorrectionFailed):
        Sen2Cor(command).correct(l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None)
    seen = dict(line.partition("=")[::2] for line in (tmp_path / "seen").read_text().splitlines())
    assert "secret" not in seen.values()
    assert seen["LC_NUMERIC"] == "C"
    assert seen["SEN2COR_HOME"] == str(tmp_path)
    assert seen["HOME"].startswith(str(tmp_path / "run"))


def test_a_program_that_cannot_start_is_no_fault_of_the_product(tmp_path: Path) -> None:
    program = tmp_path / "L2A_Process"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(TransientError, match="cannot be run"):
        Sen2Cor(choose_command(Correction(command=str(program)))).correct(
            l1c_folder(tmp_path), tmp_path / "run", on_progress=lambda _: None
        )


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning")  # rasterio 1.4 with affine 3
def test_the_approximate_processor_runs_on_a_synthetic_scene_and_is_named(tmp_path: Path) -> None:
    scene = build_scene(demo_month(120)[0], tmp_path)
    with scene.zip.open("rb") as archive:
        l1c = unpack(archive, scene.spec.name, tmp_path)
    result = Sen2Cor(choose_command(Correction())).correct(l1c, tmp_path / "run", on_progress=lambda _: None)
    assert result.processor.startswith("approximate ")
    assert "not stated" not in result.processor


# -- choosing --------------------------------------------------------------------------------------------------


def test_without_settings_the_approximate_processor_is_chosen() -> None:
    command = choose_command(Correction())
    assert command.name == "approximate"
    assert command.arguments == (sys.executable, "-m", "container.approximate")


def test_sen2cor_is_found_below_its_home_with_its_parameters(tmp_path: Path) -> None:
    for version in ("Sen2Cor-02.11.00-Linux64", "Sen2Cor-02.12.03-Linux64"):
        (tmp_path / version / "bin").mkdir(parents=True)
        standin(tmp_path / version / "bin", "succeed")
    (tmp_path / "cfg").mkdir()
    (tmp_path / "cfg" / "L2A_GIPP.xml").write_text("<GIPP/>")
    command = choose_command(Correction(home=str(tmp_path)))
    assert command.name == "Sen2Cor"
    assert command.arguments[0].endswith("Sen2Cor-02.12.03-Linux64/bin/L2A_Process")
    assert command.gipp == tmp_path / "cfg" / "L2A_GIPP.xml"


@pytest.mark.parametrize(("command", "home"), [("no-such-program", ""), ("", "no-such-folder"), ("/", "")])
def test_a_processor_that_is_named_but_absent_is_not_replaced_silently(command: str, home: str) -> None:
    with pytest.raises(BadSetting, match="SEN2COR_"):
        choose_command(Correction(command=command, home=home))


# -- judging ---------------------------------------------------------------------------------------------------


def ended(code: int, *lines: str, timed_out: bool = False, killed: bool = False) -> Ended:
    heard = Heard()
    for line in lines:
        heard.hear(line)
    return Ended(code, 12.0, timed_out, heard, killed)


GOOD = "Progress[%]: 100.00 : Application terminated successfully."


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (ended(0, GOOD), Kind.SUCCESS),
        (ended(1, GOOD), Kind.ERROR),
        (ended(0), Kind.ERROR),
        (ended(0, "Product already processed.", GOOD), Kind.ALREADY),
        (ended(0, GOOD, timed_out=True), Kind.HUNG),
        (ended(-11), Kind.CRASHED),
        (ended(139), Kind.CRASHED),  # the same seen through a shell
        (ended(-9), Kind.OUT_OF_MEMORY),
        (ended(137), Kind.OUT_OF_MEMORY),
        (ended(1, killed=True), Kind.OUT_OF_MEMORY),
        (ended(1, "MemoryError"), Kind.OUT_OF_MEMORY),
        (ended(1, "IOError: [Errno 28] No space left on device"), Kind.DISK_FULL),
        (ended(0, "an Error that did not matter", GOOD), Kind.SUCCESS),
    ],
)
def test_the_verdict_follows_from_code_and_sentences(run: Ended, kind: Kind) -> None:
    verdict = of_process(run, PRODUCT)
    assert verdict.kind is kind
    assert bool(verdict.reason) == (kind is not Kind.SUCCESS)


@pytest.mark.parametrize("kind", list(Kind))
def test_each_kind_of_ending_is_permanent_or_transient_by_one_table(kind: Kind) -> None:
    verdict = Verdict(kind, "A sentence.")
    if kind is Kind.SUCCESS:
        verdict.enforce()
        return
    with pytest.raises(TransientError if kind in TRANSIENT else CorrectionFailed, match="A sentence"):
        verdict.enforce()


def test_the_version_is_read_even_where_the_help_text_wraps() -> None:
    run = ended(0, "Sentinel-2 Level 2A Processor (Sen2Cor). Version:", "02.12.03, created: 2024.11.15, supporting")
    assert run.heard.version == "02.12.03"
    assert ended(0, '<?xml version="1.0"?>').heard.version == ""


def test_the_reason_is_the_last_sentence_and_no_progress_line() -> None:
    run = ended(1, "B05 is missing.", "Progress[%]: 100.00 : Application terminated with at least one error.")
    assert of_process(run, PRODUCT).reason.endswith("exit code 1: B05 is missing.")


def test_memory_for_output_does_not_grow() -> None:
    run = ended(0, *(f"line {number} " + "x" * 5000 for number in range(1000)))
    assert sum(map(len, run.heard.tail)) < 10_000


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ([], "none"),
        (["unrelated", "L2A.SAFE"], "none"),
        ([f"{L2A}.SAFE.tmp"], "none"),
        ([f"{PRODUCT}.SAFE"], "none"),  # the input itself
        ([f"{L2A.replace('T22WEV', 'T22WEA')}.SAFE"], "none"),
        ([f"{L2A}.SAFE", f"{L2A.replace('N9999', 'N0511')}.SAFE"], "N0511"),
    ],
)
def test_anything_but_one_folder_of_the_same_acquisition_is_refused(names: list[str], told: str) -> None:
    with pytest.raises(BadProduct, match=told):
        l2a_of(names, PRODUCT)


def test_the_one_folder_is_found_among_others() -> None:
    assert str(l2a_of(["log", f"{L2A}.SAFE"], PRODUCT)) == L2A


def test_an_empty_file_and_a_missing_manifest_are_named() -> None:
    granule = "GRANULE/L2A_T22WEV_A1_20190716T151911"
    images = f"{granule}/IMG_DATA/R20m/T22WEV_20190716T151911"
    bands = ("B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "SCL")
    sizes = {f"{images}_{band}_20m.jp2": 9 for band in bands} | {
        f"{granule}/QI_DATA/MSK_CLDPRB_20m.jp2": 9,
        f"{granule}/MTD_TL.xml": 9,
        "MTD_MSIL2A.xml": 9,
    }
    product = ProductName.parse(L2A)
    assert "manifest.safe missing" in of_files(sizes, 20, product)[0].reason
    whole = sizes | {"manifest.safe": 9}
    verdict, looked_into = of_files(whole, 20, product)
    assert verdict.kind is Kind.SUCCESS
    assert len(looked_into) == 11
    verdict, _ = of_files(whole | {f"{images}_B04_20m.jp2": 0}, 20, product)
    assert verdict.kind is Kind.MISSING
    assert "B04_20m.jp2" in verdict.reason


SIGNATURE = b"\x00\x00\x00\x0cjP  \r\n\x87\n"


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (SIGNATURE + b"\x00\x00\x00\x0cjp2c\xff\x4f\xff\xd9", ""),
        (SIGNATURE + b"\x00\x00\x00\x00jp2c\xff\x4f\xff\xd9", ""),
        (SIGNATURE + b"\x00\x00\x00\x01jp2c" + (20).to_bytes(8, "big") + b"\xff\x4f\xff\xd9"[:4], ""),
        (SIGNATURE + b"\x00\x00\x00\x0cjp2c\xff\x4f\xff\xd9\x00\x00\x00\x08uuid", ""),
        (SIGNATURE + b"\x00\x00\x00\x0cjp2c\xff\x4f\x00\x00", "without an end"),
        (SIGNATURE + b"\x00\x00\x00\xffjp2c\xff\x4f\xff\xd9", "cut short"),
        (SIGNATURE + b"\x00\x00\x00\x03jp2c\xff\x4f\xff\xd9", "cut short"),
        (SIGNATURE + b"\x00\x00\x00\x01jp2c\x00", "cut short"),
        (SIGNATURE, "no code stream"),
        (b"II*\x00 a GeoTIFF", "no JPEG 2000"),
        (b"", "no JPEG 2000"),
    ],
)
def test_a_jp2_is_whole_only_with_its_signature_and_its_end(body: bytes, fault: str) -> None:
    said = jp2_fault(io.BytesIO(body))
    assert fault in said
    assert bool(said) == bool(fault)


@needs_shared
def test_real_esa_bands_are_whole_and_cut_ones_are_not() -> None:
    paths = sorted((SHARED / "data" / "safe").glob("*.SAFE/GRANULE/*/IMG_DATA/R60m/*.jp2"))
    assert len(paths) > 10
    for path in paths:
        body = path.read_bytes()
        assert jp2_fault(io.BytesIO(body)) == ""
        assert jp2_fault(io.BytesIO(body[: len(body) - 1])) != ""
        assert jp2_fault(io.BytesIO(body[: len(body) // 2])) != ""
