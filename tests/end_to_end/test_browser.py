"""A person at a real browser: signs in, finds what failed, repairs it, and sees it done."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO

import pytest
import uvicorn
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from local.copernicus import Forbidden
from local.scenes import SceneSpec, build_scene
from shared.messages import PRODUCTS, ProductMessage
from shared.models import ProductName, State, TileMonth
from shared.science.classes import SurfaceClass
from tests.end_to_end.browser import DESK, PHONE, barriers, browsing, shot, window
from tests.end_to_end.conftest import CLEAR, NO_OFFSET, Pipeline
from tests.fakes import FakeLedger
from tests.unit.pages_case import BROKEN, Pages, classified, some_records

TILE = "22WDV"
FORBIDDEN = f"S2A_MSIL1C_20210702T150911_N0511_R025_T{TILE}_20240612T101500"
SPLIT = "S2A_MSIL1C_20210702T150911_N0511_R025_T22WEV_20240612T101500"
KEY = "a-key-of-thirty-letters-and-more"
VIEWS = {
    "overview": "/",
    "calendar": "/tiles/22WEV/calendar?year=2021",
    "series": "/tiles/22WEV/series",
    "product": f"/products/{NO_OFFSET}",
    "failures": "/failures",
    "products": "/products",
}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as browser:
        yield browser


@pytest.fixture
def locked(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the pages over fakes, where a key is asked for."""
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.setenv("API_KEY", KEY)
    with _served(Pages(FakeLedger(some_records()))) as address:
        yield address


@contextmanager
def _served(pages: Pages) -> Iterator[str]:
    app = pages.app
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(5)


def test_who_knows_the_key_gets_in_and_may_give_orders(browser: Browser, locked: str):
    with window(browser, PHONE) as page:
        page.goto(f"{locked}/products/{BROKEN}")
        expect(page).to_have_title("Sign in · IceWatch")
        shot(page, "sign-in")
        assert barriers(page) == []
        page.get_by_label("Key").fill(KEY)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("failed")
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("status")).to_contain_text("It is put back")
        page.get_by_role("button", name="Sign out").click()
        expect(page).to_have_title("Sign in · IceWatch")


@dataclass(frozen=True, slots=True)
class Site:
    pipeline: Pipeline

    @property
    def address(self) -> str:
        return self.pipeline.host.http_address

    def state(self) -> State | None:
        """Of the product that was forbidden."""
        record = self.pipeline.outside.ledger.get(TILE, FORBIDDEN)
        return record.state if record else None


