"""Blob triggers of the one-machine host."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest
from azure.storage.blob import BlobServiceClient, ContainerClient
from azure.storage.queue import QueueClient
from azurefunctions.extensions.base import SdkType

from local.bindings import blob_pattern
from local.host import Host
from shared.errors import BadSetting, PermanentError
from tests.adapters.hosting import STORAGE, eventually, host_of, texts, unique


@pytest.fixture
def container(azurite: str) -> Iterator[ContainerClient]:
    with BlobServiceClient.from_connection_string(azurite) as service:
        yield service.create_container(unique("blobs"))


class Watching:
    """A host with one blob function that keeps what called it."""

    def __init__(
        self, azurite: str, folder: Path, container: ContainerClient, path: str = "{name}", **options: Any
    ) -> None:
        self.azurite, self.folder, self.options = azurite, folder, options
        self.name = unique("see").replace("-", "_")
        self.path = f"{container.container_name}/{path}"
        self.seen: list[str] = []

    def host(self) -> Host:
        app = func.FunctionApp()

        @app.function_name(self.name)
        @app.blob_trigger("blob", self.path, STORAGE, source=func.BlobSource.EVENT_GRID)
        def see(blob: func.InputStream) -> None:
            assert blob.name is not None
            self.seen.append(blob.name.partition("/")[2])

        return host_of(app, self.azurite, self.folder, **self.options)


def test_a_blob_that_was_there_before_and_one_that_comes_later_both_call(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    watching = Watching(azurite, tmp_path, container)
    container.upload_blob("early", b"1")
    with watching.host() as host:
        assert eventually(lambda: watching.seen == ["early"])
        container.upload_blob("folder/late", b"2")
        assert eventually(lambda: watching.seen == ["early", "folder/late"])
        assert host.wait_until_idle(60)
    assert watching.seen == ["early", "folder/late"]


def test_the_function_gets_name_address_length_and_the_body_on_request(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    app, seen = func.FunctionApp(), []

    @app.function_name(unique("read").replace("-", "_"))
    @app.blob_trigger("blob", f"{container.container_name}/{{name}}", STORAGE)
    def see(blob: func.InputStream) -> None:
        seen.append((blob.name, blob.length, blob.uri, blob.read(3), blob.read()))

    container.upload_blob("a b.txt", b"glacier")
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    [(name, length, uri, start, rest)] = seen
    assert (name, length, start, rest) == (f"{container.container_name}/a b.txt", 7, b"gla", b"cier")
    assert uri is not None
    assert uri.endswith(f"/{container.container_name}/a%20b.txt")


class Where(SdkType):  # type: ignore[misc]
    """An SDK type as functions define one."""

    def __init__(self, *, data: Any) -> None:
        self.told = json.loads(data.content)

    def get_sdk_type(self) -> Where:
        return self


def test_a_function_that_takes_an_sdk_type_gets_the_reference_the_real_host_sends(
    azurite: str, container: ContainerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azurefunctions.extensions.base import get_binding_registry

    class Converter:
        @classmethod
        def check_input_type_annotation(cls, pytype: type) -> bool:
            return issubclass(pytype, Where)

        @classmethod
        def decode(cls, data: Any, *, trigger_metadata: Any, pytype: type) -> Any:
            assert data.type == "model_binding_data"
            return pytype(data=data.value).get_sdk_type()

    monkeypatch.setitem(get_binding_registry()._bindings, "blobTrigger", Converter)
    app, seen = func.FunctionApp(), []

    @app.function_name(unique("where").replace("-", "_"))
    @app.blob_trigger("blob", f"{container.container_name}/{{name}}", STORAGE)
    def see(blob: Where) -> None:
        seen.append(blob.told)

    container.upload_blob("x", b"1")
    with host_of(app, azurite, tmp_path) as host:
        assert host.wait_until_idle(60)
    assert seen == [{"Connection": STORAGE, "ContainerName": container.container_name, "BlobName": "x"}]


def test_receipts_keep_a_blob_from_running_twice_across_a_restart(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    watching = Watching(azurite, tmp_path, container)
    container.upload_blob("once", b"1")
    container.upload_blob("replaced", b"1")
    with watching.host() as host:
        assert host.wait_until_idle(60)
    container.upload_blob("replaced", b"2", overwrite=True)
    with watching.host() as host:
        assert host.wait_until_idle(60)
    assert sorted(watching.seen) == ["once", "replaced", "replaced"]


def test_a_blob_replaced_while_the_host_runs_calls_again(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    watching = Watching(azurite, tmp_path, container)
    with watching.host() as host:
        for body in (b"1", b"2", b"3"):
            container.upload_blob("same", body, overwrite=True)
            assert host.wait_until_idle(60)
    assert watching.seen == ["same", "same", "same"]


def test_only_names_that_match_the_path_and_the_ending_call(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    watching = Watching(azurite, tmp_path, container, "in/{name}.zip")
    for name in ("in/a.zip", "in/deep/b.zip", "in/c.txt", "out/d.zip", "in/.zip"):
        container.upload_blob(name, b"")
    with watching.host() as host:
        assert host.wait_until_idle(60)
    assert sorted(watching.seen) == ["in/a.zip", "in/deep/b.zip"]


def test_an_ending_filters_as_event_grid_does_in_azure(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    watching = Watching(azurite, tmp_path, container)
    watching.options["blob_endings"] = {watching.name: "/manifest.safe"}
    for name in ("p.SAFE/GRANULE/B02.jp2", "p.SAFE/manifest.safe", "manifest.safe.txt"):
        container.upload_blob(name, b"")
    with watching.host() as host:
        assert host.wait_until_idle(60)
    assert watching.seen == ["p.SAFE/manifest.safe"]


def test_blobs_that_an_ending_lets_through_call_again_when_they_are_replaced(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    watching = Watching(azurite, tmp_path, container)
    watching.options["blob_endings"] = {watching.name: "/manifest.safe"}
    with watching.host():
        for times in (1, 2, 3):
            container.upload_blob("p.SAFE/manifest.safe", bytes(times), overwrite=True)
            assert eventually(lambda: len(watching.seen) == times)  # noqa: B023  # used before the next turn
        container.upload_blob("q.SAFE/manifest.safe", b"")
        assert eventually(lambda: watching.seen[-1] == "q.SAFE/manifest.safe")
    assert watching.seen == ["p.SAFE/manifest.safe"] * 3 + ["q.SAFE/manifest.safe"]


def test_a_blob_that_always_fails_goes_to_the_poison_queue_with_its_address(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    app, tries, name = func.FunctionApp(), [], unique("fail").replace("-", "_")

    @app.function_name(name)
    @app.blob_trigger("blob", f"{container.container_name}/{{name}}", STORAGE)
    def fail(blob: func.InputStream) -> None:
        tries.append(blob.name)
        raise PermanentError("The product has no band B04.")

    poison = QueueClient.from_connection_string(azurite, "webjobs-blobtrigger-poison")
    container.upload_blob("bad", b"1")
    with host_of(app, azurite, tmp_path, config={"blobs": {"poisonBlobThreshold": 3}}) as host:
        assert host.wait_until_idle(60)
        etag = container.get_blob_client("bad").get_blob_properties().etag
        buried = [message for message in map(json.loads, texts(poison)) if message["FunctionId"].endswith(name)]
        assert buried == [
            {
                "Type": "BlobTrigger",
                "FunctionId": f"Host.Functions.{name}",
                "BlobType": "BlockBlob",
                "ContainerName": container.container_name,
                "BlobName": "bad",
                "ETag": etag,
            }
        ]
    assert len(tries) == 3
    poison.clear_messages()


def test_a_blob_that_is_gone_before_its_turn_is_no_failure(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    watching = Watching(azurite, tmp_path, container)
    with watching.host() as host:
        message = {"FunctionId": f"Host.Functions.{watching.name}", "BlobName": "gone", "ETag": "0x1"}
        QueueClient.from_connection_string(azurite, "azure-webjobs-blobtrigger-icewatch").send_message(
            json.dumps(message)
        )
        assert host.wait_until_idle(60)
    assert watching.seen == []


def test_more_blobs_than_a_page_each_call_once(azurite: str, container: ContainerClient, tmp_path: Path) -> None:
    watching = Watching(azurite, tmp_path, container, config={"blobs": {"maxDegreeOfParallelism": 8}})
    for number in range(120):
        container.upload_blob(f"{number:03}", b"")
    with watching.host() as host:
        assert host.wait_until_idle(60)
    assert sorted(watching.seen) == [f"{number:03}" for number in range(120)]


def test_a_function_that_wants_the_whole_blob_as_bytes_is_refused(
    azurite: str, container: ContainerClient, tmp_path: Path
) -> None:
    app = func.FunctionApp()

    @app.blob_trigger("blob", f"{container.container_name}/{{name}}", STORAGE)
    def greedy(blob: bytes) -> None: ...

    with pytest.raises(BadSetting, match="Function greedy takes a blob as"):
        host_of(app, azurite, tmp_path).start()


@pytest.mark.parametrize(
    ("path", "prefix", "matches", "differs"),
    [
        ("", "", "any/thing", ""),
        ("{name}", "", "a/b", ""),
        ("in/{name}.{kind}", "in/", "in/a.b.c", "in/a"),
        ("a+b/{x}", "a+b/", "a+b/c", "aab/c"),
        ("fixed.json", "fixed.json", "fixed.json", "fixedxjson"),
    ],
)
def test_blob_paths_are_patterns_over_whole_names(path: str, prefix: str, matches: str, differs: str) -> None:
    found, pattern = blob_pattern(path)
    assert found == prefix
    assert pattern.fullmatch(matches)
    assert not pattern.fullmatch(differs)
