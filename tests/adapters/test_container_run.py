"""The worker with real queue, blobs and tables, and a stand-in for Sen2Cor: each way a message can end."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
from azure.storage.blob import BlobServiceClient

from container.run import AGAIN, DONE, MISCONFIGURED
from shared.errors import BadName
from shared.messages import CorrectionMessage
from shared.models import L2A, MANIFEST, WATCHLIST, ProductName, State, l2a_folder, staged_zip
from shared.records import REFUSED, Record
from shared.safe import ICE_BANDS
from tests.adapters.worker_world import World, environment, start, until
from tests.standins.l1c import l1c_zip


def test_a_message_becomes_a_complete_l2a_folder_and_is_deleted(world: World) -> None:
    world.stage()
    assert world.run() == DONE
    record = world.record
    assert record.state is State.CORRECTED
    assert record.processor == "Sen2Cor 02.12.03"
    assert ProductName.parse(record.l2a).acquisition == world.product.acquisition
    assert record.seconds["correct"] > 0
    assert record.peak_memory > 1_000_000
    assert record.peak_disk > 10_000
    assert record.progress is None
    members = world.l2a()
    assert MANIFEST in members
    layers = sorted(name.split("_")[-2] for name in members if "/IMG_DATA/R20m/" in name)
    assert layers == sorted((*ICE_BANDS, "SCL", "AOT", "WVP"))
    assert not [name for name in members if name.startswith("HTML/")]
    assert world.services.store.info(staged_zip(world.product)) is None
    assert world.waiting() == 0
    assert world.leftovers() == []
    assert not world.lock_is_there()


def test_everything_is_kept_where_that_is_wanted(world: World) -> None:
    world.stage()
    assert world.run(keep="all") == DONE
    members = world.l2a()
    assert "HTML/UserProduct_index.html" in members
    assert len([name for name in members if name.endswith("_20m.jp2")]) >= 14


def test_an_area_may_keep_everything(world: World) -> None:
    area = {"name": "a", "tiles": ["22WEV"], "keep": "all"}
    world.services.store.write(WATCHLIST, json.dumps({"version": 1, "areas": [area]}).encode())
    try:
        world.stage()
        assert world.run() == DONE
    finally:
        world.services.store.delete(WATCHLIST)
    assert "HTML/UserProduct_index.html" in world.l2a()


def test_every_blob_carries_its_type_and_its_md5(world: World, azurite: str) -> None:
    world.stage()
    world.run()
    folder = l2a_folder(ProductName.parse(world.record.l2a))
    with BlobServiceClient.from_connection_string(azurite) as service:
        blobs = list(service.get_container_client(L2A).list_blobs(name_starts_with=f"{folder.name}/"))
        assert len(blobs) == len(world.l2a())
        types = {"jp2": "image/jp2", "json": "application/json"}
        for blob in blobs:
            body = service.get_blob_client(L2A, blob.name).download_blob().readall()
            stated = bytes(blob.content_settings.content_md5 or b"")
            assert stated == hashlib.md5(body, usedforsecurity=False).digest(), blob.name
            expected = types.get(blob.name.rpartition(".")[2], "application/xml")
            assert blob.content_settings.content_type == expected, blob.name


def test_no_message_is_no_work(world: World) -> None:
    assert world.run() == DONE


def test_a_second_delivery_of_a_finished_product_ends_at_once(world: World) -> None:
    world.stage()
    world.run()
    first = world.record
    world.send()
    started = time.monotonic()
    assert world.run("hang", time_limit=60.0) == DONE
    assert time.monotonic() - started < 5
    assert world.record == first
    assert world.waiting() == 0


def test_an_area_that_wants_the_approximate_correction_gets_it_although_sen2cor_is_there(world: World) -> None:
    area = {"name": "a", "tiles": ["22WEV"], "correction": "approximate"}
    world.services.store.write(WATCHLIST, json.dumps({"version": 1, "areas": [area]}).encode())
    try:
        world.stage()
        world.run("crash")  # what the stand-in for Sen2Cor would do
    finally:
        world.services.store.delete(WATCHLIST)
    # The approximate processor's own words about the stand-in's thin metadata; the other would have crashed.
    assert "MTD_MSIL1C.xml" in world.record.reason
    assert "has no PROCESSING_LEVEL" in world.record.reason


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>busy</html>", "no complete zip file"),
        (l1c_zip()[:4000], "no complete zip file"),
        ("climbing", "would leave its folder"),
    ],
    ids=["no-zip", "cut", "climbing"],
)
def test_a_bad_zip_fails_with_its_reason_and_writes_nothing(world: World, body: bytes | str, reason: str) -> None:
    evil = l1c_zip(world.product, also={f"{world.product.safe}/../../../evil": b"evil"})
    world.stage(evil if isinstance(body, str) else body)
    assert world.run() == DONE
    assert world.record.state is State.FAILED
    assert reason in world.record.reason
    assert world.leftovers() == []
    assert not list(world.tmp_path.rglob("evil"))


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        '{"version":1}',
        '{"version":2,"product":"S2A_MSIL1C_20190716T151911_N0208_R068_T22WEV_20190716T184612"}',
        '{"version":1,"product":"../../etc/passwd"}',
        '{"version":1,"product":"S2A_MSIL2A_20190716T151911_N0208_R068_T22WEV_20190716T184612"}',
        '{"version":1,"product":"S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807"}',
    ],
)
def test_a_malformed_message_goes_to_the_poison_queue_and_the_ledger_says_why(world: World, text: str) -> None:
    world.send(text)
    assert world.run() == DONE
    assert world.waiting() == 0
    assert world.poisoned(text)
    refused = [record for record in world.services.ledger.records(REFUSED) if record.message == text]
    assert [record.state for record in refused] == [State.FAILED]
    assert "CorrectionMessage" in refused[0].reason


def test_a_product_with_a_long_name_is_refused_with_a_sentence(world: World) -> None:
    name = "S2A_OPER_PRD_MSIL1C_PDMC_20161013T075059_R111_V20161012T161812_20161012T161807"
    text = json.dumps({"version": 1, "product": name})
    world.send(text)
    assert world.run() == DONE
    assert world.poisoned(text)
    [refused] = [record for record in world.services.ledger.records(REFUSED) if record.message == text]
    assert "before 2016-12-06" in refused.reason


def test_too_little_disk_is_said_before_anything_is_unpacked_and_may_pass(world: World) -> None:
    world.stage()
    assert world.run(scratch_bytes=10 * 1024**2) == AGAIN
    assert world.record.state is State.STAGED
    assert "MiB of disk to be corrected; it may fill 10" in world.record.error
    assert world.leftovers() == []


def test_trouble_that_may_pass_brings_the_message_back_after_a_delay(world: World) -> None:
    world.stage()
    assert world.run("disk", visibility=6) == AGAIN
    after = world.record
    assert after.state is State.STAGED
    assert "disk was full" in after.error
    assert world.queue.receive_message(visibility_timeout=1) is None, "not at once"
    until(world.queue.peek_messages)
    assert world.run(visibility=2) == DONE
    assert world.record.state is State.CORRECTED
    assert world.record.error == ""


def test_trouble_on_the_last_try_goes_to_the_poison_queue_with_the_last_error(world: World) -> None:
    world.stage()
    assert world.run("disk", max_tries=1) == DONE
    assert world.record.state is State.FAILED
    assert "gave up after 1 tries" in world.record.reason
    assert "disk was full" in world.record.reason
    assert world.poisoned(CorrectionMessage(product=str(world.product)).encode())
    assert world.waiting() == 0


def test_a_message_that_kills_its_worker_every_time_ends_in_the_poison_queue(world: World) -> None:
    world.stage()
    for _ in range(2):  # workers that died with the message in hand
        assert world.queue.receive_message(visibility_timeout=1) is not None
        time.sleep(1.2)
    assert world.run(max_tries=2) == DONE
    assert world.record.state is State.FAILED
    assert "without a word" in world.record.reason
    assert world.poisoned(CorrectionMessage(product=str(world.product)).encode())


def test_a_ledger_row_that_somebody_broke_does_not_keep_the_message_going_round(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(partition: str, name: str) -> Record:
        raise BadName(f"The ledger row {partition}/{name} does not parse.")

    world.stage()
    monkeypatch.setattr(world.services.ledger, "get", broken)
    assert world.run(max_tries=1) == DONE
    assert world.poisoned(CorrectionMessage(product=str(world.product)).encode())
    assert world.waiting() == 0


def test_one_delivery_too_many_of_a_finished_product_harms_nothing(world: World) -> None:
    world.stage()
    world.run()
    world.send()
    world.queue.receive_message(visibility_timeout=1)
    time.sleep(1.2)
    assert world.run(max_tries=1) == DONE
    assert world.record.state is State.CORRECTED
    assert not world.poisoned(CorrectionMessage(product=str(world.product)).encode())


def test_the_command_corrects_one_product_and_exits(own: World) -> None:
    own.stage()
    process = start(environment(own, "succeed"))
    _, log = process.communicate(timeout=60)
    assert process.returncode == DONE, log
    assert own.record.state is State.CORRECTED
    assert str(own.product) in log
    assert "47 %" in log or "12 %" in log or "2 %" in log
    assert own.settings.storage.connection_string not in log


def test_a_setting_that_cannot_be_used_is_one_sentence_and_takes_no_message(own: World) -> None:
    own.stage()
    process = start(environment(own, "succeed", SEN2COR_COMMAND="/no/such/program"))
    _, log = process.communicate(timeout=60)
    assert process.returncode == MISCONFIGURED
    assert "SEN2COR_COMMAND is '/no/such/program'" in log
    assert "Traceback" not in log
    message = own.queue.receive_message(visibility_timeout=5)
    assert message is not None
    assert message.dequeue_count == 1
