"""Tiny products with the real structure, for tests of everything but pixels."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Mapping

from shared.models import ProductName
from shared.safe import BANDS, ICE_BANDS

L1C = "S2B_MSIL1C_20240716T151809_N0511_R068_T22WEV_20240716T184612"
OLDER = "S2B_MSIL1C_20240716T151809_N0510_R068_T22WEV_20240716T170000"
SECOND_HALF = "S2B_MSIL1C_20240716T151809_N0511_R068_T22WEV_20240716T184613"
L2A = "S2B_MSIL2A_20240716T151809_N9999_R068_T22WEV_20240717T010203"


def l1c_members(name: str) -> dict[str, bytes]:
    """Member path -> bytes of a whole L1C product, without the top folder."""
    product = ProductName.parse(name)
    granule = f"GRANULE/L1C_T{product.tile}_A012345_{product.stamp}"
    images = {
        f"{granule}/IMG_DATA/T{product.tile}_{product.stamp}_{band}.jp2": band.encode() + bytes(200) for band in BANDS
    }
    return images | {
        f"{granule}/MTD_TL.xml": b"<tile/>",
        "MTD_MSIL1C.xml": b"<product/>",
        "manifest.safe": b"<manifest/>",
    }


def l2a_members(name: str, resolution: int = 20) -> dict[str, bytes]:
    """Member path -> bytes of a whole L2A product, without the top folder."""
    product = ProductName.parse(name)
    granule = f"GRANULE/L2A_T{product.tile}_A012345_{product.stamp}"
    folder, stem = f"{granule}/IMG_DATA/R{resolution}m", f"T{product.tile}_{product.stamp}"
    images = {
        f"{folder}/{stem}_{layer}_{resolution}m.jp2": layer.encode() + bytes(200) for layer in (*ICE_BANDS, "SCL")
    }
    return images | {
        f"{granule}/QI_DATA/MSK_CLDPRB_{resolution}m.jp2": b"cloud" + bytes(200),
        f"{granule}/MTD_TL.xml": b"<tile/>",
        "MTD_MSIL2A.xml": b"<product/>",
        "manifest.safe": b"<manifest/>",
    }


def zipped(
    name: str, members: Mapping[str, bytes], *, without: Iterable[str] = (), extra: Mapping[str, bytes] | None = None
) -> bytes:
    """A stored zip with one top folder; ``without`` leaves out members by their ending, ``extra`` adds raw names."""
    endings = tuple(without)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
        for path, data in members.items():
            if not (endings and path.endswith(endings)):
                archive.writestr(f"{name}.SAFE/{path}", data)
        for path, data in (extra or {}).items():
            archive.writestr(path, data)
    return body.getvalue()


def l1c_zip(name: str = L1C, **changes: object) -> bytes:
    """The zip of a whole tiny L1C product; see `zipped` for the changes."""
    return zipped(name, l1c_members(name), **changes)  # type: ignore[arg-type]


def l2a_zip(name: str = L2A, **changes: object) -> bytes:
    """The zip of a whole tiny L2A product; see `zipped` for the changes."""
    return zipped(name, l2a_members(name), **changes)  # type: ignore[arg-type]
