"""container/Dockerfile: what can be held without building it. That planted mistakes are found is tested as well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.image_rules import FINAL, faults, ignored, patterns_of, stages_of

DOCKERFILE = ROOT / "container/Dockerfile"
HADOLINT = Path(sys.executable).with_name("hadolint")


def linted(file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(HADOLINT), "--no-color", "--config", str(ROOT / ".hadolint.yaml"), str(file)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """What the rules look at, to plant mistakes in."""
    for name in ("container/Dockerfile", ".dockerignore", "docs/container.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    for name in ("container", "shared"):
        shutil.copytree(ROOT / name, tmp_path / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def test_hadolint_finds_nothing() -> None:
    done = linted(DOCKERFILE)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_projects_own_rules_find_nothing() -> None:
    assert faults(ROOT) == []


def test_the_rules_find_nothing_in_a_whole_copy_either(project: Path) -> None:
    assert faults(project) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("COPY shared/ shared/", "COPY shred/ shared/", "code copies shred/, which is not there"),
        ("COPY shared/ shared/", "COPY container/Dockerfile ./", "which .dockerignore keeps out"),
        ("COPY --from=code /app /app", "COPY --from=cod /app /app", "copies from cod, which is no earlier stage"),
        ("FROM base AS packages", "FROM bases AS packages", "packages stands on bases"),
        ("FROM ${PYTHON_IMAGE} AS base", "FROM ${PYTHON_IMG} AS base", "base stands on ${PYTHON_IMG}"),
        ("USER 10001:10001", "USER root", "runs as 'root'"),
        ("USER 10001:10001", "USER 0:0", "runs as '0:0'"),
        ("USER 10001:10001\n", "", "runs as 'root'"),
        ("STOPSIGNAL SIGTERM", "STOPSIGNAL SIGKILL", "does not say that SIGTERM ends it"),
        ('ENTRYPOINT ["python", "-m", "container.run"]', "ENTRYPOINT python -m container.run", "no list of words"),
        ('"-m", "container.run"]', '"-m", "container.runs"]', "expected a module of this project"),
        ('"-m", "container.run"]', '"-m", "container"]', "expected a module of this project"),
        ("WORKDIR /build", "ADD https://example.org/a.tar.gz /opt/", "without a checksum"),
        (
            " && python -m compileall -q . && chmod -R a+rX .",
            " && curl https://example.org/a | bash",
            "runs what it downloads",
        ),
        ("WORKDIR /build", 'SHELL ["/bin/bash", "-c"]', "changes the shell"),
        ("ARG AUXILIARY_SHA256=", "ARG AUXILIARY_SHA256=\nARG SECRET_SWITCH=", "SECRET_SWITCH is not explained"),
        ("ARG SEN2COR_SHA256\n", "", "uses SEN2COR_SHA256, which is not set there"),
        ("AS sen2cor\n", "AS sencor\n", "There is no target sen2cor"),
    ],
)
def test_a_planted_mistake_is_found(project: Path, old: str, new: str, told: str) -> None:
    file = project / "container/Dockerfile"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    assert told in "\n".join(faults(project))


def test_a_file_that_dockerignore_keeps_out_is_found(project: Path) -> None:
    with (project / ".dockerignore").open("a") as file:
        file.write("container/requirements.txt\n")
    assert "packages copies container/requirements.txt, which .dockerignore keeps out." in faults(project)


def test_hadolint_finds_a_planted_mistake(tmp_path: Path) -> None:
    file = tmp_path / "Dockerfile"
    file.write_text(DOCKERFILE.read_text().replace("WORKDIR /app", "WORKDIR app"))
    done = linted(file)
    assert done.returncode == 1
    assert "DL3000" in done.stdout  # use absolute WORKDIR


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("container/requirements.txt", False),
        ("shared/models.py", False),
        ("container/__pycache__", True),
        ("shared/pipeline/__pycache__/correct.pyc", True),
        ("container/Dockerfile", True),
        ("tests/conftest.py", True),
        ("local.settings.json", True),
        (".git", True),
        (".icewatch/azurite", True),
    ],
)
def test_the_build_context_holds_the_worker_and_no_settings_or_data(path: str, out: bool) -> None:
    assert ignored(path, patterns_of((ROOT / ".dockerignore").read_text())) is out


def test_the_approximate_target_needs_no_stage_that_downloads_sen2cor() -> None:
    _, stages = stages_of(DOCKERFILE)
    names = [stage.name for stage in stages]
    downloads = [stage.name for stage in stages if any("SEN2COR_URL" in value for _, value in stage.steps)]
    assert downloads == ["installed"]
    # Builders that know no dependencies build every stage that stands before the target.
    assert names.index("approximate") < names.index("installed")
    assert names[-1] == "sen2cor", "without --target the last stage is built"
    assert set(FINAL) < set(names)
