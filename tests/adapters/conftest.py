"""What the adapter tests share: one real Azurite for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.azurite import Azurite
from shared.adapters.cdse import Cdse
from tests.adapters.cdse_provider import SETTINGS, Provider, Wire


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
