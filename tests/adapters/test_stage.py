"""stage with the real adapters, between a simulated Copernicus that misbehaves and a real Azurite."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from azure.data.tables import TableServiceClient

from local.copernicus import (
    Forbidden,
    Harmless,
    NoChecksum,
    SimulatedCopernicus,
    TooManyRequests,
    Truncate,
    Unavailable,
    WrongChecksum,
)
from local.copernicus.faults import Kind
from local.scenes import SceneSpec, build_scene
from shared.adapters.cdse_sessions import SESSION
from shared.errors import ProviderUnavailable
from shared.messages import CORRECTIONS, PRODUCTS, TILE_MONTHS, ProductMessage
from shared.models import ProductName, State, TileMonth, staged_zip
from shared.pipeline.stage import Following, stage
from shared.records import Record
from shared.settings import STORAGE, Settings
from shared.wiring import Services

NAME = ProductName.parse("S2A_MSIL1C_20210702T150911_N0511_R025_T31XFF_20240612T101500")


class Intake:
    """One product on offer, and the services of one instance of the app."""

    def __init__(self, copernicus: SimulatedCopernicus, outside: Services) -> None:
        self.copernicus, self.outside = copernicus, outside

    def listed(self) -> ProductMessage:
        """The message that discover would send now."""
        [product] = self.outside.catalogue.search(TileMonth(NAME.tile, 2021, 7))
        return ProductMessage.of(product)

    def run(self, message: ProductMessage | None = None) -> list[Following]:
        return stage(
            message or self.listed(),
            catalogue=self.outside.catalogue,
            store=self.outside.store,
            ledger=self.outside.ledger,
            clock=self.outside.clock,
            intake=self.outside.intake,
        )

    @property
    def record(self) -> Record:
        record = self.outside.ledger.get(NAME.tile.name, str(NAME))
        assert record is not None
        return record

    @property
    def staged(self) -> bool:
        return self.outside.store.info(staged_zip(NAME)) is not None


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_scene(SceneSpec(NAME, seed=1, size=60, cloud=0.05), tmp_path_factory.mktemp("scene")).zip


@pytest.fixture
def intake(azurite: str, archive: Path) -> Iterator[Intake]:
    with SimulatedCopernicus() as copernicus:
        copernicus.publish(archive)
        outside = Services(Settings.from_env({STORAGE: azurite, **copernicus.environment()}))
        yield Intake(copernicus, outside)
        outside.store.delete(staged_zip(NAME))
        outside.store.delete(SESSION)  # the next Copernicus does not know it
        outside.close()
    with TableServiceClient.from_connection_string(azurite) as tables:
        tables.get_table_client("products").delete_entity(NAME.tile.name, str(NAME))


def test_a_product_arrives_byte_by_byte_as_it_was_offered(intake, archive):
    assert [following.queue for following in intake.run()] == [CORRECTIONS]
    assert intake.outside.store.read(staged_zip(NAME)) == archive.read_bytes()
    assert intake.record.state is State.STAGED
    assert intake.record.checksum.startswith("MD5:")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (Truncate(share=0.7), "bytes"),
        (Unavailable(kind=Kind.DOWNLOAD), "503"),
    ],
    ids=["cut short", "503"],
)
def test_trouble_that_may_pass_shows_nothing_and_the_next_try_succeeds(intake, fault: Harmless, says):
    message = intake.listed()
    intake.copernicus.inject(fault)
    with pytest.raises(ProviderUnavailable, match=says):
        intake.run(message)
    assert not intake.staged
    assert (intake.record.state, intake.record.attempts) == (State.DISCOVERED, {"stage": 1})
    intake.run(message)
    assert intake.record.state is State.STAGED


def test_a_429_is_waited_for_as_long_as_it_says(intake):
    message = intake.listed()
    intake.copernicus.inject(TooManyRequests(retry_after="777"))
    [following] = intake.run(message)
    assert (following.queue, following.delay >= 777) == (PRODUCTS, True)
    assert (intake.record.state, intake.record.attempts) == (State.DISCOVERED, {})
    assert "429" in intake.record.error
    assert not intake.staged


def test_a_403_ends_it_with_one_request(intake):
    message = intake.listed()
    intake.copernicus.inject(Forbidden(), times=5)
    assert intake.run(message) == []
    assert intake.record.state is State.FAILED
    assert "403" in intake.record.reason
    assert intake.copernicus.requests[Kind.DOWNLOAD] == 1


def test_a_checksum_that_is_wrong_right_after_publication_is_read_again(intake):
    intake.copernicus.inject(WrongChecksum())
    message = intake.listed()
    assert [following.queue for following in intake.run(message)] == [CORRECTIONS]
    assert intake.record.checksum != f"MD5:{message.checksums[0].value}"
    assert intake.copernicus.requests[Kind.DOWNLOAD] == 1


def test_a_checksum_that_stays_wrong_shows_nothing(intake):
    intake.copernicus.inject(WrongChecksum(), times=2)
    with pytest.raises(ProviderUnavailable, match="MD5"):
        intake.run()
    assert not intake.staged


def test_a_product_without_checksum_is_accepted_and_the_ledger_says_how(intake):
    intake.copernicus.inject(NoChecksum())
    intake.run()
    assert intake.record.state is State.STAGED
    assert "none stated" in intake.record.checksum


def test_a_product_that_was_deleted_fails_and_its_month_is_searched_again(intake):
    message = intake.listed()
    intake.copernicus.withdraw(NAME)
    assert [(following.queue, following.delay) for following in intake.run(message)] == [(TILE_MONTHS, 0)]
    assert intake.record.state is State.FAILED
    assert "404" in intake.record.reason


def test_a_product_that_went_to_the_archive_is_offline_and_no_failure(intake):
    message = intake.listed()
    intake.copernicus.set_online(NAME, online=False)
    assert intake.run(message) == []
    assert intake.record.state is State.OFFLINE


def test_an_expired_token_costs_one_more_request_and_no_try(intake):
    message = intake.listed()
    intake.run(message)
    intake.outside.store.delete(staged_zip(NAME))
    intake.copernicus.expire_tokens()
    intake.run(message)
    assert intake.staged
    assert intake.record.attempts == {}


def test_bytes_are_counted_against_the_budget_of_all_instances(intake):
    full = replace(intake.outside.intake, limits=replace(intake.outside.intake.limits, most_bytes=0))
    intake.outside.__dict__["intake"] = full
    [following] = intake.run()
    assert (following.queue, following.delay >= 3600) == (PRODUCTS, True)
    assert "bytes of 30 days are used" in intake.record.error
    assert intake.copernicus.requests[Kind.DOWNLOAD] == 0
