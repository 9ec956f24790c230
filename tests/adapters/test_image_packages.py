"""The worker needs no package that its image does not hold: a whole product, with nothing else to import."""

from __future__ import annotations

import json
import os
import re
import subprocess
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest

from local.azurite import Azurite
from local.scenes import SceneSpec, build_scene
from shared.messages import CORRECTIONS, CorrectionMessage
from shared.models import ProductName, State, staged_zip
from shared.settings import STORAGE, Settings
from shared.wiring import Services
from tests.conftest import ROOT

PRODUCT = ProductName.parse("S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500")
_PIN = re.compile(r"^([\w.-]+)==(\S+)", re.MULTILINE)


def pins(file: Path) -> dict[str, str]:
    return dict(_PIN.findall(file.read_text("utf-8")))


@pytest.fixture
def image_python(tmp_path: Path) -> Path:
    """A Python that sees the packages of container/requirements.txt, linked from here, and no others."""
    folder = tmp_path / "venv"
    venv.create(folder, symlinks=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    for name in pins(ROOT / "container/requirements.txt"):
        for file in distribution(name).files or ():
            if ".." not in file.parts:
                link = site / file
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(Path(str(file.locate())))
    return folder / "bin" / "python"


def test_the_image_has_the_versions_that_are_tested_here() -> None:
    ours, all_of_them = pins(ROOT / "container/requirements.txt"), pins(ROOT / "requirements.txt")
    assert ours.items() <= all_of_them.items()
    assert not {"scikit-learn", "fastapi", "sentinelsat", "azure-functions", "pillow"} & set(ours)


def test_a_product_is_corrected_with_the_packages_of_the_image(tmp_path: Path, image_python: Path) -> None:
    hidden = subprocess.run([image_python, "-c", "import sklearn"], capture_output=True, text=True, check=False)
    assert "No module named 'sklearn'" in hidden.stderr
    scene = build_scene(SceneSpec(PRODUCT, seed=1, size=150, cloud=0.05), tmp_path / "scene")
    with Azurite(tmp_path / "azurite") as azurite:
        given = {STORAGE: azurite.connection_string, "CORRECTION_WORK": str(tmp_path / "scratch")}
        outside = Services(Settings.from_env(given))
        outside.store.upload(staged_zip(PRODUCT), scene.zip)
        outside.queues.send(CORRECTIONS, CorrectionMessage(product=str(PRODUCT)).encode())
        done = subprocess.run(
            [image_python, "-m", "container.run"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", "no_proxy": "127.0.0.1", **given},
            capture_output=True,
            text=True,
            check=False,
        )
        record = outside.ledger.get(PRODUCT.tile.name, str(PRODUCT))
        outside.close()
    assert (done.returncode, record and record.state) == (0, State.CORRECTED), done.stderr
    assert record is not None
    assert record.processor.startswith("approximate")


def test_the_self_test_runs_with_the_packages_of_the_image(image_python: Path) -> None:
    done = subprocess.run(
        [image_python, "-m", "container.selftest", "--image"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_watchlist_areas_given_as_polygons_need_no_other_packages(image_python: Path) -> None:
    corners = [[-50, 67], [-49, 67], [-49, 67.2], [-50, 67]]
    area = {"name": "a", "polygon": {"type": "Polygon", "coordinates": [corners]}, "months": [7], "since": "2019-06-01"}
    body = json.dumps({"version": 1, "areas": [area]}).encode()
    script = f"from shared.pipeline.watching import parse; print(len(parse({body!r}).areas[0].tiles) > 0)"
    done = subprocess.run([image_python, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "True\n", done.stderr
