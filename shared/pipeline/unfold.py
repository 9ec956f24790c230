"""The zip of an L2A product becomes its folder under l2a/, manifest.safe last.

Read by ranges and written by streams, so that memory holds a few blocks and nothing touches a disk.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator

from shared.archive import Member, damage_named, members, open_zip
from shared.errors import BadProduct
from shared.models import MANIFEST, BlobPath, ProductName, l2a_folder
from shared.ports import ObjectStore
from shared.safe import content_type

_CHUNK = 4 * 1024 * 1024


def unfold(path: BlobPath, product: ProductName, *, store: ObjectStore, whole: Callable[[], object]) -> None:
    """Unpack the zip at ``path`` into the L2A folder of ``product``.

    ``whole`` is called when all but manifest.safe is in place: then the ledger has to know, as the manifest's arrival
    makes others read the folder. Raises BadProduct where the zip is damaged; what was unpacked of it is gone then.
    """
    folder = l2a_folder(product)
    with store.reader(path) as file, open_zip(file, product) as archive:
        found = members(archive.infolist(), product)
        if not any(member.path == MANIFEST for member in found):
            raise BadProduct(f"{product} is incomplete: {MANIFEST} missing.")
        store.delete(folder / MANIFEST)  # an older, complete folder must not look complete while it is replaced
        try:
            for member in sorted(found, key=lambda member: member.path == MANIFEST):  # the manifest last
                if member.path == MANIFEST:
                    whole()
                chunks = _unpacked(archive, member, product)
                store.stream(folder / member.path, chunks, content_type=content_type(member.path))
        except BadProduct:
            for member in found:
                store.delete(folder / member.path)
            raise


def _unpacked(archive: zipfile.ZipFile, member: Member, product: ProductName) -> Iterator[bytes]:
    """The member's bytes; zipfile compares the checksum at their end, the length is compared here."""
    arrived = 0
    with damage_named(product, member.path), archive.open(member.entry) as source:
        while chunk := source.read(_CHUNK):
            arrived += len(chunk)
            if arrived > member.size:
                break
            yield chunk
    if arrived != member.size:
        raise BadProduct(
            f"{product} states {member.size} bytes for {member.path}; {'more' if arrived > member.size else arrived} "
            "came out."
        )
