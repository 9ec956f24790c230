"""discover: catalogue minus ledger is what is new.

Contract: returns one message per product to stage. A catalogue or ledger that is unreachable raises, and
the queue tries again. Run twice, it returns nothing the second time, except where ``again`` says that an
earlier run may have died between writing the ledger and sending its messages.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.messages import ProductMessage, TileMonthMessage
from shared.models import Product, State
from shared.pipeline.outcome import superseded
from shared.ports import Catalogue, Clock, Ledger
from shared.records import MonthRecord, Record

LATE_ARRIVALS = timedelta(days=30)  # a month searched this long after its end is closed for backfill
_log = logging.getLogger("icewatch")
_IN_WORK = {State.STAGED, State.CORRECTED, State.CLASSIFIED}


@dataclass(frozen=True, slots=True)
class Chosen:
    """What to process of a search result, and what a newer baseline replaces."""

    wanted: tuple[Product, ...]  # in sensing order; both halves of a split granule
    replaced: tuple[tuple[Product, Product], ...]  # older product, the newest of the same acquisition


def choose(products: Iterable[Product]) -> Chosen:
    """Keep the newest processing baseline of each acquisition, with all its granules.

    Products that differ in the discriminator only are the halves of a granule split at a datastrip edge.
    """
    acquisitions: dict[object, dict[str, Product]] = defaultdict(dict)
    for product in products:
        acquisitions[product.name.acquisition].setdefault(str(product.name), product)
    wanted: list[Product] = []
    replaced: list[tuple[Product, Product]] = []
    for alternatives in acquisitions.values():
        newest = max(product.name.baseline for product in alternatives.values())
        kept = [product for product in alternatives.values() if product.name.baseline == newest]
        wanted += kept
        replaced += [(product, kept[0]) for product in alternatives.values() if product.name.baseline != newest]
    return Chosen(tuple(sorted(wanted, key=lambda p: (p.name.sensing, str(p.name)))), tuple(replaced))


def discover(
    message: TileMonthMessage,
    *,
    catalogue: Catalogue,
    ledger: Ledger,
    clock: Clock,
    scene_cloud_limit: float = 100.0,
    again: bool = False,
) -> list[ProductMessage]:
    """Search one tile-month, write what is found into the ledger and return what is to be staged.

    Args:
        message: the tile-month.
        catalogue: the provider.
        ledger: read before written.
        clock: the present, UTC.
        scene_cloud_limit: percent by the catalogue; cloudier scenes become SKIPPED.
        again: the message was delivered before: also return what is still only DISCOVERED.
    """
    month = message.value()
    chosen = choose(catalogue.search(month))
    now = clock()
    new = [
        product
        for product in chosen.wanted
        if _enter(product, ledger, now, scene_cloud_limit) or (again and _waits(product, ledger))
    ]
    for older, newer in chosen.replaced:
        _replace(older, newer, ledger, now)
    found = len(chosen.wanted) + len(chosen.replaced)
    ledger.save_month(MonthRecord(month, now, found, closed=now >= month.end + LATE_ARRIVALS))
    _log.info("discover: %s has %d products in the catalogue, %d to stage", month, found, len(new))
    return [ProductMessage.of(product, backfill=message.backfill) for product in new]


def _enter(product: Product, ledger: Ledger, now: datetime, cloud_limit: float) -> bool:
    """Write ``product`` into the ledger; True where it is new there (or no longer offline) and to be staged."""
    record = _record(product, now, cloud_limit)
    if ledger.add(record):
        return record.state is State.DISCOVERED
    known = ledger.get(record.partition, record.name)
    if known is None or known.state is not State.OFFLINE or record.state is not State.DISCOVERED:
        return False
    ledger.update(record.partition, record.name, lambda _: record)
    return True


def _waits(product: Product, ledger: Ledger) -> bool:
    record = ledger.get(product.name.tile.name, str(product.name))
    return record is not None and record.state is State.DISCOVERED


def _record(product: Product, now: datetime, cloud_limit: float) -> Record:
    state, reason = State.DISCOVERED, ""
    if product.cloud_cover is not None and product.cloud_cover > cloud_limit:
        state = State.SKIPPED
        reason = f"The catalogue says {product.cloud_cover:.1f} % cloud; the watchlist allows {cloud_limit:g} %."
    elif not product.online:
        state, reason = State.OFFLINE, "In the provider's long-term archive; looked at again with every search."
    return Record(
        partition=product.name.tile.name,
        name=str(product.name),
        state=state,
        reason=reason,
        id=product.id,
        bytes=product.size,
        checksum=";".join(f"{c.algorithm}:{c.value}" for c in product.checksums),
        baseline=product.name.baseline,
        orbit=product.name.orbit,
        times={"sensing": product.name.sensing, "published": product.published, "discover": now},
    )


def _replace(older: Product, newer: Product, ledger: Ledger, now: datetime) -> None:
    """Mark ``older`` as superseded, unless it is in work or its results are still the only ones."""
    record = _record(older, now, cloud_limit=100.0)
    if ledger.add(superseded(record, str(newer.name))):
        return
    successor = ledger.get(newer.name.tile.name, str(newer.name))
    published = successor is not None and successor.state is State.CLASSIFIED
    ledger.update(
        record.partition,
        record.name,
        lambda old: superseded(old, str(newer.name)) if published or old.state not in _IN_WORK else replace(old),
    )
