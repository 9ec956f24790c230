"""Running the host until Ctrl-C, with the real or the simulated Copernicus."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import track

from local.copernicus import SimulatedCopernicus
from local.host import Host, endpoints_of
from local.processor import processors, sen2cor_settings
from local.scenes import Scene, SceneSpec, build_scene, demo_month
from shared.errors import BadSetting
from shared.logs import formatter, hush
from shared.models import WATCHLIST
from shared.wiring import services

# The six fields of NCRONTAB: second minute hour day month weekday, UTC.
SCHEDULES = {"SCHEDULE": "0 0 */6 * * *", "WATCH_SCHEDULE": "0 */15 * * * *"}
# In Azure, Event Grid subscriptions filter which blobs reach a function; here the host does.
BLOB_ENDINGS = {"classify": "/manifest.safe"}
MINIMUM_USABLE = 25.0  # percent; half of a split granule holds less than the usual 40 % of a tile
_SETTINGS_FILE = Path("local.settings.json")


def local_settings(env: Mapping[str, str]) -> dict[str, str]:
    """The app settings on one machine: defaults, then local.settings.json as Core Tools reads it, then ``env``."""
    values: dict[str, str] = {}
    if _SETTINGS_FILE.is_file():
        try:
            stated = json.loads(_SETTINGS_FILE.read_text("utf-8"))["Values"]
            values = {str(name): str(value) for name, value in stated.items()}
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            raise BadSetting(f"{_SETTINGS_FILE} does not parse; expected JSON with an object 'Values'.") from cause
    return SCHEDULES | values | dict(env)


def build_scenes(specs: list[SceneSpec], folder: Path, console: Console) -> list[Scene]:
    """Build the simulated scenes with a progress bar."""
    folder.mkdir(parents=True, exist_ok=True)
    return [
        build_scene(spec, folder) for spec in track(specs, description="Building simulated scenes", console=console)
    ]


@contextmanager
def simulated(scenes: list[Scene]) -> Iterator[dict[str, str]]:
    """A simulated Copernicus that offers ``scenes``; yields the settings that lead there."""
    with SimulatedCopernicus() as copernicus:
        for scene in scenes:
            copernicus.publish(scene.zip, cloud_cover=scene.cloud_percent)
        yield copernicus.environment()


def watching(specs: list[SceneSpec]) -> bytes:
    """A watchlist for the month of ``specs``."""
    first = specs[0].name
    area = {
        "name": "Simulated",
        "tiles": [first.tile.name],
        "months": [first.sensing.month],
        "since": f"{first.sensing:%Y-%m}-01",
        "until": f"{first.sensing:%Y-%m}-28",
        "minimum_usable": MINIMUM_USABLE,
    }
    return json.dumps({"version": 1, "areas": [area]}, indent=2).encode()


def log_to(file: Path) -> None:
    """Write everything that is logged, from INFO up, to ``file``."""
    file.parent.mkdir(parents=True, exist_ok=True)
    handler = logging.FileHandler(file, encoding="utf-8")
    text = "%(asctime)s %(levelname)s %(name)s %(message)s"
    handler.setFormatter(formatter(os.environ.get("LOG_FORMAT", ""), text))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    hush()


def serve(folder: Path, *, port: int, workers: int, simulate: bool, sen2cor: Path | None, console: Console) -> int:
    """Run the function app on this machine until Ctrl-C; returns the exit code.

    ``sen2cor`` is where Sen2Cor is, if not where the settings say; BadSetting where it is not there.
    """
    import function_app

    settings = local_settings(os.environ) | sen2cor_settings(sen2cor)
    corrections = processors(settings)
    if (other := endpoints_of(folder)) is not None:
        raise BadSetting(f"A host (process {other.pid}) runs on {folder} already; end it, or name another --folder.")
    log_to(folder / "icewatch.log")
    console.print(corrections, soft_wrap=True)
    logging.getLogger("icewatch").addHandler(RichHandler(console=console, show_path=False, markup=False))
    with ExitStack() as open_things:
        if simulate:
            scenes = build_scenes(demo_month(), folder / "scenes", console)
            settings |= open_things.enter_context(simulated(scenes))
        elif not settings.get("COPERNICUS_USER"):
            console.print(
                "COPERNICUS_USER and COPERNICUS_PASSWORD are not set: new products are found but not downloaded."
            )
        host = Host(
            function_app.app,
            settings,
            folder=folder,
            workers=workers,
            http_port=port,
            blob_endings=BLOB_ENDINGS,
        )
        with host:
            console.print(f"Listening on {host.http_address}; Ctrl-C ends it. The log is {folder / 'icewatch.log'}.")
            if simulate:
                _begin_month(host)
            host.run_forever()
    return 0


def _begin_month(host: Host) -> None:
    """Watch the simulated month, unless somebody has put another watchlist there, and do not wait for the timer."""
    store = services().store
    if store.info(WATCHLIST) is None:
        store.write(WATCHLIST, watching(demo_month()), content_type="application/json")
    host.run_timer("schedule")
