"""A result folder in the store: nothing half-written looks complete, nothing of an older run is left over.

Two runs must not write into one folder at a time: files of both would stand beside the manifest of one. Whoever runs
holds the lock of the folder, and each write first asks whether it is still held.
"""

from __future__ import annotations

from collections.abc import Callable

from shared.models import RESULT_MANIFEST, BlobPath
from shared.ports import ObjectStore


class Results:
    """One run's results below ``folder``; ``check`` raises where the folder's lock was lost."""

    def __init__(self, store: ObjectStore, folder: BlobPath, check: Callable[[], None]) -> None:
        self._store, self._folder, self._check, self._written = store, folder, check, set[BlobPath]()
        self.is_begun = False  # whether something was written or taken away: what was there before is whole no more

    def emit(self, name: str, data: bytes, content_type: str) -> None:
        """Write one result; the first takes an older manifest away, the manifest sweeps up what is left over."""
        self._check()
        if not self._written:
            self.is_begun = True
            self._store.delete(self._folder / RESULT_MANIFEST)
        self._store.write(self._folder / name, data, content_type=content_type)
        self._written.add(self._folder / name)
        if name == RESULT_MANIFEST:
            self._sweep(keep=self._written)

    def remove(self) -> None:
        """Take away whatever this or an earlier run wrote, the manifest first."""
        self._check()
        self.is_begun = True
        self._store.delete(self._folder / RESULT_MANIFEST)
        self._sweep(keep=set())

    def _sweep(self, *, keep: set[BlobPath]) -> None:
        for blob in list(self._store.list(self._folder)):
            if blob.path not in keep:
                self._store.delete(blob.path)
