"""Small L1C products for tests of what only looks at names and bytes."""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

from shared.models import ProductName
from shared.safe import BANDS

PRODUCT = ProductName.parse("S2A_MSIL1C_20190716T151911_N0208_R068_T22WEV_20190716T184612")
_STANDIN = Path(__file__).with_name("l2a_process.py")


def l1c_members(product: ProductName = PRODUCT) -> dict[str, bytes]:
    """The members of a complete L1C folder, without the folders that tend to get lost."""
    granule = f"GRANULE/L1C_T{product.tile}_A012345_{product.stamp}"
    images = {f"{granule}/IMG_DATA/T{product.tile}_{product.stamp}_{band}.jp2": b"band " * 300 for band in BANDS}
    return images | {
        f"{granule}/MTD_TL.xml": b"<Level-1C_Tile_ID/>",
        "MTD_MSIL1C.xml": b"<Level-1C_User_Product/>",
        "manifest.safe": b"<XFDU/>",
    }


def l1c_zip(product: ProductName = PRODUCT, *, also: Mapping[str, bytes] | None = None) -> bytes:
    """The zip of a complete product; ``also`` adds members by their whole name."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in l1c_members(product).items():
            archive.writestr(f"{product.safe}/{name}", data)
        for name, data in (also or {}).items():
            archive.writestr(name, data)
    return body.getvalue()


def l1c_folder(below: Path, product: ProductName = PRODUCT) -> Path:
    """A complete product as a folder."""
    folder = below / product.safe
    for name, data in l1c_members(product).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    for name in ("AUX_DATA", "HTML"):
        (folder / name).mkdir()
    return folder


def standin(below: Path, behave: str, *, release: str = "02.12.03") -> Path:
    """A program ``L2A_Process`` below ``below`` that behaves as told, and says that it is ``release`` of Sen2Cor."""
    program = below / "L2A_Process"
    text = f'#!/bin/sh\nexec "{sys.executable}" "{_STANDIN}" --behave {behave} --release {release} "$@"\n'
    if not program.exists() or program.read_text() != text:  # one that runs cannot be written to
        program.write_text(text)
        program.chmod(0o755)
    return program
