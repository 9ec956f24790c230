"""Stands in for Sen2Cor's L2A_Process: its command line, sentences, exit codes and output layout; small rasters.

    python l2a_process.py --behave BEHAVIOUR --resolution 20 --output_dir DIR --work_dir DIR L1C.SAFE

``--behave`` and ``--release`` are ours, the rest is Sen2Cor's. What it does at its worst is in `BEHAVIOURS`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from defusedxml import ElementTree

BEHAVIOURS = {
    "succeed": "does its work, with the DEM that it is told to use",
    "slow": "the same, with a second between two lines of progress",
    "busy": "the same, holds 60 MB of memory for two seconds and leaves 40 MB in the work folder",
    "flood": "the same, and says far too much",
    "nodem": "the same, but finds no DEM, warns and takes the ground for flat; stops if told to by the GIPP",
    "quietly": "the same, and says so in its report only",
    "children": "the same, but leaves a child running in its process group",
    "escape": "the same, but leaves a child that has left the group and ignores SIGTERM",
    "hang": "does nothing at 47 %, and so does a child",
    "stubborn": "the same, and ignores SIGTERM",
    "runaway": "the same, and its child has left the group and ignores SIGTERM too",
    "crash": "ends by SIGSEGV",
    "killed": "ends by SIGKILL, as the kernel does when memory runs out",
    "memory": "says MemoryError, exit code 1",
    "disk": "says that no space is left, exit code 1",
    "error": "says a critical error, exit code 1",
    "refuse": "does not read this format of product, exit code 1",
    "silent": "exit code 0 without a word",
    "already": "says that the product was processed already, exit code 0",
    "empty": "success, with an empty IMG_DATA",
    "partial": "success, without B11",
    "truncated": "success, but B04 is cut short",
    "small": "success, but B03 has too few pixels",
    "two": "success, with two L2A folders",
    "noaot": "success, without AOT",
    "cutwvp": "success, but WVP is cut short",
    "linked": "success, but a file is a link to one outside of the folder",
    "deleted": "success, but the output folder is gone",
    "closed": "success, and leaves a folder that nobody may write into",
    "twosay": "success, and says on the way that something was already processed",
    "metadata": "success, with metadata that do not parse",
}
BANDS = {
    20: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "AOT", "WVP", "SCL"),
    60: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12", "AOT", "WVP", "SCL"),
}
PRODUCT_XML = """<?xml version="1.0"?><Level-2A_User_Product>
<PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL><PROCESSING_BASELINE>99.99</PROCESSING_BASELINE>
<SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE></Level-2A_User_Product>"""
_SIDE = {10: 32, 20: 16, 60: 6}  # pixels
_SIZES = "".join(
    f'<Size resolution="{metres}"><NROWS>{side}</NROWS><NCOLS>{side}</NCOLS></Size>' for metres, side in _SIDE.items()
)
TILE_XML = f"""<?xml version="1.0"?><Level-2A_Tile_ID><HORIZONTAL_CS_CODE>EPSG:32622</HORIZONTAL_CS_CODE>{_SIZES}
<Geoposition resolution="20"><ULX>500000</ULX><ULY>7500000</ULY></Geoposition>
<Mean_Sun_Angle><ZENITH_ANGLE unit="deg">50</ZENITH_ANGLE><AZIMUTH_ANGLE unit="deg">170</AZIMUTH_ANGLE>
</Mean_Sun_Angle></Level-2A_Tile_ID>"""
_SLEEP = "import time; time.sleep(600)"
_SLEEP_ALONE = f"import os, signal; os.setsid(); signal.signal(signal.SIGTERM, signal.SIG_IGN); {_SLEEP}"


def _title(release: str) -> str:
    formats = "14.2 - 15.0" if release >= "02.12" else "14.2 - 14.9"
    return (
        f"Sentinel-2 Level 2A Processor (Sen2Cor). Version: {release}, created: 2024.11.15, "
        f"supporting Level-1C product version {formats}"
    )


def _parsed() -> argparse.Namespace:
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--behave", choices=BEHAVIOURS, default="succeed")
    first.add_argument("--release", default="02.12.03")
    parser = argparse.ArgumentParser(
        prog="L2A_Process", description=f"{_title(first.parse_known_args()[0].release)}.", parents=[first]
    )
    parser.add_argument("--resolution", type=int, choices=(10, 20, 60), required=True)
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--work_dir", type=Path, required=True)
    parser.add_argument("--GIP_L2A", type=Path)
    parser.add_argument("input_dir", type=Path)
    return parser.parse_args()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _progress(percent: float, what: str) -> None:
    _say(f"Progress[%]: {percent:6.2f} : {what}")


def _jp2(side: int) -> bytes:
    import numpy as np
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    with MemoryFile(ext=".jp2") as memory:
        with memory.open(
            driver="JP2OpenJPEG", width=side, height=side, count=1, dtype="uint16", crs="EPSG:32622",
            transform=from_origin(500000, 7500000, 20, 20), QUALITY="100", REVERSIBLE="YES",
        ) as dataset:  # fmt: skip
            dataset.write(np.arange(side * side, dtype="uint16").reshape(1, side, side))
        return bytes(memory.getbuffer())


def _write(output: Path, l1c: str, resolution: int, behave: str, made: str) -> None:
    parts = re.fullmatch(r"(S2[A-Z])_MSIL1C_(\w{15})_N\d{4}_(R\d{3})_(T\w{5})_\w{15}\.SAFE", l1c)
    assert parts is not None, l1c
    platform, sensing, orbit, tile = parts.groups()
    folder = output / f"{platform}_MSIL2A_{sensing}_N9999_{orbit}_{tile}_{made}.SAFE"
    granule = folder / "GRANULE" / f"L2A_{tile}_A012345_{sensing}"
    images, quality = granule / "IMG_DATA" / f"R{resolution}m", granule / "QI_DATA"
    for each in (images, quality, folder / "AUX_DATA", folder / "HTML"):
        each.mkdir(parents=True)
    raster = b"" if behave == "empty" else _jp2(_SIDE[resolution])
    if behave != "empty":
        for band in BANDS[resolution]:
            (images / f"{tile}_{sensing}_{band}_{resolution}m.jp2").write_bytes(raster)
    (quality / f"MSK_CLDPRB_{resolution}m.jp2").write_bytes(raster)
    if behave == "partial":
        (images / f"{tile}_{sensing}_B11_{resolution}m.jp2").unlink()
    if behave == "truncated":
        (images / f"{tile}_{sensing}_B04_{resolution}m.jp2").write_bytes(raster[:-40])
    if behave == "small":
        (images / f"{tile}_{sensing}_B03_{resolution}m.jp2").write_bytes(_jp2(_SIDE[resolution] - 1))
    if behave == "noaot":
        (images / f"{tile}_{sensing}_AOT_{resolution}m.jp2").unlink()
    if behave == "cutwvp":
        (images / f"{tile}_{sensing}_WVP_{resolution}m.jp2").write_bytes(raster[:-40])
    if behave == "linked":
        (folder / "HTML" / "secret.xml").symlink_to("/proc/self/environ")
    if behave == "quietly":
        (quality / "L2A_report.xml").write_text("<Log>L2A_Tables: Application will continue with a flat terrain</Log>")
    (granule / "MTD_TL.xml").write_text(TILE_XML)
    (folder / "MTD_MSIL2A.xml").write_text("<Level-2A_User_Product" if behave == "metadata" else PRODUCT_XML)
    (folder / "HTML" / "UserProduct_index.html").write_text("<html></html>")
    (folder / "manifest.safe").write_text("<?xml version='1.0'?><XFDU/>")


def _start(work: Path, program: str, *, near: bool) -> None:
    """Start a child and write its number down, in the work folder or outside of what the run removes."""
    child = subprocess.Popen([sys.executable, "-c", program])
    (work if near else work.parent.parent.parent).joinpath("child.pid").write_text(str(child.pid))


def _misbehave(behave: str, work: Path) -> None:
    """What goes wrong half-way."""
    if behave == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behave == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behave in {"stubborn", "runaway"}:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behave in {"hang", "stubborn", "runaway"}:
        _start(work, _SLEEP_ALONE if behave == "runaway" else _SLEEP, near=True)
        time.sleep(600)
    if behave in {"children", "escape"}:
        _start(work, _SLEEP_ALONE if behave == "escape" else _SLEEP, near=False)
    if behave == "busy":
        held = b"x" * 60_000_000
        (work / "left").write_bytes(held[:40_000_000])
        time.sleep(2.0)
    if behave == "silent":
        sys.exit(0)
    if behave == "closed":
        (work / "closed").mkdir()
        (work / "closed" / "file").write_text("x")
        (work / "closed").chmod(0o500)
    if behave == "twosay":
        _say("[INFO] tile T22WEV was already processed by an earlier module")
    sentences = {
        "error": "[CRITICAL]  L2A_Config: 3181   Error in creating L2A User Product",
        "disk": "IOError: [Errno 28] No space left on device",
        "memory": "MemoryError",
        "refuse": "L2A_Config: product format 15.1 is not supported",
    }
    if behave in sentences:
        _fail(sentences[behave])


def _fail(sentence: str) -> None:
    _say(sentence)
    _progress(100, "Application terminated with at least one error.")
    sys.exit(1)


def _look_for_dem(gipp: Path | None, behave: str) -> None:
    """Say what it does about elevation; a GIPP says where it is, and whether to stop without it."""
    root = ElementTree.parse(gipp).getroot() if gipp else None
    wanted = root.findtext(".//DEM_Directory") if root is not None else "NONE"
    if behave == "nodem" and root is not None and root.findtext(".//Force_Exit_On_DEM_Error") == "TRUE":
        _fail(f"L2A_Tables: error in reading DEM from {wanted}. Application will terminate")
    if wanted == "NONE" or behave == "nodem":
        _progress(3, "L2A_Tables: Application will continue with a flat terrain")
    elif behave != "quietly":
        _progress(3, "L2A_Tables: band DEM imported")


def main() -> None:
    """Do as told."""
    told = _parsed()
    missing = [name for name in ("AUX_DATA", "HTML") if not (told.input_dir / name).is_dir()]
    if missing:
        _say("L2A_Config: 3181 Error in creating L2A User Product")
        sys.exit(1)
    _say(f"{_title(told.release)} started ...")
    if told.release < "02.11":  # the oldest stumble without saying over what
        _fail("L2A_XmlParser: metadata do not validate")
    _say("Product version: 15.0")
    if told.release < "02.12":
        _fail("L2A_XmlParser: metadata do not validate")
    if told.behave == "already":
        _progress(100, "Product already processed.")
        return
    _look_for_dem(told.GIP_L2A, told.behave)
    for percent in (5.5, 12.34, 47.0):
        _progress(percent, "PID-1, L2A_ProcessTile: at work")
        time.sleep({"slow": 1.0, "busy": 0.3}.get(told.behave, 0.03))
    if told.behave == "flood":
        for number in range(20_000):
            _say(f"{number} " + "x" * 200)
    _misbehave(told.behave, told.work_dir)
    made = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    _write(told.output_dir, told.input_dir.name, told.resolution, told.behave, made)
    if told.behave == "two":
        _write(told.output_dir, told.input_dir.name, told.resolution, told.behave, "20200101T000000")
    if told.behave == "deleted":
        shutil.rmtree(told.output_dir)
    _progress(100, "Application terminated successfully.")


if __name__ == "__main__":
    main()
