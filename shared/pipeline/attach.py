"""attach: a corrected folder that no row names belongs to the L1C product that it was made of.

Where a row of the ledger is lost, or all of it, the folders under l2a/ stay. Their names carry the time of the
correction, so to correct again would make another folder and another map of the same acquisition. So each folder says
in ``icewatch.json`` which L1C product it was made of; where that product has a row that knows of nothing yet, or none,
the row takes the folder over, and it is classified again: nothing is downloaded and nothing corrected.

A folder without that file (somebody else's Sen2Cor) goes to the only L1C product of its acquisition. Halves of a split
granule have the acquisition in common: which is which only the file can tell. A folder that lacks what classification
reads is given to nobody: it would keep its product from being corrected.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shared.errors import BadProduct, NotFound
from shared.models import L2A, MANIFEST, BlobPath, Level, ProductName, State, l2a_folder
from shared.pipeline.claim import claimed
from shared.pipeline.discover_choice import name_of
from shared.pipeline.outcome import entered
from shared.ports import Clock, Ledger, ObjectStore
from shared.records import Record
from shared.safe import finest_resolution, l2a_files

ORIGIN = "icewatch.json"  # member of a folder that was corrected here
_MOST_BYTES = 10_000  # of that file, which anybody may drop; those written here have some hundred
_LONGEST = 100  # characters of what it says
_KNOWS_OF_NOTHING = {State.DISCOVERED, State.OFFLINE}
_STEPS = {"stage", "correct", "classify"}  # times of a row that has been on its way before
_log = logging.getLogger("icewatch")


def _l1c(text: str) -> str:
    name = name_of(text)
    if name is None or name.level is not Level.L1C:
        raise ValueError(f"'{text}' is no L1C product")
    return str(name)


_Said = Annotated[str, AfterValidator(lambda text: text[:_LONGEST])]  # no word of a processor is worth a failure


class Origin(BaseModel):
    """What a corrected folder says about its making; long words of it are cut."""

    model_config = ConfigDict(frozen=True)

    l1c: Annotated[str, Field(max_length=_LONGEST), AfterValidator(_l1c)]
    processor: _Said = ""
    dem: _Said = ""


def is_own(product: ProductName) -> bool:
    """Whether ``product`` was corrected here, or by somebody else's Sen2Cor, and not by the provider."""
    return product.level is Level.L2A and product.is_local


def origin(l2a: ProductName, rows: Callable[[], Iterable[Record]], store: ObjectStore) -> Origin | None:
    """Of what ``l2a``, complete in the store, was made; None where neither its folder nor ``rows`` can tell.

    ``rows`` gives those of its tile, and is asked only where the folder does not say.
    """
    if (said := _said(l2a, store)) is not None:
        return said
    sources = [
        record.name
        for record in rows()
        if record.state is not State.SKIPPED and (name := name_of(record.name)) is not None and _may_be_of(l2a, name)
    ]
    return Origin(l1c=sources[0]) if len(sources) == 1 else None


def _said(l2a: ProductName, store: ObjectStore) -> Origin | None:
    """What the folder of ``l2a`` says about its making; None where it says nothing, or nothing of use."""
    path = l2a_folder(l2a) / ORIGIN
    if (info := store.info(path)) is None:
        return None
    if info.size > _MOST_BYTES:
        _log.error("%s has %d bytes; at most %d are read.", path, info.size, _MOST_BYTES)
        return None
    try:
        said = Origin.model_validate_json(store.read(path))
    except NotFound:
        return None
    except ValidationError as error:
        _log.error("%s is of no use: %s", path, error.errors()[0]["msg"])
        return None
    if ProductName.parse(said.l1c).acquisition == l2a.acquisition:
        return said
    _log.error("%s names %s, which is another acquisition.", path, said.l1c)
    return None


def _may_be_of(l2a: ProductName, name: ProductName) -> bool:
    """What was published after the correction is not what was corrected."""
    is_older = name.discriminator <= l2a.discriminator
    return name.level is Level.L1C and name.acquisition == l2a.acquisition and is_older


def takes(record: Record) -> bool:
    """Whether ``record`` may be given a folder: nothing has been made of its product as far as it knows."""
    return record.state in _KNOWS_OF_NOTHING and not record.l2a and not _STEPS & record.times.keys()


