"""The addresses that carry a token: of results under ``/api/results/``, and the one that notifications are sent to."""

from __future__ import annotations

from urllib.parse import quote

from functions.api.access import TOKEN, access
from shared.models import SURFACE
from shared.records import DRONE

RESULTS = "/api/results/"
_FOR_PROGRAMS = ("/api", "/stac")
NOTIFICATIONS = "/api/notifications"
_DEPTH = 4  # <TILE>/<YYYY>/<MM>/<product>.SAFE
_DRONE_DEPTH = 2  # drone/<name>


def is_for_programs(path: str) -> bool:
    """Whether programs ask at ``path``, who are told by problem details rather than by pages."""
    return path.startswith(_FOR_PROGRAMS)


def folder_of(path: str) -> str:
    """The result folder of a path below ``/api/results/``: what a token is good for."""
    parts = path.split("/")
    return "/".join(parts[: _DRONE_DEPTH if parts[0] == DRONE else _DEPTH])


def result_link(path: str, *, signed: bool = False) -> str:
    """The address of a result blob such as ``surface/22WEV/2021/07/<product>.SAFE/quicklook.png``.

    ``signed`` adds a token that opens the folder for an hour or two, for programs that cannot sign in; without it the
    address works for who is signed in.
    """
    name = path.removeprefix(f"{SURFACE}/")
    address, found = RESULTS + quote(name, safe="/"), access()
    return f"{address}?{TOKEN}={found.token(folder_of(name))}" if signed and not found.is_open else address


def notifications_link() -> str:
    """The address to give to who sends notifications; its token is good for nothing else, until the key changes."""
    found = access()
    return NOTIFICATIONS if found.is_open else f"{NOTIFICATIONS}?{TOKEN}={found.notifier()}"
