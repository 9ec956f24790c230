"""What the adapter tests share: one real Azurite for the whole session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.azurite import Azurite


@pytest.fixture(scope="session")
def azurite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The connection string of a real Azurite, started once; tests use container and queue names of their own."""
    with Azurite(tmp_path_factory.mktemp("azurite")) as running:
        yield running.connection_string
