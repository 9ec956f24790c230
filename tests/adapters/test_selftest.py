"""The self-test of image and machine: what is a fault, what is only noted, and that it never ends in a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from container.mounts import file_system_of, network_file_system
from container.selftest import Check, Finding, _memory, _processors, checks
from shared.settings import DEVELOPMENT, STORAGE
from tests.conftest import ROOT
from tests.standins.l1c import standin

LOCAL = "overlay / overlay rw,relatime 0 0\nproc /proc proc rw 0 0\n"
AUX = "lib/python2.7/site-packages/sen2cor/aux_data"


def installed(prefix: Path, behave: str = "succeed") -> dict[str, str]:
    """Settings that lead to a stand-in for Sen2Cor, installed as the real one is."""
    (prefix / "bin").mkdir(parents=True)
    return {"SEN2COR_COMMAND": str(standin(prefix / "bin", behave))}


def looked(env: dict[str, str], tmp_path: Path, *, mounts: str = LOCAL) -> dict[str, Check]:
    work, scratch = tmp_path / "work", tmp_path / "scratch"
    work.mkdir()
    defaults = {STORAGE: DEVELOPMENT, "CORRECTION_WORK": str(scratch), "CORRECTION_SCRATCH_GIB": "0.01"}
    return {check.name: check for check in checks(defaults | env, work, machine=True, mounts=mounts)}


def test_an_installation_as_it_should_be_has_no_fault(tmp_path: Path) -> None:
    env = installed(tmp_path / "sen2cor")
    for name in ("ESACCI-LC-L4-LCCS-Map-a.tif", "ESACCI-LC-L4-WB-Map-a.tif", "ESACCI-LC-L4-Snow-Cond-a"):
        (tmp_path / "sen2cor" / AUX / name).mkdir(parents=True)
    found = looked(env, tmp_path)
    assert {check.name for check in found.values() if check.finding is not Finding.OK} <= {"memory"}
    assert "Sen2Cor 02.12.03" in found["processor"].told
    assert "GDAL" in found["rasters"].told
    assert found["work folder"].told.startswith(f"{tmp_path / 'scratch'} (overlay), ")


def test_without_sen2cor_the_approximate_processor_is_noted(tmp_path: Path) -> None:
    found = looked({}, tmp_path)
    assert found["processor"].finding is Finding.NOTE
    assert found["processor"].told.startswith("approximate ")
    assert "not for science" in found["processor"].told
    assert "ESA-CCI maps" not in found


def test_missing_maps_are_noted_with_what_follows(tmp_path: Path) -> None:
    env = installed(tmp_path / "sen2cor")
    (tmp_path / "sen2cor" / AUX / "ESACCI-LC-L4-WB-Map-a.tif").mkdir(parents=True)
    found = looked(env, tmp_path)["ESA-CCI maps"]
    assert found.finding is Finding.NOTE
    assert "ESACCI-LC-L4-LCCS-Map-*, ESACCI-LC-L4-Snow-Cond-*; land, water and snow" in found.told


def test_parameters_are_written_into_those_that_came_with_the_processor(tmp_path: Path) -> None:
    from shared.adapters.gipp import gipp_xml

    env = installed(tmp_path / "sen2cor")
    assert "IceWatch's own" in looked(env, tmp_path)["parameters"].told
    template = tmp_path / "sen2cor/lib/python2.7/site-packages/sen2cor/cfg/L2A_GIPP.xml"
    template.parent.mkdir(parents=True)
    template.write_bytes(gipp_xml({}).replace(b"Ozone_Content", b"Ozone"))
    (tmp_path / "again").mkdir()
    found = looked(env, tmp_path / "again")["parameters"]
    assert (found.finding, found.told) == (Finding.NOTE, f"written into {template}; that knows no Ozone_Content")


@pytest.mark.parametrize(
    ("env", "name", "told"),
    [
        ({"SEN2COR_COMMAND": "/no/such/program"}, "processor", "no program that can be run"),
        ({"SEN2COR_HOME": "/no/such/folder"}, "processor", "there is no L2A_Process"),
        ({"SEN2COR_COMMAND": "/bin/true"}, "processor", "does not answer --help as Sen2Cor does"),
        ({"CORRECTION_TIME_LIMIT": "soon"}, "processor", "CORRECTION_TIME_LIMIT is 'soon'"),
        ({STORAGE: ""}, "storage", "No storage account is configured"),
        ({"CORRECTION_WORK": "/proc/nowhere"}, "work folder", "Error"),
    ],
)
def test_what_cannot_work_is_at_fault(tmp_path: Path, env: dict[str, str], name: str, told: str) -> None:
    found = looked(env, tmp_path)[name]
    assert found.finding is Finding.FAULT
    assert told in found.told


def test_a_folder_for_elevation_that_is_not_there_is_at_fault(tmp_path: Path) -> None:
    env = installed(tmp_path / "sen2cor") | {"SEN2COR_DEM": str(tmp_path / "dem")}
    assert looked(env, tmp_path)["elevation"].finding is Finding.FAULT


def test_a_work_folder_on_smb_is_at_fault(tmp_path: Path) -> None:
    share = f"{LOCAL}//account.file.core.windows.net/share {tmp_path} cifs rw,vers=3.1.1 0 0\n"
    found = looked({}, tmp_path, mounts=share)["work folder"]
    assert found.finding is Finding.FAULT
    assert (
        found.told == f"{tmp_path / 'scratch'} is on a network file system (cifs); Sen2Cor leaves empty products there"
    )


def test_a_disk_with_little_room_is_noted(tmp_path: Path) -> None:
    found = looked({"CORRECTION_SCRATCH_GIB": "1000000"}, tmp_path)["work folder"]
    assert found.finding is Finding.NOTE
    assert "one product may fill 1000000.0" in found.told


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("//server/share /scratch cifs rw 0 0", "cifs"),
        ("//server/share / smb3 rw 0 0", "smb3"),
        ("server:/export /scratch nfs4 rw 0 0", "nfs4"),
        ("blobfuse2 /scratch fuse.blobfuse2 rw 0 0", "fuse.blobfuse2"),
        ("server:/export /scratch\\040two nfs rw 0 0", ""),  # another folder, with a space in its name
        ("server:/export /scratch-two nfs rw 0 0", ""),
        ("server:/export /scratch/work/deeper nfs rw 0 0", ""),
        ("/dev/sdb1 /scratch ext4 rw 0 0", ""),
        ("fuse-overlayfs /scratch fuse.fuse-overlayfs rw 0 0", ""),
        ("server:/export /scratch nfs rw 0 0\ntmpfs /scratch/work tmpfs rw 0 0", ""),
        ("tmpfs /scratch tmpfs rw 0 0\nserver:/export /scratch nfs rw 0 0", "nfs"),  # the later one covers the earlier
        ("broken", ""),
    ],
)
def test_network_folders_are_told_by_the_innermost_mount(line: str, kind: str) -> None:
    assert network_file_system(Path("/scratch/work"), f"{LOCAL}{line}\n") == kind


def test_a_mount_with_a_space_in_its_name_is_found() -> None:
    assert file_system_of(Path("/a b/c"), f"{LOCAL}x /a\\040b xfs rw 0 0\n") == "xfs"


def test_limits_of_a_container_count_where_they_are_below_the_machine(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text(f"{2 * 1024**3}\n")
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    (memory,), (processors,) = _memory(tmp_path), _processors(tmp_path)
    assert (memory.finding, memory.told) == (Finding.NOTE, "2.0 GiB; Sen2Cor needs up to 4")
    assert processors.told == "0.5"
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (memory,), (processors,) = _memory(tmp_path), _processors(tmp_path)
    assert "0.0 GiB" not in memory.told
    assert processors.told == str(len(os.sched_getaffinity(0)))


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    given = {"PATH": os.environ["PATH"], **env}
    command = [sys.executable, "-m", "container.selftest", *arguments]
    return subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, check=False)


def test_the_table_and_the_exit_code_say_the_same() -> None:
    good, bad = run("--image"), run("--image", SEN2COR_COMMAND="/no/such/program")
    assert (good.returncode, good.stderr) == (0, "")
    assert good.stdout.endswith("This can correct products.\n")
    assert (bad.returncode, bad.stderr) == (1, "")
    assert bad.stdout.endswith("1 at fault: see above.\n")
    assert "FAULT" in bad.stdout


def test_the_json_is_for_machines() -> None:
    done = run("--json", STORAGE_IS_NOT_SET="")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["ok"] is False
    assert {check["name"] for check in told["checks"] if check["finding"] == "FAULT"} == {"storage"}
