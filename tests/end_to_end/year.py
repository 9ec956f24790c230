"""A year of one tile as a provider publishes it, day by day, and what must have come of it in the end."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random

from shared.models import Checksum, ProductName, State, Tile, TileMonth
from shared.ports import Unsupported
from tests.fakes import FakeCatalogue, a_product
from tests.products import l1c_zip

TILE = Tile("22WEV")
FIRST, LAST = datetime(2023, 7, 1, tzinfo=UTC), datetime(2024, 7, 1, tzinfo=UTC)  # sensing
BEGIN, END = datetime(2024, 1, 1, 6, tzinfo=UTC), datetime(2024, 9, 20, tzinfo=UTC)  # of watching
CLOUD_LIMIT = 90.0  # percent
LONG = "S2A_OPER_PRD_MSIL1C_PDMC_20240213T075059_R111_V20240212T161812_20240212T161807"
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happens at the provider."""

    at: datetime
    what: str  # "publish", "offline", "withdraw", "double", "long"
    name: str
    cloud: float = 0.0  # percent


class Year:
    """The events of the year in order, and the truth that follows from them."""

    def __init__(self) -> None:
        self.events = sorted(self._all(Random(20240701)), key=lambda event: event.at)
        self.catalogue = FakeCatalogue()
        self._next = 0

    def until(self, now: datetime) -> None:
        """Let everything happen that happens up to ``now``."""
        while self._next < len(self.events) and self.events[self._next].at <= now:
            self._happen(self.events[self._next])
            self._next += 1

    def _happen(self, event: Event) -> None:
        catalogue = self.catalogue
        if event.what == "long":
            month = TileMonth(TILE, 2024, 2)
            catalogue.long_names.append((month, Unsupported("id-long", LONG, month.start, "It holds several tiles.")))
        elif event.what == "withdraw":
            catalogue.withdraw(event.name, at=event.at)
        else:
            body = l1c_zip(event.name)
            catalogue.publish(
                a_product(
                    event.name,
                    product_id="id-double" if event.what == "double" else "",
                    body=body,
                    checksums=(Checksum("MD5", hashlib.md5(body).hexdigest()),),
                    published=event.at,
                    modified=event.at,
                    online=event.what != "offline",
                    cloud_cover=event.cloud,
                ),
                body,
            )

    def _all(self, random: Random) -> Iterator[Event]:
        sensing, number = FIRST + timedelta(hours=15), 0
        while sensing < LAST:
            number += 1
            yield from self._acquisition(sensing, number, random)
            sensing += timedelta(hours=random.choice((20, 26, 31)), seconds=random.randrange(3600))
        yield Event(datetime(2024, 2, 20, tzinfo=UTC), "long", LONG)

    def _acquisition(self, sensing: datetime, number: int, random: Random) -> Iterator[Event]:
        """One acquisition: most are published once; every so many has a story."""
        cloud = 95.0 if number % 9 == 0 else 30.0
        at = sensing + timedelta(hours=4)
        name = _name(sensing, "0509", 0, number)
        if number % 17 == 0:  # a late arrival, up to four months after the sensing
            at += random.randrange(20, 120) * _DAY
        if number % 40 == 7:  # it begins in the archive
            yield Event(at, "offline", name, cloud)
            at += 3 * _DAY
        yield Event(at, "publish", name, cloud)
        if number % 19 == 0:  # the other half of a split granule, a little later
            yield Event(at + timedelta(hours=30), "publish", _name(sensing, "0509", 1, number), cloud)
        if number % 13 == 0:  # reprocessed; both versions stay listed
            yield Event(at + random.randrange(1, 60) * _DAY, "publish", _name(sensing, "0510", 2, number), cloud)
        if number % 29 == 0:  # reprocessed, and the older version deleted
            again = at + random.randrange(5, 60) * _DAY
            yield Event(again, "publish", _name(sensing, "0511", 3, number), cloud)
            yield Event(again + _DAY, "withdraw", name)
        if number % 61 == 5:  # a version that is taken back within the hour
            yield Event(at + timedelta(minutes=5), "publish", _name(sensing, "0512", 4, number), cloud)
            yield Event(at + timedelta(minutes=50), "withdraw", _name(sensing, "0512", 4, number))
        if number == 100:
            yield Event(at + timedelta(hours=2), "double", name, cloud)

    def truth(self) -> dict[str, State]:
        """What the state of each product must be that was ever listed long enough to be seen."""
        listed = {str(product.name): product for product in self.catalogue.products}
        gone = {deletion.name for deletion in self.catalogue.deletions}
        acquisitions: dict[object, set[str]] = defaultdict(set)
        for name in {*listed, *gone}:
            acquisitions[ProductName.parse(name).acquisition].add(name)
        truth = {LONG: State.SKIPPED}
        for names in acquisitions.values():
            newest = max(ProductName.parse(name).baseline for name in names & listed.keys())
            for name in names:
                cloudy = name in listed and (listed[name].cloud_cover or 0) > CLOUD_LIMIT
                wanted = ProductName.parse(name).baseline == newest and not cloudy
                truth[name] = outcome(name) if wanted else State.SKIPPED
        return truth


def outcome(name: str) -> State:
    """What classification finds: the same for all versions of an acquisition."""
    return State.REJECTED if ProductName.parse(name).sensing.day % 11 == 0 else State.CLASSIFIED


def _name(sensing: datetime, baseline: str, version: int, number: int) -> str:
    platform, orbit = ("S2A", "S2B", "S2C")[number % 3], (25, 68, 111)[number % 3]
    made = sensing + timedelta(hours=3, minutes=version)
    return f"{platform}_MSIL1C_{sensing:%Y%m%dT%H%M%S}_N{baseline}_R{orbit:03d}_T{TILE}_{made:%Y%m%dT%H%M%S}"
