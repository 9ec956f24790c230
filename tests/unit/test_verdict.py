"""The verdict on a run of L2A_Process: from its exit code, its sentences and the files that it left."""

from __future__ import annotations

import pytest

from shared.adapters.heard import Heard
from shared.adapters.jp2 import Jp2
from shared.adapters.verdict import TRANSIENT, Ended, Kind, Verdict, l2a_of, of_files, of_images, of_process
from shared.errors import BadProduct, CorrectionFailed, TransientError
from shared.models import ProductName
from tests.standins.l1c import PRODUCT

L2A = "S2A_MSIL2A_20190716T151911_N9999_R068_T22WEV_20261101T000000"


def ended(code: int, *lines: str, timed_out: bool = False, killed: bool = False, silent: float = 0.0) -> Ended:
    heard = Heard()
    for line in lines:
        heard.hear(line)
    return Ended(code, 12.0, timed_out, heard, killed, silent=silent)


GOOD = "Progress[%]: 100.00 : Application terminated successfully."


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (ended(0, GOOD), Kind.SUCCESS),
        (ended(1, GOOD), Kind.ERROR),
        (ended(0), Kind.ERROR),
        (ended(0, "Product already processed."), Kind.ALREADY),
        (ended(0, "Product already processed.", GOOD), Kind.SUCCESS),  # the files decide
        (ended(0, GOOD, timed_out=True), Kind.HUNG),
        (ended(-15, silent=900.0), Kind.HUNG),
        (ended(-11), Kind.CRASHED),
        (ended(139), Kind.CRASHED),  # the same seen through a shell
        (ended(-9), Kind.OUT_OF_MEMORY),
        (ended(137), Kind.OUT_OF_MEMORY),
        (ended(1, killed=True), Kind.OUT_OF_MEMORY),
        (ended(1, "MemoryError"), Kind.OUT_OF_MEMORY),
        (ended(1, "IOError: [Errno 28] No space left on device"), Kind.DISK_FULL),
        (ended(0, "an Error that did not matter", GOOD), Kind.SUCCESS),
        (ended(0, "Application will continue with a flat terrain", GOOD), Kind.SUCCESS),
        (ended(127, "L2A_Process: python2.7: not found"), Kind.NOT_STARTED),
        (ended(1, "product format 15.1 is not supported"), Kind.UNSUPPORTED),
        (ended(0, "product format 15.1 is not supported", GOOD), Kind.SUCCESS),
        (
            ended(1, "... supporting Level-1C product version 14.2 - 14.9 started ...", "Product version: 15.0"),
            Kind.UNSUPPORTED,
        ),
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


STARTED = (
    "Sentinel-2 Level 2A Processor (Sen2Cor). Version: 2.5.5, created: 2018.03.19, supporting Level-1C product version"
)


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        ((f"{STARTED} <= 14.5 started ...", "Product version: 13.1. Operation mode: TOOLBOX."), ""),
        ((f"{STARTED} <= 14.5 started ...", "Product version: 14.6."), "up to 14.5, and this one is 14.6"),
        ((f"{STARTED} 14.2 - 15.0 started ...", "Product version: 15.0"), ""),
        ((f"{STARTED} 14.2 - 15.0 started ...", "Product version: 15.1"), "14.2 to 15.0, and this one is 15.1"),
        ((f"{STARTED} 14.2 - 15.0 started ...", "Product version: 13.1"), "14.2 to 15.0, and this one is 13.1"),
        ((f"{STARTED} 15.0 started ...", "Product version: 14.9"), "formats 15.0, and this one is 14.9"),
        ((f"{STARTED}: 14. started ...", "Product version: 14.5"), ""),
        ((STARTED, "14.2 - 14.9.", "Product version: 15.0"), "14.2 to 14.9, and this one is 15.0"),  # wrapped
        ((f"{STARTED} 14.2 - 14.9 started ...", "[INFO] Product version: 15.0"), "this one is 15.0"),
        (("Operation mode PDGS is not supported for Product version 13.1.",), ""),
        (("Unsupported product version 15.1",), "Unsupported product version 15.1"),
        (("L2A_Config: processing baseline 05.12 not supported",), "baseline 05.12 not supported"),
    ],
)
def test_a_format_that_is_not_read_is_known_by_a_sentence_or_by_the_range_stated(
    lines: tuple[str, ...], refusal: str
) -> None:
    said = ended(1, *lines).heard.refusal
    assert refusal in said
    assert bool(said) == bool(refusal)


