"""What classification believes about a product: name, metadata, images and manifest.safe have to agree."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from shared.adapters.folders import FolderMembers
from shared.adapters.rasters import GdalRasters
from shared.errors import BadProduct
from shared.models import ProductName, Tile
from shared.pipeline.attach import is_own
from shared.pipeline.surface_source import Source, opened_rasters, read_source
from shared.science.tilegrid import is_corner
from shared.science.windows import Georeference, Grid
from tests.conftest import SHARED, needs_shared
from tests.small_l2a import LEFT, PRODUCT, TOP, Members, Scene, jp2, l2a_files_of, named

SCENE = Scene.of_classes(60, 70)
FILES = l2a_files_of(SCENE)


def source(files: Mapping[str, bytes], product: ProductName = PRODUCT) -> Source:
    return read_source(Members(files), product, 60)


def opened(files: Mapping[str, bytes]) -> None:
    """Open all images as classification does."""
    found = source(files)
    with opened_rasters(found, {**found.files.bands, "SCL": found.files.scl}, GdalRasters(), 2):
        pass


def changed(part: str, old: str, new: str) -> dict[str, bytes]:
    name = named(FILES, part)
    assert old.encode() in FILES[name]
    return FILES | {name: FILES[name].replace(old.encode(), new.encode())}


def vouched(files: Mapping[str, bytes], *, prefix: str = "./", algorithm: str = "SHA3-256") -> dict[str, bytes]:
    """``files`` with a manifest.safe that states the digest of each."""
    digest: Any = {"MD5": hashlib.md5, "SHA3-256": hashlib.sha3_256}[algorithm]
    entries = "".join(
        f'<byteStream size="{len(data)}"><fileLocation href="{prefix}{name}"/>'
        f'<checksum checksumName="{algorithm}">{digest(data).hexdigest()}</checksum></byteStream>'
        for name, data in files.items()
    )
    return {**files, "manifest.safe": f"<xfdu>{entries}</xfdu>".encode()}


METADATA = [
    ("MTD_MSIL2A", "quantification", '"none">10000', '"none">9000'),
    ("MTD_MSIL2A", "offset", '"3">-1000', '"3">-999'),
    ("MTD_TL", "corner", ">499980<", ">509980<"),
    ("MTD_TL", "light", "46.5", "26.5"),
]


@pytest.mark.parametrize("algorithm", ["MD5", "SHA3-256"])
@pytest.mark.parametrize(("part", "what", "old", "new"), METADATA, ids=[what for _, what, *_ in METADATA])
def test_metadata_that_the_manifest_does_not_vouch_for_are_refused(
    part: str, what: str, old: str, new: str, algorithm: str
) -> None:
    manifest = vouched(FILES, algorithm=algorithm)["manifest.safe"]
    assert source(FILES | {"manifest.safe": manifest}).metadata.quantification == 10000
    with pytest.raises(BadProduct, match=rf"^{part}.* of {PRODUCT} is damaged: its {algorithm} is .*, manifest.safe "):
        source(changed(part, old, new) | {"manifest.safe": manifest})


@pytest.mark.parametrize("algorithm", ["MD5", "SHA3-256"])
def test_an_image_changed_inside_is_noticed_by_the_checksum_of_the_manifest(algorithm: str) -> None:
    files = vouched(FILES, algorithm=algorithm)
    opened(files)
    name = named(files, "_B04_")
    image = files[name]
    with pytest.raises(BadProduct, match=rf"^B04 of .* is damaged: its {algorithm} is .*, manifest.safe states "):
        opened(files | {name: image[:-200] + bytes(20) + image[-180:]})


@pytest.mark.parametrize("baseline", ["9999", "9933"])
def test_of_what_was_corrected_on_ones_own_machine_no_checksum_is_believed(baseline: str) -> None:
    manifest = vouched(dict.fromkeys(FILES, b"as it was before"))["manifest.safe"]
    files = FILES | {"manifest.safe": manifest}
    with pytest.raises(BadProduct, match="is damaged"):
        source(files)
    own = source(files, replace(PRODUCT, baseline=baseline))
    assert is_own(own.product)
    assert own.checksums == {}
    assert own.read(own.files.scl, "SCL") == FILES[own.files.scl]


def test_a_manifest_that_names_files_elsewhere_vouches_for_none_of_these() -> None:
    # As those of baseline 02.08, which kept the paths of the machine they were made on.
    manifest = vouched(dict.fromkeys(FILES, b"other"), prefix="/dpc/work/")["manifest.safe"]
    assert source(FILES | {"manifest.safe": manifest}).metadata.quantification == 10000


@needs_shared
def test_a_real_manifest_vouches_for_the_real_metadata() -> None:
    folder = "safe/S2A_MSIL2A_20221005T115411_N0400_R023_T29UNU_20221005T164454.SAFE"
    members = FolderMembers(SHARED / "data" / folder)
    found = read_source(members, members.product, 60)
    assert {found.files.product_metadata, found.files.tile_metadata} <= found.checksums.keys()
    with opened_rasters(found, {**found.files.bands, "SCL": found.files.scl}, GdalRasters(), 1) as ((band, *_),):
        assert band.georeference == Georeference("EPSG:32629", (60.0, 0.0, 499980.0, 0.0, -60.0, 5900040.0))


@pytest.mark.parametrize(
    ("old", "new"),
    [("EPSG:32622", "EPSG:32633"), ("EPSG:32622", "EPSG:32722"), (">499980<", ">600000<"), (">7500000<", ">7400040<")],
    ids=["zone", "hemisphere", "next to the east", "next to the south"],
)
def test_the_metadata_of_another_tile_are_refused(old: str, new: str) -> None:
    with pytest.raises(BadProduct, match=rf"^MTD_TL\.xml of {PRODUCT} puts the corner at .*; tile 22WEV is not there"):
        source(changed("MTD_TL", old, new))


# Corners as the metadata of these tiles state them; the last two, on either side of the equator, as MGRS defines them.
CORNERS = [
    ("22WEV", 32622, 499980, 7500000),
    ("29UNU", 32629, 499980, 5900040),
    ("56JMM", 32756, 399960, 6700000),
    ("53JQJ", 32753, 699960, 6900040),
    ("48LWP", 32748, 499980, 8900020),
    ("56JKT", 32756, 199980, 7300000),
    ("01CEH", 32701, 499980, 800020),
    ("31NEA", 32631, 499980, 100020),
    ("31MEV", 32731, 499980, 10000000),
]


@pytest.mark.parametrize(("tile", "epsg", "left", "top"), CORNERS, ids=[tile for tile, *_ in CORNERS])
def test_a_tile_is_known_by_its_corner(tile: str, epsg: int, left: int, top: int) -> None:
    assert is_corner(Tile(tile), epsg, left, top)
    others = [(epsg + 1, left, top), (65401 - epsg, left, top)]
    others += [(epsg, left + east, top) for east in (-100_000, -60_000, 60_000, 100_000)]
    rows = (-100_000, -60_000, 60_000, 100_000, -4_000_000, -2_000_000, 2_000_000, 4_000_000)  # the letters repeat
    others += [(epsg, left, top + north) for north in rows]
    assert not any(is_corner(Tile(tile), *other) for other in others)


def test_the_metadata_of_another_satellite_are_refused() -> None:
    with pytest.raises(BadProduct, match=r"is named S2B, but its metadata says 'Sentinel-2A'\.$"):
        source(changed("MTD_MSIL2A", "Sentinel-2B", "Sentinel-2A"))


GRID = Grid(32622, LEFT, TOP, 60, *SCENE.shape)


@pytest.mark.parametrize("piece", ["_B04_", "_SCL_"])
def test_an_image_of_another_place_than_the_metadata_say_is_refused(piece: str) -> None:
    opened(FILES)
    moved = FILES | {named(FILES, piece): jp2(np.ones(SCENE.shape, np.uint8), left=LEFT + 60)}
    with pytest.raises(BadProduct) as refused:
        opened(moved)
    assert re.fullmatch(
        rf"{piece.strip('_')} of {PRODUCT} begins at 500040, 7500000 in EPSG:32622, with pixels of 60 m; "
        r"the metadata says 499980, 7500000 in EPSG:32622, 60 m\.",
        str(refused.value),
    )


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
def test_an_image_that_says_nothing_of_its_place_is_taken_for_the_metadatas() -> None:
    opened(FILES | {named(FILES, "_B04_"): jp2(np.ones(SCENE.shape, np.uint16), epsg=None)})


@pytest.mark.parametrize(
    ("place", "fits"),
    [
        (Georeference("EPSG:32622", GRID.transform), True),
        (Georeference("", GRID.transform), True),
        (Georeference("EPSG:32622", (60, 0, LEFT + 30, 0, -60, TOP - 30)), True),  # counted from a pixel's middle
        (Georeference("EPSG:32622", (60, 0, LEFT - 59, 0, -60, TOP + 59)), True),
        (Georeference("EPSG:32623", GRID.transform), False),
        (Georeference("EPSG:32622", (20, 0, LEFT, 0, -20, TOP)), False),
        (Georeference("EPSG:32622", (60, 0, LEFT, 0, 60, TOP)), False),
        (Georeference("EPSG:32622", (60, 2, LEFT, 0, -60, TOP)), False),
        (Georeference("EPSG:32622", (60, 0, LEFT, 0, -60, TOP + 60)), False),
    ],
)
def test_a_place_fits_where_both_corners_do_to_less_than_a_pixel(place: Georeference, fits: bool) -> None:
    assert place.fits(GRID) is fits