def attach(l2a: ProductName, *, store: ObjectStore, ledger: Ledger, clock: Clock) -> Record | None:
    """The row of the product of which ``l2a`` was made, which names it now unless it has another.

    None where nobody knows, and where the folder can be mapped at no resolution.
    """
    made_of = _origin(l2a, store, ledger)
    if made_of is None:
        return None
    known = ledger.get(l2a.tile.name, made_of.l1c)
    if (known is None or takes(known)) and not _is_whole(_members(l2a_folder(l2a), store).get(l2a, []), None):
        return None
    return _attached(l2a, made_of, ledger, clock)


def _members(folder: BlobPath, store: ObjectStore) -> dict[ProductName, list[str]]:
    """The names of the files below ``folder``, by the L2A folder in which they are."""
    members = defaultdict[ProductName, list[str]](list)
    for info in store.list(folder):
        product, _, member = "/".join(info.path.name.split("/")[3:]).partition(".SAFE/")
        if (name := name_of(product)) is not None:
            members[name].append(member)
    return members


def _is_whole(members: list[str], resolution: int | None) -> bool:
    """Whether a folder with ``members`` can be mapped at ``resolution`` metres; None: at 20 or at 60."""
    try:
        l2a_files(members, resolution or finest_resolution(members), "The folder")
    except BadProduct:
        return False
    return MANIFEST in members


def _origin(l2a: ProductName, store: ObjectStore, ledger: Ledger) -> Origin | None:
    return origin(l2a, partial(ledger.records, l2a.tile.name), store)


def _attached(l2a: ProductName, made_of: Origin, ledger: Ledger, clock: Clock) -> Record:
    name, now = ProductName.parse(made_of.l1c), clock()
    change = partial(_with, l2a=str(l2a), made_of=made_of, at=now)
    fresh = change(Record.of(name, State.DISCOVERED, times={"discover": now}))
    if (known := ledger.get(fresh.partition, fresh.name)) is None or takes(known):
        _leave_to(fresh.name, l2a, ledger)
    record = entered(ledger, fresh)
    if record.l2a != str(l2a) and claimed(ledger, record, change, still=takes):
        _log.info("%s is the L2A of %s, which had lost it", l2a, record.name)
    return ledger.get(record.partition, record.name) or record


def _with(old: Record, *, l2a: str, made_of: Origin, at: datetime) -> Record:
    return old.advanced(State.CORRECTED, step="watch", at=at, l2a=l2a, processor=made_of.processor, dem=made_of.dem)


def _leave_to(l1c: str, l2a: ProductName, ledger: Ledger) -> None:
    """A row that ``l2a`` was given for want of another counts no more."""
    reason = f"It was made of {l1c}, whose row stands for it."
    if ledger.get(l2a.tile.name, str(l2a)) is not None:
        ledger.update(
            l2a.tile.name,
            str(l2a),
            lambda old: replace(old, state=State.SKIPPED, reason=reason, successor=l1c, l2a="", results=""),
        )


def regained(record: Record, *, store: ObjectStore, ledger: Ledger, clock: Clock, resolution: int | None = None) -> str:
    """The L2A that lies in the store for the L1C product of ``record`` and that its row names from now on, or "".

    It holds what classification at ``resolution`` metres reads; None: at 20 or at 60.
    """
    name = ProductName.parse(record.name)
    if name.level is not Level.L1C or not takes(record):
        return ""
    for l2a in _nameless(name, store, ledger, resolution):
        made_of = _origin(l2a, store, ledger)  # it may be of the other half
        if made_of is not None and made_of.l1c == record.name:
            return str(l2a) if _attached(l2a, made_of, ledger, clock).l2a == str(l2a) else ""
    return ""


def _nameless(name: ProductName, store: ObjectStore, ledger: Ledger, resolution: int | None) -> list[ProductName]:
    """The complete folders of the acquisition that are no other product's, the newest first."""
    month = BlobPath(L2A, f"{name.tile}/{name.sensing:%Y}/{name.sensing:%m}")
    folders = [
        folder
        for folder, members in _members(month, store).items()
        if is_own(folder) and folder.acquisition == name.acquisition and _is_whole(members, resolution)
    ]
    free = (
        folder
        for folder in folders
        if (holder := ledger.by_l2a(folder.tile, str(folder))) is None or holder.name == str(folder)
    )
    return sorted(free, key=lambda folder: folder.discriminator, reverse=True)