@pytest.mark.parametrize(("form", "refused"), [("14", False), ("15", True), ("13", True), ("14.5", False)])
def test_a_format_that_is_known_from_the_product_is_compared_with_the_range_too(form: str, refused: bool) -> None:
    heard = ended(1, f"{STARTED} 14.2 - 14.9 started ...", "metadata do not validate").heard
    heard.compare(form)
    assert bool(heard.refusal) is refused


def test_nothing_is_refused_by_a_processor_that_does_not_say_what_it_reads() -> None:
    heard = ended(1, "an error").heard
    heard.compare("15")
    assert not heard.refusal


@pytest.mark.parametrize(
    ("run", "kind"),
    [
        (ended(0, "Application will continue with a flat terrain", GOOD), Kind.NO_DEM),
        (ended(1, "DEM directory not specified, flat surface is used"), Kind.NO_DEM),
        (ended(1, "error in reading DEM, Application will terminate"), Kind.NO_DEM),
        (ended(0, "band DEM imported", GOOD), Kind.SUCCESS),
        (ended(1, "IOError: [Errno 28] No space left on device", "flat terrain"), Kind.DISK_FULL),
        (ended(0, "flat terrain", GOOD, timed_out=True), Kind.HUNG),
    ],
)
def test_where_elevation_is_required_a_run_without_it_is_tried_again(run: Ended, kind: Kind) -> None:
    assert of_process(run, PRODUCT, dem_required=True).kind is kind


def test_a_failure_never_says_that_it_was_at_100_percent_because_the_last_line_does() -> None:
    run = ended(
        1,
        "Progress[%]:  47.00 : PID-1, L2A_ProcessTile: at work",
        "B05 is missing.",
        "Progress[%]: 100.00 : Application terminated with at least one error.",
    )
    assert of_process(run, PRODUCT).reason == f"Correcting {PRODUCT} ended at 47 % with exit code 1: B05 is missing."


def test_the_two_ways_to_hang_are_told_apart() -> None:
    assert "after 12 s, the time limit" in of_process(ended(-15, timed_out=True), PRODUCT).reason
    assert "for 900 s it had said nothing and computed nothing" in of_process(ended(-15, silent=900.0), PRODUCT).reason


@pytest.mark.parametrize(
    ("shapes", "resolution", "images", "kind"),
    [
        ({20: (16, 16)}, 20, [Jp2(rows=16, columns=16)] * 2, Kind.SUCCESS),
        ({20: (16, 18)}, 20, [Jp2(rows=16, columns=18)], Kind.SUCCESS),
        ({20: (16, 18)}, 20, [Jp2(rows=18, columns=16)], Kind.WRONG_SIZE),
        ({20: (5490, 5490)}, 20, [Jp2(rows=5490, columns=5490), Jp2(rows=1830, columns=1830)], Kind.WRONG_SIZE),
        ({}, 20, [Jp2(rows=5490, columns=5490)], Kind.SUCCESS),
        ({}, 60, [Jp2(rows=1830, columns=1830)], Kind.SUCCESS),
        ({10: (10980, 10980)}, 60, [Jp2(rows=5490, columns=5490)], Kind.WRONG_SIZE),
        ({20: (16, 16)}, 20, [Jp2("is cut short after 9 bytes")], Kind.UNREADABLE),
    ],
)
def test_every_image_must_have_the_size_that_the_metadata_states(
    shapes: dict[int, tuple[int, int]], resolution: int, images: list[Jp2], kind: Kind
) -> None:
    named = {f"T22WEV_B{number:02d}_{resolution}m.jp2": image for number, image in enumerate(images)}
    preview = {"T22WEV_PVI.jp2": Jp2(rows=343, columns=343)}
    assert of_images(named | preview, shapes, ProductName.parse(L2A)).kind is kind


def test_a_wrong_size_is_told_with_both_sizes() -> None:
    verdict = of_images({"B03_20m.jp2": Jp2(rows=15, columns=16)}, {20: (16, 16)}, ProductName.parse(L2A))
    assert verdict.reason == f"B03_20m.jp2 of {L2A} has 15 x 16 pixels; expected 16 x 16."
