"""A real ESA product: by the command line, and dropped into the running pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from local.inbox import put
from shared.models import ProductName, State, l2a_folder
from tests.conftest import ROOT, SHARED, needs_shared
from tests.end_to_end.conftest import Pipeline

NAME = "S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454"
SAFE = SHARED / "data" / "safe" / f"{NAME}.SAFE"

pytestmark = needs_shared


def classify(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "local", "classify", str(SAFE), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_at_60_m_the_command_line_writes_all_results(tmp_path: Path):
    done = classify("--resolution", "60", "--min-usable", "0", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    stem = "T29UNU_20221005T115411"
    layers = {f"{stem}_{layer}_60m.tif" for layer in ("CLASS", "ALBEDO", "ALGAE", "CONFIDENCE", "MARGIN", "QUALITY")}
    assert {file.name for file in tmp_path.iterdir()} == layers | {
        "quicklook.png",
        "summary.json",
        "manifest.json",
        f"{NAME}.json",
    }
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["product"] == NAME


def test_at_20_m_the_command_line_names_what_is_missing_and_exits_with_3(tmp_path: Path):
    done = classify("--resolution", "20", "--min-usable", "0", "--out", str(tmp_path))
    assert done.returncode == 3
    assert "incomplete at 20 m: B02, B03, B04, B05, B06, B07, B8A, B11, B12 missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_dropped_while_the_host_runs_it_ends_under_its_mirrored_path(pipeline: Pipeline):
    product = ProductName.parse(NAME)
    put(SAFE, pipeline.outside.store)
    ends = {State.CLASSIFIED, State.REJECTED, State.FAILED}
    ledger = pipeline.outside.ledger
    pipeline.until(lambda: (found := ledger.get("29UNU", NAME)) is not None and found.state in ends)
    record = pipeline.record("29UNU", NAME)
    assert pipeline.outside.store.info(l2a_folder(product) / "manifest.safe") is not None
    assert record.usable_percent is not None
    if record.state is State.CLASSIFIED:
        assert record.results == f"surface/29UNU/2022/10/{NAME}.SAFE"
    else:
        assert record.state is State.REJECTED, record.reason
        assert f"{record.usable_percent:.1f} %" in record.reason
