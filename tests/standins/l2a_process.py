"""Stands in for Sen2Cor's L2A_Process: its command line, sentences, exit codes and output layout; small rasters.

    python l2a_process.py --behave BEHAVIOUR --resolution 20 --output_dir DIR --work_dir DIR L1C.SAFE

``--behave`` is ours, the rest is Sen2Cor's.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

BEHAVIOURS = (
    "succeed", "slow", "hang", "stubborn", "crash", "killed", "error", "silent", "already", "empty", "partial",
    "truncated", "disk", "memory", "children", "two", "metadata", "flood",
)  # fmt: skip
BANDS = {
    20: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12", "AOT", "WVP", "SCL"),
    60: ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B09", "B11", "B12", "AOT", "WVP", "SCL"),
}
PRODUCT_XML = """<?xml version="1.0"?><Level-2A_User_Product>
<PROCESSING_LEVEL>Level-2A</PROCESSING_LEVEL><PROCESSING_BASELINE>99.99</PROCESSING_BASELINE>
<SPACECRAFT_NAME>Sentinel-2A</SPACECRAFT_NAME>
<BOA_QUANTIFICATION_VALUE unit="none">10000</BOA_QUANTIFICATION_VALUE></Level-2A_User_Product>"""
TILE_XML = """<?xml version="1.0"?><Level-2A_Tile_ID><HORIZONTAL_CS_CODE>EPSG:32622</HORIZONTAL_CS_CODE>
<Size resolution="20"><NROWS>16</NROWS><NCOLS>16</NCOLS></Size>
<Geoposition resolution="20"><ULX>500000</ULX><ULY>7500000</ULY></Geoposition>
<Mean_Sun_Angle><ZENITH_ANGLE unit="deg">50</ZENITH_ANGLE><AZIMUTH_ANGLE unit="deg">170</AZIMUTH_ANGLE>
</Mean_Sun_Angle></Level-2A_Tile_ID>"""


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="L2A_Process",
        description="Sentinel-2 Level 2A Processor (Sen2Cor). Version: 02.12.03, created: 2024.11.15, "
        "supporting Level-1C product version 14.2 - 15.0.",
    )
    parser.add_argument("--behave", choices=BEHAVIOURS, default="succeed")
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


def _jp2() -> bytes:
    import numpy as np
    from rasterio.io import MemoryFile
    from rasterio.transform import from_origin

    with MemoryFile(ext=".jp2") as memory:
        with memory.open(
            driver="JP2OpenJPEG", width=16, height=16, count=1, dtype="uint16", crs="EPSG:32622",
            transform=from_origin(500000, 7500000, 20, 20), QUALITY="100", REVERSIBLE="YES",
        ) as dataset:  # fmt: skip
            dataset.write(np.arange(256, dtype="uint16").reshape(1, 16, 16))
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
    raster = b"" if behave == "empty" else _jp2()
    if behave != "empty":
        for band in BANDS[resolution]:
            (images / f"{tile}_{sensing}_{band}_{resolution}m.jp2").write_bytes(raster)
    (quality / f"MSK_CLDPRB_{resolution}m.jp2").write_bytes(raster)
    if behave == "partial":
        (images / f"{tile}_{sensing}_B11_{resolution}m.jp2").unlink()
    if behave == "truncated":
        (images / f"{tile}_{sensing}_B04_{resolution}m.jp2").write_bytes(raster[:-40])
    (granule / "MTD_TL.xml").write_text(TILE_XML)
    (folder / "MTD_MSIL2A.xml").write_text("<Level-2A_User_Product" if behave == "metadata" else PRODUCT_XML)
    (folder / "HTML" / "UserProduct_index.html").write_text("<html></html>")
    (folder / "manifest.safe").write_text("<?xml version='1.0'?><XFDU/>")


def _misbehave(behave: str, work: Path) -> None:
    """What goes wrong half-way."""
    if behave == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if behave == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if behave == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behave in {"hang", "stubborn"}:
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (work / "child.pid").write_text(str(child.pid))
        time.sleep(600)
    if behave == "children":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (work.parent.parent.parent / "child.pid").write_text(str(child.pid))  # outside of what the run removes
    if behave == "silent":
        sys.exit(0)
    sentences = {
        "error": "L2A_Config: 3181 Error in creating L2A User Product",
        "disk": "IOError: [Errno 28] No space left on device",
        "memory": "MemoryError",
    }
    if behave in sentences:
        _say(sentences[behave])
        _progress(100, "Application terminated with at least one error.")
        sys.exit(1)


def main() -> None:
    """Do as told."""
    told = _parsed()
    missing = [name for name in ("AUX_DATA", "HTML") if not (told.input_dir / name).is_dir()]
    if missing:
        _say("L2A_Config: 3181 Error in creating L2A User Product")
        sys.exit(1)
    _say("Sentinel-2 Level 2A Processor (Sen2Cor). Version: 02.12.03, created: 2024.11.15")
    if told.behave == "already":
        _progress(100, "Product already processed.")
        return
    for percent in (2.5, 12.34, 47.0):
        _progress(percent, "PID-1, L2A_ProcessTile: at work")
        time.sleep(1.0 if told.behave == "slow" else 0.15)
    if told.behave == "flood":
        for number in range(20_000):
            _say(f"{number} " + "x" * 200)
    _misbehave(told.behave, told.work_dir)
    made = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    _write(told.output_dir, told.input_dir.name, told.resolution, told.behave, made)
    if told.behave == "two":
        _write(told.output_dir, told.input_dir.name, told.resolution, told.behave, "20200101T000000")
    _progress(100, "Application terminated successfully.")


if __name__ == "__main__":
    main()
