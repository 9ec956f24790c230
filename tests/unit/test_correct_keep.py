"""Which members of a corrected product are uploaded."""

from __future__ import annotations

import hashlib

import pytest

from shared.models import MANIFEST
from shared.pipeline.correct_keep import kept
from shared.pipeline.surface_source import read_source
from shared.safe import ICE_BANDS, l2a_files
from tests.conftest import SHARED, needs_shared
from tests.small_l2a import PRODUCT, Members, Scene, l2a_files_of

GRANULE = "GRANULE/L2A_T22WEV_A012345_20190716T151911"
STEM = "T22WEV_20190716T151911"
METADATA = ["manifest.safe", "MTD_MSIL2A.xml", f"{GRANULE}/MTD_TL.xml", "DATASTRIP/DS_1/MTD_DS.xml", "INSPIRE.xml"]
PICTURES = [f"{GRANULE}/QI_DATA/{STEM}_PVI.jp2", "S2A_MSIL2A_20190716T151911-ql.jpg"]


def layers(metres: int, *names: str) -> list[str]:
    return [f"{GRANULE}/IMG_DATA/R{metres}m/{STEM}_{name}_{metres}m.jp2" for name in names]


def masks(metres: int, *names: str) -> list[str]:
    return [f"{GRANULE}/QI_DATA/{name}_{metres}m.jp2" for name in names]


WANTED = [*layers(20, *ICE_BANDS, "SCL", "AOT", "WVP"), *masks(20, "MSK_CLDPRB", "MSK_SNWPRB"), *METADATA, *PICTURES]
UNWANTED = [
    *layers(20, "B01", "B08", "TCI"),
    *layers(60, *ICE_BANDS, "SCL", "B09"),
    *layers(10, "B02", "B08", "AOT", "WVP", "TCI"),
    *masks(60, "MSK_CLDPRB", "MSK_SNWPRB"),
    f"{GRANULE}/QI_DATA/MSK_CLASSI_B00.jp2",
    f"{GRANULE}/QI_DATA/MSK_DEFECT_B02.gml",
    f"{GRANULE}/AUX_DATA/AUX_ECMWFT",
    "HTML/UserProduct_index.html",
    "HTML/star_bg.jpg",
    "rep_info/S2_User_Product_Level-2A_Metadata.xsd",
]


def test_20m_keeps_what_later_steps_and_most_users_need() -> None:
    assert kept([*UNWANTED, *WANTED], "20m", 20) == sorted(WANTED)


def test_all_keeps_all() -> None:
    assert kept([*UNWANTED, *WANTED], "all", 20) == sorted([*UNWANTED, *WANTED])


def test_a_correction_at_60_m_keeps_its_own_pixel_size() -> None:
    found = kept([*UNWANTED, *WANTED], "20m", 60)
    assert l2a_files(found, 60, "it").resolution == 60
    assert not [name for name in found if "_20m.jp2" in name]


@pytest.mark.parametrize("resolution", [20, 60])
def test_what_is_kept_is_complete_for_classification(resolution: int) -> None:
    names = [*layers(resolution, *ICE_BANDS, "SCL"), *masks(resolution, "MSK_CLDPRB"), *METADATA]
    assert l2a_files(kept(names, "20m", resolution), resolution, "it") == l2a_files(names, resolution, "it")


def test_probabilities_are_kept_under_their_old_names() -> None:
    old = [f"{GRANULE}/QI_DATA/L2A_{STEM}_{name}_20m.jp2" for name in ("CLD", "SNW")]
    assert kept(old, "20m", 20) == sorted(old)


def test_the_processing_parameters_are_kept_wherever_they_lie() -> None:
    assert kept(["AUX_DATA/L2A_GIPP.xml", "odd.parameters"], "20m", 20, also="odd.parameters") == [
        "AUX_DATA/L2A_GIPP.xml",
        "odd.parameters",
    ]


@needs_shared
def test_of_a_real_product_the_layers_at_60_m_are_kept_whole() -> None:
    (folder,) = (SHARED / "data" / "safe").glob("S2A_MSIL2A_*.SAFE")
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    found = kept(names, "20m", 60)
    assert l2a_files(found, 60, folder.name) == l2a_files(names, 60, folder.name)
    left_out = {name.rpartition("/")[2] for name in set(names) - set(found)}
    assert {"AUX_ECMWFT", "MSK_CLASSI_B00.jp2", "MSK_CLDPRB_20m.jp2"} <= left_out


def test_a_folder_whose_manifest_names_what_was_left_out_is_no_incomplete_one() -> None:
    files = l2a_files_of(Scene.of_classes(30, 42))
    left_out = {name: b"?" for name in UNWANTED if "_60m" not in name}
    entries = "".join(
        f'<byteStream size="{len(data)}"><fileLocation href="./{name}"/>'
        f'<checksum checksumName="MD5">{hashlib.md5(data).hexdigest()}</checksum></byteStream>'
        for name, data in (files | left_out).items()
    )
    whole = files | left_out | {MANIFEST: f"<xfdu>{entries}</xfdu>".encode()}
    members = Members({name: whole[name] for name in kept(whole, "20m", 60)})
    assert not set(left_out) & set(members.files)
    source = read_source(members, PRODUCT, 60)
    assert source.read(source.files.scl, "SCL") == files[source.files.scl]
