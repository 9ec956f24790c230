"""A complete listing out of the catalogue's pages, though they change while they are read.

Pages are cut by position. An entry that disappears meanwhile pushes another one over the edge between two pages,
unseen; one that appears shows its neighbour twice. So every page says how many entries there are in all, and a pass
counts only if its pages agree and list as many. Where the catalogue refuses a position as too far (422), the
window of time is cut in halves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from shared.adapters.cdse_connection import Connection, joined, origin
from shared.adapters.cdse_entries import Page
from shared.adapters.provider_answers import BeyondLimit
from shared.errors import AccessDenied, NotFound, ProviderUnavailable
from shared.models import shown

_PASSES = 4  # over a listing that changes all the time
_MOST_PAGES = 200  # of one pass; a tile-month has a few
_CUTS = 6  # halvings: of a month down to half a day


@dataclass(frozen=True, slots=True)
class Window:
    """A span of sensing time."""

    start: datetime
    end: datetime  # exclusive

    def halves(self) -> tuple[Window, Window]:
        """The earlier and the later half, cut at a whole second."""
        middle = (self.start + (self.end - self.start) / 2).replace(microsecond=0)
        return Window(self.start, middle), Window(middle, self.end)


class Listing:
    """Reads all entries of one question to the catalogue."""

    def __init__(self, connection: Connection, url: str, query: Callable[[Window], dict[str, str]], what: str) -> None:
        """``query`` gives the parameters for a window; ``what`` names the search in errors."""
        self._connection = connection
        self._url = url
        self._query = query
        self._what = what

    def entries(self, window: Window, *, cuts: int = _CUTS) -> list[Any]:
        """All entries in sensing order, each identifier once.

        Raises ProviderUnavailable where the catalogue does not answer as it should, goes round in circles, or
        changes faster than it can be read.
        """
        try:
            return self._agreed(window)
        except BeyondLimit:
            if not cuts:
                raise
        earlier, later = window.halves()
        return [*self.entries(earlier, cuts=cuts - 1), *self.entries(later, cuts=cuts - 1)]

    def _agreed(self, window: Window) -> list[Any]:
        for _ in range(_PASSES):
            rows, counts = self._passed(window)
            if not counts or counts == {len(rows)}:
                return _once(rows)
        raise ProviderUnavailable(
            f"The catalogue changed during each of {_PASSES} tries of {self._what}: it counts "
            f"{' or '.join(map(str, sorted(counts)))} entries, {len(rows)} came."
        )

    def _passed(self, window: Window) -> tuple[list[Any], set[int]]:
        """One pass over all pages: what they list, and how many there are in all as they say."""
        url: httpx.URL | None = httpx.URL(self._url, params=self._query(window))
        rows: list[Any] = []
        seen: set[str] = set()
        counts: set[int] = set()
        for _ in range(_MOST_PAGES):
            if url is None:
                return rows, counts
            page = self._page(url)
            fresh = {identifier(entry) for entry in page.entries} - seen
            if page.next_link is not None and not fresh:
                raise ProviderUnavailable(f"The catalogue's pages for {self._what} go on without anything new.")
            rows += page.entries
            seen |= fresh
            if page.count is not None:
                counts.add(page.count)
            url = self._next(url, page)
        raise ProviderUnavailable(f"The catalogue's answer to {self._what} does not end after {_MOST_PAGES} pages.")

    def _page(self, url: httpx.URL) -> Page:
        try:
            return Page.parse(self._connection.read(url, self._what))
        except (AccessDenied, NotFound) as cause:  # of a product it would be for ever; a search is open to everyone
            raise ProviderUnavailable(str(cause)) from cause

    def _next(self, url: httpx.URL, page: Page) -> httpx.URL | None:
        """The address of the page after ``page``; a link to anywhere but the catalogue is refused."""
        if page.next_link is None:
            return None
        link = joined(url, page.next_link)
        if link is None or origin(link) != origin(httpx.URL(self._url)):
            raise ProviderUnavailable(
                f"The catalogue's next page for {self._what} is '{shown(page.next_link)}', outside the catalogue."
            )
        return link


def _once(rows: list[Any]) -> list[Any]:
    found: dict[str, Any] = {}
    for row in rows:
        found.setdefault(identifier(row), row)
    return list(found.values())


def identifier(entry: Any) -> str:
    """What tells entries apart, of broken ones too."""
    return str(entry["Id"]) if isinstance(entry, dict) and "Id" in entry else repr(entry)
