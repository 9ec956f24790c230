"""Bad input at every door: nothing crashes the host, everything is written down in one clear sentence."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
import rasterio

from local.inbox import put
from shared.messages import CLASSIFICATIONS, CORRECTIONS, PRODUCTS, TILE_MONTHS, ProductMessage, poison_of
from shared.models import BlobPath, ProductName, State, l2a_folder
from shared.records import REFUSED
from tests.end_to_end.conftest import CLEAR, Pipeline
from tests.products import L1C, l1c_zip

DROPPED = "S2B_MSIL1C_20230716T151809_N0511_R068_T22WEV_20230716T1846{:02d}"


@pytest.fixture(autouse=True)
def _host_survives(pipeline: Pipeline):
    yield
    pipeline.idle()
    assert pipeline.host.http_address


@pytest.mark.parametrize(
    ("queue", "body", "sentence"),
    [
        (TILE_MONTHS, '{"version": 1, "tile": "99XXX", "month": "2021-07"}', "'99XXX' is no Sentinel-2 tile"),
        (TILE_MONTHS, '{"version": 1, "tile": "22WEV", "month": "July"}', "'July' is no month"),
        (PRODUCTS, "not JSON at all", "Invalid JSON"),
        (PRODUCTS, '{"version": 1, "product": "../../etc/passwd", "id": "1"}', "is no Sentinel-2 product name"),
        (PRODUCTS, '{"version": 2, "product": "x", "id": "1"}', "version: Input should be 1"),
        (CORRECTIONS, '{"version": 1}', "product: Field required"),
        (CLASSIFICATIONS, f'{{"version": 1, "product": "{L1C}"}}', "is L1C, this step takes L2A"),
    ],
)
def test_a_malformed_message_goes_to_poison_and_the_ledger_says_why(pipeline: Pipeline, queue, body, sentence):
    pipeline.outside.queues.send(queue, body)

    def told() -> bool:
        return any(r.message == body and sentence in r.reason for r in pipeline.outside.ledger.records(REFUSED))

    pipeline.until(told)
    pipeline.idle()
    assert pipeline.outside.queues.depth(queue) == 0
    assert pipeline.outside.queues.depth(poison_of(queue)) == 0


def test_a_product_the_provider_does_not_have_fails_with_the_reason(pipeline: Pipeline):
    missing = DROPPED.format(1)
    message = ProductMessage(product=missing, id="00000000-0000-0000-0000-000000000000")
    pipeline.outside.queues.send(PRODUCTS, message.encode())
    pipeline.until(lambda: _state(pipeline, missing) is State.FAILED)
    assert "00000000-0000-0000-0000-000000000000" in pipeline.record("22WEV", missing).reason


def _state(pipeline: Pipeline, name: str) -> State | None:
    record = pipeline.outside.ledger.get("22WEV", name)
    return record.state if record else None


@pytest.mark.parametrize(
    ("number", "body", "sentence"),
    [
        (2, b"<html>Maintenance</html>", "no complete zip file"),
        (3, None, "incomplete: B8A, MTD_TL.xml missing"),
        (4, None, "would leave its folder"),
        (5, None, "no complete zip file"),
    ],
    ids=["no zip", "missing pieces", "climbing member", "cut short"],
)
def test_a_dropped_zip_that_is_no_product_fails_with_the_reason(pipeline: Pipeline, number, body, sentence):
    name = DROPPED.format(number)
    made = {
        3: l1c_zip(name, without=["_B8A.jp2", "MTD_TL.xml"]),
        4: l1c_zip(name, extra={"../../evil.sh": b"echo"}),
        5: l1c_zip(name)[:-40],
    }
    pipeline.outside.store.write(BlobPath("drop", f"{name}.SAFE.zip"), body or made[number])
    pipeline.until(lambda: _state(pipeline, name) is State.FAILED)
    assert sentence in pipeline.record("22WEV", name).reason
    assert not list(pipeline.outside.store.list(BlobPath("l1c", "22WEV/2023/07")))


def test_a_dropped_zip_whose_bands_are_no_images_fails_in_the_correction(pipeline: Pipeline):
    name = DROPPED.format(6)
    pipeline.outside.store.write(BlobPath("drop", f"{name}.SAFE.zip"), l1c_zip(name))
    pipeline.until(lambda: _state(pipeline, name) is State.FAILED)
    reason = pipeline.record("22WEV", name).reason
    assert reason
    assert "Traceback" not in reason


def test_something_else_dropped_stays_and_the_ledger_says_why(pipeline: Pipeline):
    path = BlobPath("drop", "holiday/IMG_0001.jpg")
    pipeline.outside.store.write(path, b"\xff\xd8")
    pipeline.until(lambda: pipeline.outside.ledger.get(REFUSED, str(path)) is not None)
    assert "is no product" in pipeline.record(REFUSED, str(path)).reason
    assert pipeline.outside.store.info(path) is not None


@pytest.fixture(scope="module")
def l2a(pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A local copy of an L2A folder that the pipeline made."""
    if _state(pipeline, CLEAR) is not State.CLASSIFIED:
        assert pipeline.host.run_timer("schedule")
        pipeline.idle()
    record = pipeline.record("22WEV", CLEAR)
    folder = tmp_path_factory.mktemp("l2a") / f"{record.l2a}.SAFE"
    source = l2a_folder(ProductName.parse(record.l2a))
    for info in pipeline.outside.store.list(source):
        file = folder / info.path.name.removeprefix(f"{source.name}/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(pipeline.outside.store.read(info.path))
    return folder


def _another(l2a: Path, second: int) -> str:
    """The name of a product like ``l2a`` that no run has made: the stamp of a run is the time of day."""
    return f"{l2a.name.rpartition('_')[0]}_20210801T0000{second:02d}"


def _remove(band: Path) -> None:
    band.unlink()


def _cut(band: Path) -> None:
    band.write_bytes(band.read_bytes()[: band.stat().st_size // 2])


def _shrink(band: Path) -> None:
    with rasterio.open(band) as raster:
        profile, pixels = raster.profile, raster.read(1)[:60, :60]
    profile.update(height=60, width=60, driver="JP2OpenJPEG", QUALITY="100", REVERSIBLE="YES")
    with rasterio.open(band, "w", **profile) as raster:
        raster.write(pixels, 1)


def _no_image(band: Path) -> None:
    band.write_bytes(b"this is no image")


@pytest.mark.parametrize(
    ("second", "damage", "sentence"),
    [
        (11, _remove, "B11 missing"),
        (12, _cut, "B11"),
        (13, _shrink, "60 x 60 pixels"),
        (14, _no_image, "B11"),
    ],
    ids=["missing band", "JP2 cut short", "band of another size", "no image"],
)
def test_a_dropped_folder_with_a_bad_band_fails_naming_it(pipeline: Pipeline, l2a, tmp_path, second, damage, sentence):
    import shutil

    name = _another(l2a, second)
    folder = tmp_path / f"{name}.SAFE"
    shutil.copytree(l2a, folder)
    (band,) = folder.rglob("*_B11_20m.jp2")
    damage(band)
    put(folder, pipeline.outside.store)
    pipeline.until(lambda: _state(pipeline, name) is State.FAILED)
    record = pipeline.record("22WEV", name)
    assert "B11" in record.reason
    assert sentence in record.reason
    assert not list(pipeline.outside.store.list(BlobPath("surface", f"22WEV/2021/07/{name}.SAFE")))


def test_a_whole_folder_dropped_is_classified_under_its_mirrored_path(pipeline: Pipeline, l2a, tmp_path):
    import shutil

    name = _another(l2a, 20)
    shutil.copytree(l2a, tmp_path / f"{name}.SAFE")
    put(tmp_path / f"{name}.SAFE", pipeline.outside.store)
    pipeline.until(lambda: _state(pipeline, name) is State.CLASSIFIED)
    assert pipeline.record("22WEV", name).results == f"surface/22WEV/2021/07/{name}.SAFE"
    assert not list(pipeline.outside.store.list(BlobPath("drop", f"{name}.SAFE")))


def test_a_zipped_l2a_product_dropped_is_classified(pipeline: Pipeline, l2a):
    name = _another(l2a, 21)
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for file in sorted(l2a.rglob("*")):
            if file.is_file():
                archive.write(file, f"{name}.SAFE/{file.relative_to(l2a).as_posix()}")
    pipeline.outside.store.write(BlobPath("drop", f"{name}.zip"), body.getvalue())
    pipeline.until(lambda: _state(pipeline, name) is State.CLASSIFIED)
