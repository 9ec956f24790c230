"""A real Chromium for the tests, and what checks its pages.

Chromium is Debian's package: where it is missing and the tests run as root with apt-get, as in a container of CI, it is
installed; elsewhere the tests that need it are skipped and say so. Playwright drives it and downloads no browser.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.conftest import ROOT

SHOTS = ROOT / "out" / "browser"
DESK, PHONE = (1280, 900), (390, 844)  # pixels
_AXE = Path(__file__).parent / "axe_package"
_PATIENCE = 30_000  # milliseconds, for a machine that does much else
_NAMES = ("chromium", "chromium-browser", "google-chrome")


@cache
def chromium() -> str:
    """The path of Chromium; skips the test where there is none and none can be installed."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    if found is None and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        for order in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", "chromium"]):
            _run(["apt-get", *order], env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
        found = shutil.which("chromium")
    if found is None:
        pytest.skip("there is no Chromium on this machine; 'apt-get install chromium' as root brings it")
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    """A headless Chromium."""
    path = chromium()
    expect.set_options(timeout=_PATIENCE)
    with sync_playwright() as playwright:
        # Its sandbox needs rights that root in a container has not; it only sees pages of this project.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, size: tuple[int, int], *, dark: bool = False) -> Iterator[Page]:
    """A window of ``size`` pixels; afterwards nothing may have been written to its console."""
    context = browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme="dark" if dark else "light"
    )
    page, complaints = context.new_page(), list[str]()
    page.set_default_timeout(_PATIENCE)
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    context.close()
    assert complaints == [], complaints


def shot(page: Page, name: str) -> None:
    """Keep a picture of the whole page under ``out/browser``."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@cache
def axe() -> str:
    """The script of axe-core; skips the test where it can neither be found nor fetched."""
    script = _AXE / "node_modules" / "axe-core" / "axe.min.js"
    if not script.exists():
        path = os.pathsep.join([os.environ.get("PATH", ""), str(ROOT / ".venv" / "bin")])
        npm = shutil.which("npm", path=path)
        if npm is not None:
            _run([npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], env=os.environ | {"PATH": path}, cwd=_AXE)
    if not script.exists():
        pytest.skip("axe-core is not there and npm could not fetch it")
    return script.read_text("utf-8")


def barriers(page: Page, *rules: str) -> list[Any]:
    """What axe-core finds wrong for people who see, hear or move otherwise: rule and places; ``rules``: only these."""
    page.evaluate(axe())
    found = page.evaluate("rules => axe.run(rules.length ? {runOnly: {type: 'rule', values: rules}} : {})", list(rules))
    return [(rule["id"], [node["html"] for node in rule["nodes"]][:3]) for rule in found["violations"]]


def _run(order: list[str], **more: Any) -> None:
    """Try to install something; what comes of it is seen afterwards."""
    with suppress(subprocess.TimeoutExpired):
        subprocess.run(order, check=False, capture_output=True, timeout=200, **more)
