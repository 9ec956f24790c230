"""Wiring: cheap to import, built once per settings, and the only place that knows the environment."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest

from shared.adapters.account import Account, expanded
from shared.adapters.models import SHIPPED
from shared.errors import BadSetting
from shared.safe import ICE_BANDS
from shared.settings import STORAGE, Settings, Storage
from shared.wiring import Services, services
from tests.conftest import ROOT

NOBODY = (
    "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=a2V5;BlobEndpoint=http://127.0.0.1:9/a;"
    "QueueEndpoint=http://127.0.0.1:9/a;TableEndpoint=http://127.0.0.1:9/a;"
)
IDENTITY = Storage(
    "", "https://a.blob.core.windows.net", "https://a.queue.core.windows.net", "https://a.table.core.windows.net"
)

IDENTITIES = [("", "DefaultAzureCredential"), ("0000-1111", "ManagedIdentityCredential")]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv(STORAGE, NOBODY)
    return monkeypatch


def test_importing_it_loads_no_heavy_library() -> None:
    program = (
        "import sys, shared.wiring\n"
        "heavy = {'azure', 'httpx', 'rasterio', 'numpy', 'sklearn', 'numba', 'pydantic', 'requests'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_the_same_environment_gives_the_same_services_and_another_gives_others(
    environment: pytest.MonkeyPatch,
) -> None:
    first = services()
    assert services() is first
    environment.setenv("COPERNICUS_USER", "someone")
    second = services()
    assert second is not first
    assert second.settings.copernicus.user == "someone"
    environment.delenv("COPERNICUS_USER")
    assert services() is first


def test_an_environment_that_cannot_be_used_is_refused_with_a_sentence(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("RESOLUTION", "10")
    with pytest.raises(BadSetting, match="RESOLUTION is '10'"):
        services()


def test_every_part_is_built_once(environment: pytest.MonkeyPatch) -> None:
    outside = Services(Settings.from_env({STORAGE: NOBODY}))
    assert outside.store is outside.store
    assert outside.queues is outside.queues
    assert outside.ledger is outside.ledger
    assert outside.catalogue is outside.catalogue
    assert outside.surface_tools is outside.surface_tools
    outside.close()


def test_what_was_closed_is_built_anew(environment: pytest.MonkeyPatch) -> None:
    outside = Services(Settings.from_env({STORAGE: NOBODY}))
    before = outside.store
    outside.close()
    assert outside.store is not before
    outside.close()


@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no classifier has been trained yet")
def test_the_shipped_classifier_is_read_once(environment: pytest.MonkeyPatch) -> None:
    outside = Services(Settings.from_env({STORAGE: NOBODY}))
    assert outside.load_classifier() is outside.load_classifier()
    assert set(outside.load_classifier().bands) <= set(ICE_BANDS)


def test_the_clock_says_utc(environment: pytest.MonkeyPatch) -> None:
    assert services().clock().utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "text", ["UseDevelopmentStorage=true", "usedevelopmentstorage=TRUE;", " UseDevelopmentStorage = true ; "]
)
def test_development_storage_is_the_emulator_on_its_usual_ports(text: str) -> None:
    account = Account(Storage(text))
    with account.blobs() as blobs, account.queues() as queues, account.tables() as tables:
        assert blobs.url.rstrip("/") == "http://127.0.0.1:10000/devstoreaccount1"
        assert queues.url.rstrip("/") == "http://127.0.0.1:10001/devstoreaccount1"
        assert tables.url.rstrip("/") == "http://127.0.0.1:10002/devstoreaccount1"


def test_any_other_connection_string_stays_as_it_is() -> None:
    assert expanded(NOBODY) == NOBODY


@pytest.mark.parametrize("text", ["secret", "AccountName=secret", "secret=;;"])
def test_what_is_no_connection_string_is_refused_without_showing_it(text: str) -> None:
    account = Account(Storage(text))
    for build in (account.blobs, account.queues, account.tables):
        with pytest.raises(BadSetting, match="is no connection string of a storage account") as caught:
            build()
        assert "secret" not in str(caught.value)
        assert caught.value.__cause__ is None


@pytest.mark.parametrize(("client_id", "kind"), IDENTITIES)
def test_without_a_connection_string_an_identity_is_used(client_id: str, kind: str) -> None:
    account = Account(Storage("", IDENTITY.blob_uri, IDENTITY.queue_uri, IDENTITY.table_uri, client_id))
    with account.blobs() as blobs, account.queues() as queues, account.tables() as tables:
        assert (blobs.url.rstrip("/"), queues.url.rstrip("/"), tables.url.rstrip("/")) == (
            IDENTITY.blob_uri,
            IDENTITY.queue_uri,
            IDENTITY.table_uri,
        )
        assert type(blobs.credential).__name__ == kind
