"""Queue messages: what decodes, and what is refused with which sentence."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import BadMessage
from shared.messages import (
    MAX_BYTES,
    QUEUES,
    ClassificationMessage,
    CorrectionMessage,
    Message,
    ProductMessage,
    TileMonthMessage,
    poison_of,
)
from shared.models import Checksum, Level, Product, ProductName, Tile, TileMonth
from tests.fakes import NOON
from tests.unit.test_models import L2A, NAME, PRODUCTS, TILES

MONTH: dict[str, Any] = {"version": 1, "tile": "22WEV", "month": "2024-07"}
PRODUCT: dict[str, Any] = {"version": 1, "product": NAME, "id": "0ee5de89-fadb-496b-b295-82fb9ae110c5"}
DIGESTS = st.builds(
    Checksum,
    algorithm=st.sampled_from(["MD5", "BLAKE3", "SHA3-256"]),
    value=st.binary(min_size=16, max_size=64).map(bytes.hex),
)


@given(TILES, st.integers(2015, 2099), st.integers(1, 12), st.booleans())
def test_a_tile_month_survives_the_queue(tile: Tile, year: int, month: int, backfill: bool) -> None:
    asked = TileMonth(tile, year, month)
    message = TileMonthMessage.decode(TileMonthMessage.of(asked, backfill=backfill).encode())
    assert (message.value(), message.backfill) == (asked, backfill)


@given(PRODUCTS.filter(lambda product: product.level is Level.L1C), st.lists(DIGESTS, max_size=3), st.integers(0))
def test_a_product_survives_the_queue(name: ProductName, digests: list[Checksum], size: int) -> None:
    product = Product("0ee5-de89", name, size, tuple(digests), NOON, online=True, cloud_cover=None)
    message = ProductMessage.decode(ProductMessage.of(product, backfill=True).encode().encode())
    assert (message.name(), message.digests(), message.size) == (name, tuple(digests), size)
    assert (message.id, message.backfill) == ("0ee5-de89", True)


@given(PRODUCTS)
def test_a_correction_takes_l1c_and_a_classification_takes_l2a(name: ProductName) -> None:
    fits, other = (
        (CorrectionMessage, ClassificationMessage)
        if name.level is Level.L1C
        else (ClassificationMessage, CorrectionMessage)
    )
    assert fits.decode(fits(product=f"{name}.SAFE").encode()).name() == name
    with pytest.raises(BadMessage, match=f"is {name.level}, this step takes"):
        other.decode(json.dumps({"version": 1, "product": str(name)}))


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        (TileMonthMessage, "", "Invalid JSON"),
        (TileMonthMessage, "tile 22WEV", "Invalid JSON"),
        (TileMonthMessage, b"\xff\xfe\x00", "Invalid JSON"),
        (TileMonthMessage, "[]", "the whole message"),
        (TileMonthMessage, "null", "the whole message"),
        (TileMonthMessage, "[" * 10_000, "JSON"),
        (TileMonthMessage, MONTH | {"version": 2}, "version"),
        (TileMonthMessage, MONTH | {"tile": "22WEW"}, "'22WEW' is no Sentinel-2 tile"),
        (TileMonthMessage, MONTH | {"month": "2024-13"}, "'2024-13' is no month"),
        (TileMonthMessage, MONTH | {"month": "2014-01"}, "flies since 2015-06"),
        (TileMonthMessage, MONTH | {"tile": 7}, "tile"),
        (TileMonthMessage, MONTH | {"extra": 1}, "extra"),
        (TileMonthMessage, {"version": 1, "tile": "22WEV"}, "month: Field required"),
        (ProductMessage, PRODUCT | {"product": "S2B"}, "is no Sentinel-2 product name"),
        (CorrectionMessage, {"version": 1, "product": L2A}, "this step takes L1C"),
        (ProductMessage, PRODUCT | {"id": ""}, "id"),
        (ProductMessage, PRODUCT | {"id": "../x"}, "id"),
        (ProductMessage, PRODUCT | {"id": "x\n"}, "id"),
        (ProductMessage, PRODUCT | {"size": -1}, "size"),
        (ProductMessage, PRODUCT | {"checksums": [{"algorithm": "MD5", "value": "xyz"}]}, "checksums.0.value"),
        (ProductMessage, PRODUCT | {"checksums": [{}]}, "checksums.0.algorithm"),
        (ClassificationMessage, {"version": 1, "product": L2A, "because": "x" * 201}, "because"),
    ],
)
def test_what_is_no_message_is_refused_with_the_place_and_the_reason(kind: type[Message], body: Any, says: str) -> None:
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    with pytest.raises(BadMessage) as caught:
        kind.decode(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 500
    assert str(caught.value).isprintable()


def test_a_message_longer_than_a_queue_takes_is_not_even_parsed() -> None:
    with pytest.raises(BadMessage, match=f"{MAX_BYTES + 1} bytes long"):
        TileMonthMessage.decode(b" " * (MAX_BYTES + 1))


@given(st.binary(max_size=200), st.sampled_from(list(QUEUES.values())))
def test_any_bytes_decode_or_are_refused(body: bytes, kind: type[Message]) -> None:
    with pytest.raises(BadMessage):
        kind.decode(body)


def test_every_message_says_its_version() -> None:
    assert json.loads(TileMonthMessage(tile="22WEV", month="2024-07").encode())["version"] == 1


def test_every_queue_has_its_poison_queue() -> None:
    assert [poison_of(queue) for queue in QUEUES] == [
        "tile-months-poison",
        "products-poison",
        "corrections-poison",
        "classifications-poison",
    ]
