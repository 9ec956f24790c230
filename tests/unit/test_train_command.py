"""A user's own spectra become a model by the command line, and tables that cannot are refused with a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.spectra import drone_responses, read_spectra
from models.statistics import STATISTICS
from models.train import run
from shared.adapters.models import load_classifier
from shared.science.classes import SurfaceClass
from tests.unit.spectra_tables import drawn, facts, write_tables

QUICK = ["--per-class", "60", "--trees", "4", "--folds", "3"]


def test_own_field_spectra_become_a_model_that_loads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write_tables(tmp_path)
    assert run([*arguments, *QUICK, "--out", str(tmp_path / "own"), "--name", "mine"]) == 0
    assert "cross-validated" in capsys.readouterr().out
    card, classifier = facts(tmp_path / "own"), load_classifier(tmp_path / "own")
    assert (classifier.name, classifier.classes) == ("mine", tuple(SurfaceClass))
    assert card["cross_validation"]["spectra"] == 18
    assert card["data"]["spectra_behind_classes"]["CI"] == 6
    assert "field spectra, 3-fold cross-validation" in (tmp_path / "own/card.md").read_text()


def test_own_statistics_become_a_model_that_loads(tmp_path: Path) -> None:
    assert run(["--statistics", str(STATISTICS), *QUICK, "--out", str(tmp_path / "own")]) == 0
    assert load_classifier(tmp_path / "own").name == "own"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        ("spectra.csv", "\n410,", "\n410,0.1,", "has 20 cells; its first row has 19"),
        ("spectra.csv", "\n410,", "\n410,x", "in row 3, column CI0; expected a number"),
        ("spectra.csv", "\n410,", "\n410,inf", "holds 'inf"),
        ("spectra.csv", "\n410,", "\n399,", "do not rise"),
        ("spectra.csv", "wavelength,CI0,CI1", "wavelength,CI0,CI0", "has 2 columns with the name CI0"),
        ("labels.csv", "CI0,CI", "CI0,CI\nCI0,SN", "line 3: CI0 is SN here and CI above"),
        ("spectra.csv", "wavelength,CI0", "wavelength,CI9", "names the spectrum CI0, which"),
        ("labels.csv", "CI0,CI", "CI0,ROCK", "line 2: 'ROCK' is no surface class"),
        ("labels.csv", "spectrum,class", "name,class", "has no columns 'spectrum' and 'class'"),
        ("responses.tsv", "\tB12", "\tB13", "has no column B12"),
        ("responses.tsv", "\n400\t0", "\n400\t-1", "is not a curve"),
    ],
)
def test_a_bad_table_is_refused_with_a_sentence_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], file: str, old: str, new: str, sentence: str
) -> None:
    arguments = write_tables(tmp_path)
    edit(tmp_path / file, old, new)
    assert run([*arguments, *QUICK, "--out", str(tmp_path / "own")]) == 2
    fault = capsys.readouterr().err
    assert sentence in fault
    assert fault.count("\n") == 1
    assert not (tmp_path / "own").exists()


def flattened(path: Path, columns: slice, value: str, nm: tuple[str, str] = ("", "~")) -> None:
    """Write ``value`` into some columns of a table, at the wavelengths from ``nm[0]`` to ``nm[1]`` as text."""
    head, *body = path.read_text().splitlines()
    rows = [row.split(",") for row in body]
    for row in rows:
        if nm[0] <= row[0] <= nm[1]:
            row[columns] = [value] * len(row[columns])
    path.write_text("\n".join([head, *(",".join(row) for row in rows)]) + "\n")


def test_a_class_whose_spectra_are_all_alike_in_a_band_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder, wavelengths, band in (("whole", ("", "~"), "B02"), ("band", ("1500", "1700"), "B11")):
        (tmp_path / folder).mkdir()
        arguments = write_tables(tmp_path / folder)
        flattened(tmp_path / folder / "spectra.csv", slice(1, 7), "0.5", wavelengths)
        assert run([*arguments, *QUICK, "--out", str(tmp_path / "own")]) == 2
        assert f"The 6 spectra of CI are all alike in {band} " in capsys.readouterr().err
    assert not (tmp_path / "own").exists()


def test_spectra_that_fall_a_little_below_zero_can_be_learnt_from(tmp_path: Path) -> None:
    arguments = write_tables(tmp_path)
    flattened(tmp_path / "spectra.csv", slice(1, 4), "-0.005", ("2100", "2300"))
    assert run([*arguments, *QUICK, "--out", str(tmp_path / "own")]) == 0
    assert load_classifier(tmp_path / "own").classes == tuple(SurfaceClass)


def test_a_csv_with_one_platforms_or_three_platforms_responses_becomes_a_model_that_names_its_own_spectra(
    tmp_path: Path,
) -> None:
    *tables, _, responses = write_tables(tmp_path)
    features, codes = drawn(40, seed=11)
    asked = np.isin(codes, (SurfaceClass.CLEAN_ICE, SurfaceClass.LIGHT_ALGAE, SurfaceClass.HEAVY_ALGAE))
    for platforms in ([responses], [responses] * 3):
        out = tmp_path / str(len(platforms))
        assert run([*tables, "--responses", *platforms, *QUICK, "--trees", "16", "--out", str(out)]) == 0
        assert facts(out)["cross_validation"]["platforms"] == len(platforms)
        assert (load_classifier(out).vote(features[asked]).codes == codes[asked]).mean() > 0.85


def test_reflectance_in_percent_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write_tables(tmp_path)
    lines = (tmp_path / "spectra.csv").read_text().splitlines()
    body = [",".join([row.split(",")[0], *(f"{100 * float(v):.3f}" for v in row.split(",")[1:])]) for row in lines[1:]]
    (tmp_path / "spectra.csv").write_text("\n".join([lines[0], *body]))
    assert run([*arguments, *QUICK, "--out", str(tmp_path / "own")]) == 2
    assert "expected reflectance 0 to 1" in capsys.readouterr().err


def test_a_spectrum_with_a_gap_over_a_band_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = write_tables(tmp_path)
    lines = (tmp_path / "spectra.csv").read_text().splitlines()
    gap = [
        ",".join([row.split(",")[0], "", *row.split(",")[2:]]) if "1600" <= row[:4] <= "1650" else row for row in lines
    ]
    (tmp_path / "spectra.csv").write_text("\n".join(gap))
    assert run([*arguments, *QUICK, "--out", str(tmp_path / "own")]) == 2
    assert "Spectrum CI0 covers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--spectra", "x.csv", "--out", "o"], "--spectra and --labels belong together"),
        (["--spectra", "x.csv", "--labels", "y.csv", "--out", "o"], "--responses is needed"),
        (["--spectra", "x.csv", "--labels", "y.csv", "--drone"], "--out is needed"),
        (["--seed", "-1"], "--seed is -1; expected 0 to"),
        (["--per-class", "5"], "--per-class is 5; expected 10 to"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        run(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_rows_without_a_wavelength_column_begin_at_350_nm(tmp_path: Path) -> None:
    rows = ["a,b", *(f"{nm / 1000},{nm / 2000}" for nm in range(350, 2501))]
    (tmp_path / "s.csv").write_text("\n".join(rows))
    (tmp_path / "l.csv").write_text("spectrum,class\nb,SN\na,CI\n")
    found = read_spectra(tmp_path / "s.csv", tmp_path / "l.csv")
    assert (found.wavelengths[0], found.wavelengths[-1], found.names) == (350, 2500, ("b", "a"))
    seen = found.weighted(drone_responses())
    assert seen[1] == pytest.approx([0.475, 0.560, 0.668, 0.717, 0.840], abs=1e-4)
    assert seen[0] == pytest.approx(seen[1] / 2)
