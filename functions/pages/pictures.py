"""True-colour pictures for the product's page: made once, one at a time, and kept while they fit."""

from __future__ import annotations

import threading
from functools import lru_cache

from shared.errors import NotFound
from shared.models import MANIFEST, BlobPath
from shared.ports import ObjectStore

_KEPT = 32  # pictures of some 100 kB
_MAKING = threading.Lock()  # a picture takes a core for a second; who waits for the same one finds it made


def true_colour(store: ObjectStore, folder: BlobPath) -> bytes:
    """A JPEG of the L2A product in ``folder``.

    Raises NotFound where the product is not there any more, BadProduct where pieces are missing or do not decode.
    """
    manifest = store.info(folder / MANIFEST)
    if manifest is None:
        raise NotFound(f"The L2A product {folder} is not kept any more.")
    with _MAKING:
        # Every store is hashable, as what it is; the protocol cannot say so.
        return _made(store, folder, manifest.etag)  # type: ignore[arg-type]


@lru_cache(maxsize=_KEPT)
def _made(store: ObjectStore, folder: BlobPath, _etag: str) -> bytes:
    from shared.adapters import truecolour

    return truecolour.true_colour(store, folder)
