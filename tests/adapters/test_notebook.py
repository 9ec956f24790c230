"""The notebook runs from the first cell to the last on real results, and shows the right numbers."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
import rasterio
from nbclient import NotebookClient

from tests.conftest import ROOT
from tests.seasons import write_seasons

NOTEBOOK = ROOT / "notebooks" / "season.ipynb"


def read() -> nbformat.NotebookNode:
    return nbformat.reads(NOTEBOOK.read_text(), as_version=4)  # type: ignore[no-untyped-call]


def test_it_is_kept_without_outputs_and_names_no_machine():
    notebook = read()
    assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in notebook.cells)
    assert not re.search(r"/(home|root|Users|work|tmp)/", NOTEBOOK.read_text())


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[nbformat.NotebookNode, Path]:
    folder = tmp_path_factory.mktemp("notebook")
    results = write_seasons(folder / "results", (2023, 2024), dates=2)
    notebook = read()
    with pytest.MonkeyPatch.context() as patch:
        settings = {"ICEWATCH_SOURCE": results, "MPLBACKEND": "module://matplotlib_inline.backend_inline"}
        own = {name: folder / name for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")}
        for name, value in (settings | own).items():
            patch.setenv(name, str(value))
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook, results


def test_it_shows_its_pictures(executed):
    notebook, _ = executed
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in shown) == 3
    assert [output["text"] for output in shown if output.output_type == "stream"] == []  # no warnings either


def test_its_numbers_are_those_of_the_result_files(executed):
    """The mean albedo of each season, as the last table has it."""
    notebook, results = executed
    (text,) = [output["data"]["text/plain"] for output in notebook.cells[-1].outputs]
    row = next(line for line in text.splitlines() if line.startswith("albedo"))
    told = [float(number) for number in row.split()[1:]]
    means = [season_mean(results, year) for year in (2023, 2024)]
    np.testing.assert_allclose(told, [*means, means[1] - means[0]], atol=0.0011)


def season_mean(results: Path, year: int) -> float:
    means = []
    for file in results.rglob(f"T22WEV_{year}*_ALBEDO_60m.tif"):
        with rasterio.open(file) as dataset:
            stored = dataset.read(1)
        means.append(stored[stored != -32768].mean() * 1e-4)
    assert len(means) == 2
    return float(np.mean(means))
