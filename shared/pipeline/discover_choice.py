"""Which of the products of an acquisition is to be processed: pure decisions, from the catalogue's list and the ledger.

The products of one acquisition (platform, datatake, orbit, tile) fall into groups of the same processing baseline and
level. One group is wanted, the others are not:

1. the newest baseline wins, whether the catalogue lists it now or the ledger knows it from before;
2. of two levels with the same baseline, the one that is in work or processed already;
3. then the provider's own L2A, which saves the correction.

A group has several products where a granule was split at the edge of a datastrip: all of them are wanted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from shared.errors import BadName
from shared.models import Level, Product, ProductName, State, TileMonth
from shared.records import Record

OFFICIAL_GRACE = timedelta(days=7)  # the provider's L2A follows its L1C within hours; later it is corrected here
STARTED = frozenset({State.STAGED, State.CORRECTED, State.CLASSIFIED, State.REJECTED})

_KEPT = STARTED | {State.DISCOVERED}
_NOT_IN_WORK = frozenset({State.OFFLINE, State.FAILED, State.SKIPPED})

Known = Mapping[str, Record]  # the ledger's rows of one tile-month, by product name
_Group = tuple[str, Level]  # processing baseline, level


@dataclass(frozen=True, slots=True)
class Rules:
    """What the watchlist says about a tile's products."""

    scene_cloud_limit: float = 100.0  # percent by the catalogue
    official: bool = False  # take the provider's own L2A where it is offered


@dataclass(frozen=True, slots=True)
class Entry:
    """A product of the catalogue and what it is to be in the ledger."""

    product: Product
    state: State  # DISCOVERED, OFFLINE or SKIPPED
    reason: str = ""
    successor: str = ""  # name of the product that is processed in its place


@dataclass(frozen=True, slots=True)
class Decided:
    """What to do with a search result."""

    entries: tuple[Entry, ...]  # every listed product once, in sensing order
    replaced: tuple[tuple[str, str], ...]  # ledger rows that are listed no more: name, name of their successor


def decide(listed: Iterable[Product], known: Known, rules: Rules, now: datetime, *, whole: bool = True) -> Decided:
    """Compare the ``listed`` products of a tile-month with the ``known`` ones.

    ``whole`` says that everything the catalogue holds is listed, not only what has changed.
    """
    offered = _one_per_name(listed, known)
    # What failed and is offered no more leaves room for an older baseline that still is.
    lost = {name for name, record in known.items() if whole and record.state is State.FAILED and name not in offered}
    acquisitions: dict[object, set[ProductName]] = defaultdict(set)
    for name in (*(product.name for product in offered.values()), *_counting(known, rules)):
        acquisitions[name.acquisition].add(name)
    entries: list[Entry] = []
    replaced: list[tuple[str, str]] = []
    for names in acquisitions.values():
        wanted = _wanted({name for name in names if str(name) not in lost} or names, known)
        for name in sorted(names, key=str):
            product = offered.get(str(name))
            if name in wanted:
                entries += [_entry(product, rules, now)] if product else []
            elif product:
                entries.append(Entry(product, State.SKIPPED, successor=str(wanted[0])))
            elif str(name) not in lost or name.baseline <= wanted[0].baseline:
                replaced.append((str(name), str(wanted[0])))
    return Decided(tuple(sorted(entries, key=lambda e: (e.product.name.sensing, str(e.product.name)))), tuple(replaced))


def _one_per_name(listed: Iterable[Product], known: Known) -> dict[str, Product]:
    """Of entries with the same name, the one in work or done; else one that is online and did not fail, the latest."""
    offered: dict[str, list[Product]] = defaultdict(list)
    for product in listed:
        offered[str(product.name)].append(product)

    def preference(product: Product) -> tuple[bool, bool, bool, datetime, str]:
        held = known.get(str(product.name))
        state = held.state if held is not None and held.id == product.id else None
        return (
            state in _KEPT,
            product.online,
            state is not State.FAILED,
            product.modified or product.published,
            product.id,
        )

    return {name: max(same, key=preference) for name, same in offered.items()}


def _counting(known: Known, rules: Rules) -> Iterable[ProductName]:
    """The products of the ledger that a listed one is measured against."""
    for record in known.values():
        name = name_of(record.name)
        if name is None:  # the format used before 2016-12-06
            continue
        own_l2a = name.level is Level.L2A and not record.id  # somebody dropped it: no word about the provider's
        out_of_use = name.level is Level.L2A and not rules.official and record.state in _NOT_IN_WORK
        if not (_was_deleted(record) or _is_unreadable(record) or own_l2a or out_of_use):
            yield name


def _was_deleted(record: Record) -> bool:
    """True where the provider deleted the product before it was fetched."""
    return record.state is State.SKIPPED and "deleted" in record.times


def _is_unreadable(record: Record) -> bool:
    """True for an entry of the catalogue that did not parse: it keeps no other version from being processed."""
    return record.state is State.SKIPPED and bool(record.id) and "published" not in record.times


def _wanted(names: Iterable[ProductName], known: Known) -> Sequence[ProductName]:
    """The group that is to be processed, by name."""
    groups: dict[_Group, list[ProductName]] = defaultdict(list)
    for name in names:
        groups[name.baseline, name.level].append(name)

    def rank(group: _Group) -> tuple[str, bool, bool]:
        started = any((held := known.get(str(name))) and held.state in STARTED for name in groups[group])
        return group[0], started, group[1] is Level.L2A

    return sorted(groups[max(groups, key=rank)], key=str)


def _entry(product: Product, rules: Rules, now: datetime) -> Entry:
    if product.cloud_cover is not None and product.cloud_cover > rules.scene_cloud_limit:
        limit = f"{rules.scene_cloud_limit:g} %"
        reason = f"The catalogue says {product.cloud_cover:.1f} % cloud; the watchlist allows {limit}."
        return Entry(product, State.SKIPPED, reason)
    # A date of publication in the future says nothing.
    until = (product.published if product.published <= now else product.name.sensing) + OFFICIAL_GRACE
    if rules.official and product.name.level is Level.L1C and now < until:
        reason = f"The provider's own L2A is not offered yet; corrected here if it is not there by {until:%Y-%m-%d}."
        return Entry(product, State.OFFLINE, reason)
    if not product.online:
        return Entry(product, State.OFFLINE, "In the provider's long-term archive.")
    return Entry(product, State.DISCOVERED)


def published(name: str, known: Known) -> bool:
    """True where the results of the product ``name``, and of its other halves, are out: no older ones are needed."""
    chosen = name_of(name)
    if chosen is None or name not in known:
        return False
    states = {
        record.state
        for record in known.values()
        if (half := name_of(record.name)) is not None
        and (half.acquisition, half.baseline, half.level) == (chosen.acquisition, chosen.baseline, chosen.level)
        and not _was_deleted(record)
    }
    return State.CLASSIFIED in states and states <= {State.CLASSIFIED, State.REJECTED}


def month_of(record: Record) -> TileMonth | None:
    """The tile-month of a product, by its name or else its sensing time; None where neither says."""
    if (name := name_of(record.name)) is not None:
        return TileMonth(name.tile, name.sensing.year, name.sensing.month)
    sensing = record.times.get("sensing")
    try:
        return TileMonth.parse(record.partition, f"{sensing:%Y-%m}") if sensing else None
    except BadName:
        return None


@lru_cache(maxsize=100_000)  # the ledger is read again and again
def name_of(text: str) -> ProductName | None:
    """The product that ``text`` names; None where it is no compact name."""
    try:
        return ProductName.parse(text)
    except BadName:
        return None
