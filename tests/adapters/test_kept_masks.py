"""Ice masks in the store: brought onto a tile's grid once, kept, and made again where anything is wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from shared.adapters import kept_masks
from shared.adapters.kept_masks import FOLDER, KeptMask, packed, unpacked
from shared.errors import BadSetting, NotFound
from shared.models import CONFIG, BlobPath, Tile
from shared.science.windows import Grid
from tests.adapters.test_rasters import GRID, WEST, polygon
from tests.conftest import SHARED, needs_shared
from tests.fakes import FakeStore

MASK = BlobPath(CONFIG, "outline.geojson")
TILE = Tile("22WEV")


def mask(store: FakeStore, tile: Tile = TILE) -> KeptMask:
    return KeptMask.of(MASK, tile, store)


def kept(store: FakeStore) -> list[str]:
    return [path for path in store.paths(CONFIG) if path.startswith(FOLDER.name)]


def reads(store: FakeStore) -> list[object]:
    return [call[1] for call in store.calls if call[0] == "read"]


def test_a_mask_among_the_kept_ones_is_refused_as_the_app_deletes_them() -> None:
    path = FOLDER / "mine.geojson"
    with pytest.raises(BadSetting, match="lies in config/masks/kept, where the app keeps and deletes its own"):
        KeptMask.of(path, TILE, FakeStore({path: polygon()}))
    beside = BlobPath(CONFIG, "masks/kept-by-me.geojson")
    assert KeptMask.of(beside, TILE, FakeStore({beside: polygon()})).name == "config/masks/kept-by-me.geojson"


@pytest.fixture
def store() -> FakeStore:
    return FakeStore({MASK: polygon()})


def test_the_second_time_the_kept_form_is_read_and_the_mask_is_not(store: FakeStore) -> None:
    first = mask(store).on(GRID)
    store.calls.clear()
    second = mask(store).on(GRID)
    assert (first == WEST).all()
    assert (second == WEST).all()
    assert reads(store) == [BlobPath(CONFIG, kept(store)[0])]
    assert kept(store)[0].startswith("masks/kept/22WEV-60m-")


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: b"",
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"no image at all",
        lambda whole: packed(~WEST, Grid(GRID.epsg, GRID.left + 60, GRID.top, 60, 130, 170)),
        lambda whole: packed(WEST[:100], Grid(GRID.epsg, GRID.left, GRID.top, 60, 100, 170)),
        lambda whole: whole.replace(b"SHA256", b"SHA255"),
        lambda whole: bytes(20 * 1024 * 1024),
    ],
    ids=["empty", "cut short", "no image", "elsewhere", "another size", "no digest", "too large"],
)
def test_a_damaged_kept_form_is_made_again(store: FakeStore, damage) -> None:
    mask(store).on(GRID)
    path = BlobPath(CONFIG, kept(store)[0])
    whole = store.blobs[path].data
    store.write(path, damage(whole))
    assert (mask(store).on(GRID) == WEST).all()
    assert store.blobs[path].data == whole


def test_pixels_changed_inside_the_kept_form_are_noticed() -> None:
    changed = packed(WEST, GRID).replace(kept_masks._digest(WEST).encode(), kept_masks._digest(~WEST).encode())
    with pytest.raises(ValueError, match="not those that were written"):
        unpacked(changed, GRID)


def test_a_new_mask_replaces_what_was_kept_of_the_old_one_and_other_tiles_keep_theirs(store: FakeStore) -> None:
    mask(store).on(GRID)
    mask(store, Tile("22WEU")).on(GRID)
    store.write(MASK, polygon().replace(b"FeatureCollection", b"FeatureCollection", 1))
    before = set(kept(store))
    mask(store).on(GRID)
    after = set(kept(store))
    assert len(after) == len(before) == 2
    assert before & after == {name for name in before if "22WEU" in name}


def test_each_resolution_is_kept_on_its_own(store: FakeStore) -> None:
    mask(store).on(GRID)
    fine = mask(store).on(Grid(GRID.epsg, GRID.left, GRID.top, 20, 390, 510))
    assert (fine == np.kron(WEST, np.ones((3, 3), bool))).all()
    assert len(kept(store)) == 2


def test_a_kept_form_that_disappears_in_between_does_no_harm(store: FakeStore) -> None:
    mask(store).on(GRID)
    store.fail("read", NotFound("There is no blob."))
    assert (mask(store).on(GRID) == WEST).all()


def test_a_mask_that_is_not_there_or_too_large_is_one_sentence(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(NotFound, match=r"^There is no blob config/other\.gpkg\.$"):
        KeptMask.of(BlobPath(CONFIG, "other.gpkg"), TILE, store)
    monkeypatch.setattr(kept_masks, "MOST_BYTES", 10)
    with pytest.raises(BadSetting, match=r"^The ice mask config/outline\.geojson has \d+ bytes; at most 10"):
        mask(store)


def test_an_unreadable_mask_keeps_nothing(store: FakeStore) -> None:
    store.write(MASK, b"{]")
    with pytest.raises(BadSetting, match=r"The ice mask outline\.geojson is unreadable"):
        mask(store).on(GRID)
    assert kept(store) == []


@needs_shared
def test_greenlands_outline_on_a_whole_tile_is_kept_small_and_the_same(tmp_path: Path) -> None:
    from shared.adapters.icemask import IceMaskFile

    outline = IceMaskFile.read(SHARED / "data/icemask/GRE_IceSheet_IMBIE2_v1.shp")
    tile = Grid(32622, 499980, 7500000, 60, 1830, 1830)  # 22WEV: tundra in the west, the ice sheet's edge, inland ice
    store = FakeStore({MASK: outline.data})
    made: npt.NDArray[np.bool_] = mask(store).on(tile)
    assert 0.5 < made.mean() < 1
    assert made[:, -100:].all()
    assert len(store.blobs[BlobPath(CONFIG, kept(store)[0])].data) < 100_000
    assert (mask(store).on(tile) == made).all()


def test_what_an_older_way_of_bringing_masks_onto_grids_left_behind_is_made_anew(
    store: FakeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as older:
        older.setattr(kept_masks, "_FORM", "1")
        mask(store).on(GRID)
    path = BlobPath(CONFIG, kept(store)[0])
    store.write(path, packed(~WEST, GRID))  # as whole as any, but of old
    assert (mask(store).on(GRID) == WEST).all()
    assert path.name not in kept(store)
