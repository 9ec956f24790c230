"""The true-colour picture of a product's page."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from starlette.testclient import TestClient

from shared.models import MANIFEST, l2a_folder
from tests.api.conftest import L1C, World, a_record
from tests.small_l2a import PRODUCT

ADDRESS = f"/products/{L1C}/true-colour.jpg"


def decoded(world: World) -> int:
    return sum(1 for method, path, *_ in world.store.calls if method == "list" and path == l2a_folder(PRODUCT))


def test_it_is_made_once_however_many_ask_at_a_time(world: World, client: TestClient):
    with ThreadPoolExecutor(4) as pool:
        pictures = {answer.content for answer in pool.map(client.get, [ADDRESS] * 4)}
    assert len(pictures) == 1
    assert pictures.pop().startswith(b"\xff\xd8\xff")
    assert decoded(world) == 1


def test_it_is_made_anew_for_a_product_that_was_corrected_anew(world: World, client: TestClient):
    manifest = l2a_folder(PRODUCT) / MANIFEST
    for _ in range(2):
        assert client.get(ADDRESS).status_code == 200
        world.store.write(manifest, world.store.read(manifest))
    assert decoded(world) == 2


def test_there_is_none_of_what_was_never_corrected(busy: World):
    answer = busy.client().get(f"/products/{a_record(9).name}/true-colour.jpg")
    assert answer.status_code == 404
    assert f"{a_record(9).name} is not corrected." in answer.text


def test_it_is_not_found_where_the_product_is_kept_no_more(world: World, client: TestClient):
    world.store.delete(l2a_folder(PRODUCT) / MANIFEST)
    assert client.get(ADDRESS).status_code == 404
