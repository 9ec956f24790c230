"""What the adapter tests share: one real Azurite for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from azure.core.exceptions import ResourceExistsError

from local.azurite import Azurite
from local.copernicus import Paging, SimulatedCopernicus
from shared.adapters.cdse import Cdse
from shared.messages import CORRECTIONS
from tests.adapters.cdse_provider import SETTINGS, Provider, Wire
from tests.adapters.worker_world import World


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a real Azurite, started once; tests use container and queue names of their own."""
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running.connection_string


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def cdse(provider: Provider) -> Iterator[Cdse]:
    found = Cdse(SETTINGS, transport=Wire(provider))
    yield found
    found.close()


@pytest.fixture
def world(azurite: str, tmp_path: Path) -> Iterator[World]:
    made = World(azurite, tmp_path)
    yield made
    made.close()


@pytest.fixture
def own(world: World) -> World:
    """A world whose queue is the one that ``python -m container.run`` reads."""
    world.queue.delete_queue()
    world.queue.close()
    world.queue = world.services.queue_client(CORRECTIONS)
    with suppress(ResourceExistsError):  # by a request of ours whose answer came too late
        world.queue.create_queue()
    return world


@pytest.fixture(scope="module")
def whole() -> Iterator[SimulatedCopernicus]:
    with SimulatedCopernicus() as running:
        yield running


@pytest.fixture(scope="module")
def paged() -> Iterator[SimulatedCopernicus]:
    """Two entries on a page."""
    with SimulatedCopernicus(paging=Paging(size=2)) as running:
        yield running
