"""The notebook runs from the first cell to the last on the API of a running host, and shows the right numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import nbformat
import numpy as np
import pytest
import rasterio
from nbclient import NotebookClient

from local.host import Host
from shared.models import BlobPath, Level, ProductName, State, surface_folder
from shared.records import Record
from shared.wiring import services
from tests.conftest import ROOT
from tests.seasons import write_seasons

NOTEBOOK = ROOT / "notebooks" / "season.ipynb"
LISTED = 4  # cells up to the one that lists the acquisitions
KEY = "a-key-of-thirty-letters-and-more"


def read() -> nbformat.NotebookNode:
    return nbformat.reads(NOTEBOOK.read_text(), as_version=4)  # type: ignore[no-untyped-call]


def test_it_is_kept_without_outputs_and_names_no_machine():
    notebook = read()
    assert all(cell.get("outputs", []) == [] and cell.get("execution_count") is None for cell in notebook.cells)
    assert not re.search(r"/(home|root|Users|work|tmp)/", NOTEBOOK.read_text())


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The result files of two seasons in a folder."""
    return write_seasons(tmp_path_factory.mktemp("seasons") / "results", (2023, 2024), dates=2)


@pytest.fixture(scope="module")
def address(results: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The STAC API of a running host whose account holds the same results."""
    never = {"SCHEDULE": "0 0 0 1 1 *", "WATCH_SCHEDULE": "0 0 0 1 1 *", "API_KEY": KEY}
    with Host(settings=never, folder=tmp_path_factory.mktemp("host"), workers=0) as host:
        outside = services()
        for file in results.rglob("*.*"):
            if file.is_file():
                outside.store.upload(BlobPath.parse(file.relative_to(results).as_posix()), file)
        for folder in results.rglob("S2*.SAFE"):
            outside.ledger.add(row_of(ProductName.parse(folder.name)))
        yield f"{host.http_address}/stac"
        outside.close()


def row_of(l2a: ProductName) -> Record:
    """The row of a product that is classified."""
    facts = {"l2a": str(l2a), "results": str(surface_folder(l2a)), "processor": "Sen2Cor 02.12.03"}
    l1c = replace(l2a, level=Level.L1C)
    return Record.of(l1c, State.CLASSIFIED, times={"classify": l2a.sensing + timedelta(hours=9)}, **facts)


def run(notebook: nbformat.NotebookNode, folder: Path, **settings: str) -> nbformat.NotebookNode:
    """Execute ``notebook`` in ``folder`` with ``settings`` in its environment."""
    own = {name: str(folder / name) for name in ("IPYTHONDIR", "JUPYTER_RUNTIME_DIR", "MPLCONFIGDIR")}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in (own | settings | {"MPLBACKEND": "module://matplotlib_inline.backend_inline"}).items():
            patch.setenv(name, value)
        NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}}).execute()
    return notebook


@pytest.fixture(scope="module")
def executed(
    results: Path, address: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[nbformat.NotebookNode, Path]:
    """The notebook as it is after it has walked the API."""
    return run(read(), tmp_path_factory.mktemp("api"), ICEWATCH_SOURCE=address, ICEWATCH_KEY=KEY), results


def test_where_no_address_is_given_a_folder_gives_the_same_acquisitions(executed, results: Path, tmp_path: Path):
    walked, beginning = executed[0], read()
    beginning.cells = beginning.cells[:LISTED]
    found = run(beginning, tmp_path, ICEWATCH_FOLDER=str(results), ICEWATCH_SOURCE="").cells[-1]
    assert found.outputs[0]["data"]["text/plain"] == walked.cells[LISTED - 1].outputs[0]["data"]["text/plain"]
    assert found.outputs[0]["data"]["text/plain"].count("2024-") == 2


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
