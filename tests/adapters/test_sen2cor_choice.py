"""Which processor corrects a product, with which parameters and which elevation."""

from __future__ import annotations

import logging
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from defusedxml import ElementTree

from shared.adapters.sen2cor import Sen2Cor, choose_commands
from shared.errors import BadSetting, CorrectionFailed, TransientError
from shared.models import ProductName
from shared.ports import Corrected
from shared.settings import Correction
from tests.standins.l1c import PRODUCT, l1c_folder, standin

ALPS = ProductName.parse("S2A_MSIL1C_20190716T103031_N0208_R108_T32TMS_20190716T125115")


def corrector(tmp_path: Path, behave: str, **settings: object) -> Sen2Cor:
    correction = replace(Correction(command=str(standin(tmp_path, behave))), **settings)  # type: ignore[arg-type]
    return Sen2Cor(choose_commands(correction), settings=correction)


def correct(by: Sen2Cor, tmp_path: Path, product: ProductName = PRODUCT) -> Corrected:
    return by.correct(l1c_folder(tmp_path, product), tmp_path / "run", on_progress=lambda _: None)


# -- parameters and elevation ------------------------------------------------------------------------------------


def parameter(result: Corrected, name: str) -> str | None:
    """What the parameters kept with the result say."""
    return ElementTree.fromstring((result.folder / result.gipp).read_bytes()).findtext(f".//{name}")


def test_the_parameters_of_the_run_are_kept_with_its_result(tmp_path: Path) -> None:
    result = correct(corrector(tmp_path, "succeed", threads="3"), tmp_path)
    assert result.gipp == "AUX_DATA/L2A_GIPP.xml"
    assert parameter(result, "Nr_Threads") == "3"
    assert parameter(result, "DEM_Directory") == "dem/CopernicusDEM90_AWS"
    assert result.dem == "CopernicusDEM90"


def test_the_folder_of_the_elevation_is_made_where_the_settings_say(tmp_path: Path) -> None:
    result = correct(corrector(tmp_path, "succeed", dem_folder=str(tmp_path / "kept")), tmp_path, ALPS)
    assert parameter(result, "DEM_Directory") == str(tmp_path / "kept" / "srtm")
    assert (tmp_path / "kept" / "srtm").is_dir()
    assert result.dem == "SRTM"


