"""drop: a product put into the inbox by hand joins the pipeline at the step it is ready for.

    drop/<anything>/<L1C product>[.SAFE].zip        -> l1c/...   and queue corrections
    drop/<anything>/<L2A product>[.SAFE].zip        -> l2a/...   unpacked, manifest.safe last
    drop/<anything>/<L2A product>.SAFE/<file>       -> l2a/...   once its manifest.safe is there
    anything else                                   -> stays, with a refused row in the ledger that says why

Contract: what is moved is deleted from the inbox after it is in place, so that every try may be repeated.
A blob that is gone already is a normal return. Files of a folder may arrive in any order: they wait for
manifest.safe, and one that comes later is moved on its own and the product is classified again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from shared.archive import Member, members, open_zip
from shared.errors import BadName, BadProduct, NotFound, PermanentError
from shared.messages import ClassificationMessage, CorrectionMessage
from shared.models import MANIFEST, BlobPath, Level, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.outcome import attempt
from shared.pipeline.poison import refuse
from shared.pipeline.stage import check_directory
from shared.ports import Clock, Ledger, ObjectStore
from shared.records import Record
from shared.safe import content_type

_CHUNK = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Dropped:
    """A blob of the inbox, told by its path."""

    path: BlobPath
    product: ProductName
    member: str  # path inside the SAFE folder; "" for a zip


def parse_dropped(path: BlobPath) -> Dropped:
    """Tell a product's zip or a file of its folder by ``path``; BadName or BadProduct where it is neither."""
    *folders, leaf = path.name.split("/")
    for depth, folder in enumerate(folders):
        if folder.endswith(".SAFE"):
            product = ProductName.parse(folder)
            if product.level is not Level.L2A:
                raise BadProduct(f"{product} was dropped as a folder of files; drop an L1C product as its zip.")
            return Dropped(path, product, "/".join([*folders[depth + 1 :], leaf]))
    if not leaf.endswith(".zip"):
        raise BadName(f"'{path}' is no product; drop the zip of an L1C or L2A product, or an L2A .SAFE folder.")
    return Dropped(path, ProductName.parse(leaf), "")


def drop(
    path: BlobPath, *, store: ObjectStore, ledger: Ledger, clock: Clock
) -> Sequence[CorrectionMessage | ClassificationMessage]:
    """Move the dropped blob at ``path`` to where its next step looks, and return the messages that follow."""
    if store.info(path) is None:
        return []
    try:
        dropped = parse_dropped(path)
    except PermanentError as error:
        refuse(str(path), str(error), ledger, clock)
        return []
    if dropped.member:
        return _folder(dropped, store, ledger, clock)
    if dropped.product.level is Level.L1C:
        return _l1c_zip(dropped, store, ledger, clock)
    return _l2a_zip(dropped, store, ledger, clock)


def _entered(product: ProductName, ledger: Ledger, clock: Clock) -> Record:
    l2a = str(product) if product.level is Level.L2A else ""
    fresh = Record(
        partition=product.tile.name,
        name=str(product),
        state=State.DISCOVERED,
        baseline=product.baseline,
        orbit=product.orbit,
        l2a=l2a,
        times={"sensing": product.sensing, "discover": clock()},
    )
    if l2a and (made_here := ledger.by_l2a(product.tile, l2a)) is not None:
        return made_here
    return fresh if ledger.add(fresh) else ledger.get(fresh.partition, fresh.name) or fresh


def _l1c_zip(dropped: Dropped, store: ObjectStore, ledger: Ledger, clock: Clock) -> list[CorrectionMessage]:
    record = _entered(dropped.product, ledger, clock)
    with attempt(ledger, record, "stage", clock) as this:
        info = store.info(dropped.path)
        with store.reader(dropped.path) as file:
            check_directory(file, dropped.product)
        store.copy(dropped.path, staged_zip(dropped.product))
        this.done(State.STAGED, bytes=info.size if info else 0)
        store.delete(dropped.path)
        return [CorrectionMessage(product=str(dropped.product))]
    return []


def _l2a_zip(dropped: Dropped, store: ObjectStore, ledger: Ledger, clock: Clock) -> list[ClassificationMessage]:
    record = _entered(dropped.product, ledger, clock)
    folder = l2a_folder(dropped.product)
    with attempt(ledger, record, "correct", clock) as this, store.reader(dropped.path) as file:
        with open_zip(file, dropped.product) as archive:
            found = members(archive.infolist(), dropped.product)
            if not any(member.path == MANIFEST for member in found):
                raise BadProduct(f"{dropped.product} is incomplete: {MANIFEST} missing.")
            this.done(State.CORRECTED, processor="provider", l2a=str(dropped.product))
            for member in sorted(found, key=lambda member: member.path == MANIFEST):  # the manifest last
                with archive.open(member.entry) as source:
                    chunks = _unpacked(source, member, dropped.product)
                    store.stream(folder / member.path, chunks, content_type=content_type(member.path))
        store.delete(dropped.path)
    return []  # the manifest's arrival triggers classify


def _unpacked(source: IO[bytes], member: Member, product: ProductName) -> Iterator[bytes]:
    """The member's bytes; BadProduct where there are more than the directory stated."""
    left = member.size
    while chunk := source.read(_CHUNK):
        left -= len(chunk)
        if left < 0:
            raise BadProduct(f"{product} holds {member.path} longer than its directory says ({member.size} bytes).")
        yield chunk


def _folder(dropped: Dropped, store: ObjectStore, ledger: Ledger, clock: Clock) -> list[ClassificationMessage]:
    source = BlobPath(dropped.path.container, dropped.path.name.removesuffix(f"/{dropped.member}"))
    target = l2a_folder(dropped.product)
    if dropped.member == MANIFEST:
        record = _entered(dropped.product, ledger, clock)
        if record.state is State.DISCOVERED:
            with attempt(ledger, record, "correct", clock) as this:
                this.done(State.CORRECTED, processor="provider", l2a=str(dropped.product))
        return _move_all(dropped.product, source, target, store)
    waits_for_manifest = store.info(source / MANIFEST) is not None or store.info(target / MANIFEST) is None
    if waits_for_manifest:
        return []
    _move(dropped.path, target / dropped.member, store)
    return [ClassificationMessage(product=str(dropped.product), because="late files")]


def _move_all(
    product: ProductName, source: BlobPath, target: BlobPath, store: ObjectStore
) -> list[ClassificationMessage]:
    """Move a folder, manifest.safe last: its arrival triggers classify."""

    def waiting() -> list[BlobPath]:
        return [info.path for info in store.list(source) if info.path != source / MANIFEST]

    def move(paths: list[BlobPath]) -> None:
        for path in paths:
            _move(path, target / path.name.removeprefix(f"{source.name}/"), store)

    while paths := waiting():
        move(paths)
    move([source / MANIFEST])
    # A file whose event found the manifest still in the inbox left itself to this call.
    late = waiting()
    move(late)
    return [ClassificationMessage(product=str(product), because="late files")] if late else []


def _move(source: BlobPath, target: BlobPath, store: ObjectStore) -> None:
    try:
        store.copy(source, target)
    except NotFound:  # another delivery of this event has moved it
        return
    store.delete(source)
