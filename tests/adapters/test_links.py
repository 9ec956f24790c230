"""Links open one blob, for one purpose, for a while; and a blob is replaced only by who has seen it (Azurite)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest
from azure.storage.blob import BlobServiceClient, UserDelegationKey

from shared.adapters.account import Account
from shared.adapters.blobs import AzureBlobs
from shared.adapters.links import AzureLinks
from shared.errors import Changed
from shared.models import BlobPath
from shared.settings import Storage


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(scope="module")
def service(azurite: str) -> Iterator[BlobServiceClient]:
    with Account(Storage(azurite)).blobs() as client:
        yield client


@pytest.fixture
def links(service: BlobServiceClient) -> AzureLinks:
    return AzureLinks(service, now)


@pytest.fixture
def path(service: BlobServiceClient) -> BlobPath:
    found = BlobPath(f"links-{uuid4().hex[:8]}", "22WEV/a file.tif")
    AzureBlobs(service).write(found, b"content")
    return found


def status(method: str, address: str, **options: Any) -> int:
    with httpx.Client(trust_env=False) as client:
        return client.request(method, address, **options).status_code


def test_a_link_reads_its_blob_and_nothing_else(links: AzureLinks, path: BlobPath):
    address = links.read(path, until=now() + timedelta(minutes=5))
    assert httpx.get(address, trust_env=False).content == b"content"
    assert status("GET", address.replace("file.tif", "other.tif")) == 403
    assert status("DELETE", address) == 403
    assert status("PUT", address, content=b"x", headers={"x-ms-blob-type": "BlockBlob"}) == 403


def test_a_link_ends(links: AzureLinks, path: BlobPath):
    assert status("GET", links.read(path, until=now() - timedelta(minutes=1))) == 403


def test_an_upload_link_makes_its_blob_in_a_container_that_was_not_there(links: AzureLinks, service: BlobServiceClient):
    path = BlobPath(f"links-{uuid4().hex[:8]}", "product.zip")
    address = links.upload(path, until=now() + timedelta(minutes=5))
    assert status("PUT", address, content=b"zip", headers={"x-ms-blob-type": "BlockBlob"}) == 201
    assert AzureBlobs(service).read(path) == b"zip"
    assert status("GET", address) == 403


class ByIdentity:
    """What a service client with a managed identity offers, as far as links use it."""

    account_name, credential = "test", object()

    def __init__(self) -> None:
        self.asked = 0

    def get_user_delegation_key(self, begin: datetime, end: datetime) -> UserDelegationKey:
        self.asked += 1
        key: Any = UserDelegationKey()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        key.signed_oid = key.signed_tid = "00000000-0000-0000-0000-000000000000"
        key.signed_start, key.signed_expiry = (f"{at:%Y-%m-%dT%H:%M:%SZ}" for at in (begin, end))
        key.signed_service, key.signed_version, key.value = "b", "2023-11-03", "a2V5"
        return key

    def get_blob_client(self, container: str, name: str) -> object:
        return type("Client", (), {"url": f"https://test.blob.core.windows.net/{container}/{name}"})


def test_with_a_managed_identity_links_are_signed_by_one_delegated_key_a_day():
    service = ByIdentity()
    links = AzureLinks(service, now)  # type: ignore[arg-type]
    path = BlobPath("surface", "a.tif")
    addresses = [links.read(path, until=now() + timedelta(hours=1)) for _ in range(3)]
    assert all("skoid=" in address and "sp=r" in address for address in addresses)
    assert service.asked == 1
    links.read(path, until=now() + timedelta(hours=30))
    assert service.asked == 2


@pytest.mark.parametrize("seen", [None, '"another"'])
def test_who_has_not_seen_a_blob_does_not_replace_it(service: BlobServiceClient, path: BlobPath, seen: str | None):
    store = AzureBlobs(service)
    with pytest.raises(Changed, match="since it was read"):
        store.replace(path, b"new", etag=seen, content_type="text/plain")
    assert store.read(path) == b"content"


def test_who_has_seen_a_blob_replaces_it_once(service: BlobServiceClient, path: BlobPath):
    store = AzureBlobs(service)
    before = store.info(path)
    assert before is not None
    after = store.replace(path, b"new", etag=before.etag, content_type="text/plain")
    written = store.info(path)
    assert written is not None
    assert written.etag == after
    with pytest.raises(Changed):
        store.replace(path, b"newer", etag=before.etag, content_type="text/plain")


def test_what_is_gone_is_not_replaced_but_may_be_made(service: BlobServiceClient, path: BlobPath):
    store, gone = AzureBlobs(service), BlobPath(f"links-{uuid4().hex[:8]}", "new")
    with pytest.raises(Changed):
        store.replace(BlobPath(path.container, "gone"), b"x", etag='"seen"', content_type="text/plain")
    store.replace(gone, b"first", etag=None, content_type="text/plain")
    assert store.read(gone) == b"first"