@pytest.fixture(scope="module")
def site(browser: Browser, pipeline: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Two classified products, and one of another tile, which no other test knows, whose download was forbidden."""
    for known in pipeline.outside.catalogue.search(TileMonth.parse("22WEV", "2021-07")):
        if str(known.name) in {CLEAR, NO_OFFSET}:
            pipeline.outside.queues.send(PRODUCTS, ProductMessage.of(known).encode())
    pipeline.until(lambda: pipeline.outside.ledger.get("22WEV", NO_OFFSET) is not None)
    pipeline.idle()
    assert all(pipeline.record("22WEV", name).state is State.CLASSIFIED for name in (CLEAR, NO_OFFSET))
    spec = SceneSpec(ProductName.parse(FORBIDDEN), seed=11, size=150, cloud=0.05)
    scene = build_scene(spec, tmp_path_factory.mktemp("forbidden"))
    pipeline.copernicus.publish(scene.zip, cloud_cover=scene.cloud_percent)
    (product,) = pipeline.outside.catalogue.search(TileMonth.parse(TILE, "2021-07"))
    pipeline.copernicus.inject(Forbidden(), times=1)
    pipeline.outside.queues.send(PRODUCTS, ProductMessage.of(product).encode())
    found = Site(pipeline)
    pipeline.until(lambda: found.state() is State.FAILED)
    return found


def test_from_the_overview_over_the_calendar_to_a_failed_product_and_its_repair(browser: Browser, site: Site):
    with window(browser, DESK) as page:
        page.goto(site.address)
        expect(page.get_by_role("link", name=f"1 product of {TILE} failed.")).to_be_visible()
        _all_pictures_show(page)
        shot(page, "1-overview")

        page.get_by_role("article").filter(has_text=TILE).get_by_role("link", name="Calendar", exact=True).click()
        failed = page.get_by_role("link", name=re.compile("02 July, S2A: failed. .*403"))
        failed.focus()
        shot(page, "2-calendar")
        page.keyboard.press("Enter")

        expect(page.get_by_text("Reason:")).to_be_visible()
        shot(page, "3-failed")
        page.get_by_role("button", name="Retry").click()
        expect(page.get_by_role("status")).to_contain_text("It is put back")
        shot(page, "4-put-back")

        site.pipeline.until(lambda: site.state() is State.CLASSIFIED)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_contain_text("classified")
        _all_pictures_show(page)
        shot(page, "5-done")

        page.goto(f"{site.address}/failures")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.get_by_text(FORBIDDEN)).to_have_count(0)


def _all_pictures_show(page: Page) -> None:
    for picture in page.get_by_role("img").all():
        picture.scroll_into_view_if_needed()
    page.wait_for_load_state("networkidle")
    assert page.evaluate("[...document.images].filter(i => !i.naturalWidth).map(i => i.src)") == []


def test_the_charts_are_drawn_and_can_be_saved(browser: Browser, site: Site):
    with window(browser, DESK) as page:
        page.goto(site.address + VIEWS["series"])
        expect(page.locator("canvas")).to_have_count(4)
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save albedo as PNG").click()
        picture = Image.open(BytesIO(saving.value.path().read_bytes()))
        assert saving.value.suggested_filename == "22WEV_albedo.png"
        assert len(picture.convert("RGB").getcolors(1_000_000) or []) > 10  # more than paper
        with page.expect_download() as saving:
            page.get_by_role("link", name="Download as CSV").click()
        assert NO_OFFSET in saving.value.path().read_text()


def test_a_chart_is_read_with_the_keyboard_alone(browser: Browser, site: Site):
    with window(browser, DESK) as page:
        page.goto(site.address + VIEWS["series"])
        page.get_by_role("group", name="Chart of albedo").focus()
        said = page.locator("#albedo-said")
        values = []
        for key in ("Home", "ArrowRight", "End"):
            page.keyboard.press(key)
            values.append(said.inner_text())
        assert "Albedo: 0." in values[0]
        assert "2021" in values[0]
        assert values[0] != values[1]
        for key in ("+", "-", "0"):
            page.keyboard.press(key)
        page.keyboard.press("Home")
        assert said.inner_text() == values[0]


def test_the_halves_of_a_split_granule_stand_side_by_side(browser: Browser, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.delenv("API_KEY", raising=False)
    other = SPLIT.replace("T101500", "T101600")
    halves = [
        classified(SPLIT, l2a=SPLIT, class_percent={"HA": 100.0}, usable_percent=48.0),
        classified(other, l2a=other, class_percent={"LA": 100.0}, usable_percent=12.0),
    ]
    with _served(Pages(FakeLedger(halves))) as address, window(browser, DESK) as page:
        page.goto(f"{address}/tiles/22WEV/series")
        expect(page.locator("canvas")).to_have_count(4)
        shot(page, "desk-halves")
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save classes as PNG").click()
        picture = Image.open(BytesIO(saving.value.path().read_bytes())).convert("RGB")
        row = [picture.getpixel((x, picture.height // 2)) for x in range(picture.width)]
        heavy, light = (row.count(surface.colour) for surface in (SurfaceClass.HEAVY_ALGAE, SurfaceClass.LIGHT_ALGAE))
        assert heavy == pytest.approx(light, abs=2)
        assert heavy > 3
        plot = page.locator("#usable .u-over")
        plot.scroll_into_view_if_needed()
        area = plot.bounding_box()
        assert area is not None
        told = set()
        for step in (-3, 3):
            page.mouse.move(area["x"] + area["width"] / 2 + step, area["y"] + 20)
            told.add(page.locator("#usable .u-legend .u-series").nth(1).inner_text().split()[-2])
        assert told == {"Usable48.0", "Usable12.0"}


def test_a_tile_without_a_classified_acquisition_has_a_series_without_errors(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AzureWebJobsStorage", "UseDevelopmentStorage=true")
    monkeypatch.delenv("API_KEY", raising=False)
    with _served(Pages(FakeLedger())) as address, window(browser, DESK) as page:
        page.goto(f"{address}/tiles/22WEV/series")
        expect(page.get_by_text("No acquisition is classified yet.")).to_be_visible()
        page.wait_for_load_state("networkidle")
        shot(page, "desk-empty-series")


def test_no_page_has_barriers(browser: Browser, site: Site):
    with window(browser, DESK) as page:
        for name, path in VIEWS.items():
            page.goto(site.address + path)
            if name in {"series", "failures", "products"}:  # the walk has pictures of the others
                shot(page, f"desk-{name}")
            assert barriers(page) == [], name


def test_every_page_fits_a_phone_and_is_readable_in_the_dark(browser: Browser, site: Site):
    with window(browser, PHONE, dark=True) as page:
        for name, path in VIEWS.items():
            page.goto(site.address + path)
            shot(page, f"phone-{name}")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0], name
            if name in {"overview", "calendar", "product"}:  # they hold all colours
                assert barriers(page, "color-contrast", "target-size") == [], name
