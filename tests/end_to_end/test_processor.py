"""Which processor the one-machine host takes, and that it says so before anything runs."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from local.__main__ import main
from local.processor import processors, sen2cor_settings
from shared.errors import BadSetting
from tests.conftest import ROOT
from tests.standins.l1c import standin


def installed(prefix: Path) -> Path:
    (prefix / "bin").mkdir(parents=True)
    return standin(prefix / "bin", "succeed")


def environment(**more: str) -> dict[str, str]:
    """This process's environment without anybody's settings."""
    foreign = ("SEN2COR", "CORRECTION", "AzureWebJobs")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)} | more


@pytest.mark.parametrize("below", ["", "bin/L2A_Process"])
def test_a_given_path_is_used_and_named_with_its_version(tmp_path: Path, below: str) -> None:
    program = installed(tmp_path / "Sen2Cor")
    told = processors(sen2cor_settings(tmp_path / "Sen2Cor" / below))
    assert told == f"Corrections are made by Sen2Cor 02.12.03 ({program})."


def test_sen2cor_home_is_used_without_any_option(tmp_path: Path) -> None:
    program = installed(tmp_path / "Sen2Cor-02.12.03-Linux64")
    told = processors({"SEN2COR_HOME": str(tmp_path)} | sen2cor_settings(None))
    assert told == f"Corrections are made by Sen2Cor 02.12.03 ({program})."


def test_a_given_path_goes_before_the_settings(tmp_path: Path) -> None:
    installed(tmp_path / "old")
    program = installed(tmp_path / "given")
    settings = {"SEN2COR_COMMAND": str(tmp_path / "old/bin/L2A_Process")} | sen2cor_settings(tmp_path / "given")
    assert str(program) in processors(settings)


def test_several_are_named_in_the_order_in_which_they_are_tried(tmp_path: Path) -> None:
    new, old = installed(tmp_path / "new"), installed(tmp_path / "old")
    told = processors({"SEN2COR_COMMAND": f"{new}{os.pathsep}{old}"})
    assert told.endswith(f"Sen2Cor 02.12.03 ({new}), where that does not read a product by Sen2Cor 02.12.03 ({old}).")


def test_without_sen2cor_the_approximate_one_is_named_as_what_it_is() -> None:
    told = processors({})
    assert told.startswith("Corrections are made by approximate ")
    assert "for trials" in told


def test_a_program_that_cannot_be_run_is_refused(tmp_path: Path) -> None:
    program = tmp_path / "L2A_Process"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(BadSetting, match="cannot be run"):
        processors(sen2cor_settings(program))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "which is not there"),
        ("folder", "where there is no L2A_Process"),
        ("file.txt", "expected L2A_Process"),
    ],
)
@pytest.mark.parametrize("command", ["host", "demo"])
def test_a_path_that_holds_no_sen2cor_is_refused_with_a_sentence(
    tmp_path: Path,
    name: str,
    told: str,
    command: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.txt").touch()
    arguments = [command, "--folder", str(tmp_path / "data"), "--sen2cor", str(tmp_path / name)]
    monkeypatch.setattr(sys, "argv", ["python -m local", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert told in said.err
    assert said.err.count("\n") == 1
    assert not (tmp_path / "data").exists(), "nothing was begun"


def test_the_host_says_at_its_start_which_processor_it_uses(tmp_path: Path) -> None:
    program = installed(tmp_path / "Sen2Cor")
    arguments = ["host", "--folder", str(tmp_path / "data"), "--port", "0", "--sen2cor", str(tmp_path / "Sen2Cor")]
    host = subprocess.Popen(
        [sys.executable, "-m", "local", *arguments],
        cwd=ROOT,
        env=environment(PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    late = threading.Timer(60, host.kill)
    late.start()
    try:
        assert host.stdout is not None
        said = []
        for line in host.stdout:
            said.append(line.strip())
            if line.startswith("Corrections"):
                break
        host.terminate()
        host.stdout.read()
    finally:
        late.cancel()
        host.kill()
        host.wait()
        if host.stdout is not None:
            host.stdout.close()
    assert f"Corrections are made by Sen2Cor 02.12.03 ({program})." in said