def test_where_that_folder_cannot_be_written_the_tiles_are_fetched_for_this_run_only(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = correct(corrector(tmp_path, "succeed", dem_folder=str(tmp_path / "file")), tmp_path)
    assert parameter(result, "DEM_Directory") == str(tmp_path / "run" / "dem" / "CopernicusDEM90_AWS")


@pytest.mark.parametrize("behave", ["nodem", "quietly"])
def test_a_result_without_elevation_is_accepted_and_said(
    tmp_path: Path, behave: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert correct(corrector(tmp_path, behave), tmp_path).dem == "flat"
    assert "as if the ground were flat" in caplog.text


@pytest.mark.parametrize("behave", ["nodem", "quietly"])
def test_where_elevation_is_required_a_result_without_is_tried_again(tmp_path: Path, behave: str) -> None:
    with pytest.raises(TransientError, match="found no elevation model, and one is required"):
        correct(corrector(tmp_path, behave, dem="required"), tmp_path)


def test_where_no_elevation_is_wanted_none_is_asked_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    result = correct(corrector(tmp_path, "succeed", dem="none"), tmp_path)
    assert parameter(result, "DEM_Directory") == "NONE"
    assert result.dem == "flat"
    assert "flat" not in caplog.text


# -- several versions --------------------------------------------------------------------------------------------


def versions(tmp_path: Path, *releases: str, **settings: object) -> Sen2Cor:
    for release in releases:
        (tmp_path / release).mkdir()
        standin(tmp_path / release, "succeed", release=release)
    correction = replace(Correction(home=":".join(str(tmp_path / release) for release in releases)), **settings)  # type: ignore[arg-type]
    return Sen2Cor(choose_commands(correction), settings=correction)


def test_the_next_version_runs_where_one_does_not_read_the_format(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    result = correct(versions(tmp_path, "02.11.00", "02.12.03"), tmp_path)
    assert result.processor == "Sen2Cor 02.12.03"
    assert "Sen2Cor 02.11.00 does not read" in caplog.text


def test_where_no_version_reads_the_format_one_sentence_names_them_all(tmp_path: Path) -> None:
    l1c = l1c_folder(tmp_path)
    xml = '<n1:Level-1C_User_Product xmlns:n1="https://psd-15.sentinel2.eo.esa.int/PSD/User_Product_Level-1C.xsd"/>'
    (l1c / "MTD_MSIL1C.xml").write_text(xml)
    with pytest.raises(CorrectionFailed) as caught:
        versions(tmp_path, "02.11.00", "02.10.01").correct(l1c, tmp_path / "run", on_progress=lambda _: None)
    reads = "it reads product formats 14.2 to 14.9, and this one is 15"
    assert str(caught.value) == (
        f"No processor here reads the format of {PRODUCT}; "
        f"tried Sen2Cor 02.11.00: {reads}.0; Sen2Cor 02.10.01: {reads}."
    )


def test_a_version_too_old_to_fetch_the_elevation_is_not_tried_where_that_is_required(tmp_path: Path) -> None:
    with pytest.raises(CorrectionFailed, match=r"tried Sen2Cor 02.12.02: it is too old to fetch the Copernicus DEM"):
        correct(versions(tmp_path, "02.12.02", dem="required"), tmp_path)


# -- choosing --------------------------------------------------------------------------------------------------


def test_without_settings_the_approximate_processor_is_chosen() -> None:
    (command,) = choose_commands(Correction())
    assert command.name == "approximate"
    assert command.arguments == (sys.executable, "-m", "container.approximate")


def test_sen2cor_is_found_below_its_home_newest_first_with_the_operators_parameters(tmp_path: Path) -> None:
    for version in ("Sen2Cor-02.11.00-Linux64", "Sen2Cor-02.12.03-Linux64"):
        (tmp_path / version / "bin").mkdir(parents=True)
        standin(tmp_path / version / "bin", "succeed")
    own = tmp_path / "Sen2Cor-02.12.03-Linux64" / "lib" / "python2.7" / "site-packages" / "sen2cor"
    own.mkdir(parents=True)
    newest, older = choose_commands(Correction(home=str(tmp_path)))
    assert newest.name == older.name == "Sen2Cor"
    assert newest.arguments[0].endswith("Sen2Cor-02.12.03-Linux64/bin/L2A_Process")
    assert older.arguments[0].endswith("Sen2Cor-02.11.00-Linux64/bin/L2A_Process")
    assert newest.variables["SEN2COR_BIN"] == str(own)
    assert newest.templates == (tmp_path / "cfg" / "L2A_GIPP.xml", own / "cfg" / "L2A_GIPP.xml")


def test_several_programs_are_tried_in_the_order_given_each_with_its_home(tmp_path: Path) -> None:
    programs = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        programs.append(str(standin(tmp_path / name, "succeed")))
    both = ":".join(programs)
    assert [command.arguments for command in choose_commands(Correction(command=both))] == [(one,) for one in programs]
    assert [command.home for command in choose_commands(Correction(command=both, home="/h"))] == ["/h", "/h"]
    assert [command.home for command in choose_commands(Correction(command=both, home="/h:/i"))] == ["/h", "/i"]
    with pytest.raises(BadSetting, match="names 3 folders for the 2 programs"):
        choose_commands(Correction(command=both, home="/h:/i:/j"))


@pytest.mark.parametrize(
    ("command", "home"),
    [("no-such-program", ""), ("", "no-such-folder"), ("/", ""), ("/bin/sh:no-such-program", ""), ("", "/bin:/")],
)
def test_a_processor_that_is_named_but_absent_is_not_replaced_silently(command: str, home: str) -> None:
    with pytest.raises(BadSetting, match="SEN2COR_"):
        choose_commands(Correction(command=command, home=home))
