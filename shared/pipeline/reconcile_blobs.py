"""reconcile, the blobs: what lies in the store for one tile-month."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, Field, ValidationError

from shared.errors import NotFound
from shared.models import L1C, L2A, MANIFEST, RESULT_MANIFEST, STAGING, SURFACE, BlobPath, TileMonth
from shared.ports import BlobInfo, ObjectStore


def _folder(container: str, month: TileMonth) -> BlobPath:
    return BlobPath(container, f"{month.tile}/{month.year:04d}/{month.month:02d}")


class _File(BaseModel):
    name: str = Field(min_length=1, max_length=200)


class _Listed(BaseModel):
    """What is read of a result folder's manifest.json."""

    files: tuple[_File, ...] = Field(max_length=1000)


@dataclass(frozen=True, slots=True)
class Blobs:
    """What lies in the store for one tile-month, by product name."""

    month: TileMonth
    zips: Mapping[str, BlobPath]  # staged L1C, and official L2A that are not unpacked
    l2a: Mapping[str, datetime]  # complete L2A folders, and when their manifest came
    results: Mapping[str, frozenset[str]]  # complete result folders, by L2A product, and their files

    @classmethod
    def of(cls, month: TileMonth, store: ObjectStore) -> Blobs:
        """List the containers."""

        def below(container: str) -> Iterator[tuple[str, BlobInfo]]:
            folder = _folder(container, month)
            return ((info.path.name.removeprefix(f"{folder.name}/"), info) for info in store.list(folder))

        def names(container: str, ending: str) -> Iterator[tuple[str, BlobInfo]]:
            return ((leaf.removesuffix(ending), info) for leaf, info in below(container) if leaf.endswith(ending))

        results: defaultdict[str, set[str]] = defaultdict(set)
        for leaf, _ in below(SURFACE):
            folder, _, name = leaf.partition(".SAFE/")
            results[folder].add(name)
        return cls(
            month=month,
            zips={name: info.path for place in (L1C, STAGING) for name, info in names(place, ".SAFE.zip")},
            l2a={name: info.modified for name, info in names(L2A, f".SAFE/{MANIFEST}")},
            results={folder: frozenset(files) for folder, files in results.items() if RESULT_MANIFEST in files},
        )

    def lack(self, product: str, store: ObjectStore) -> str:
        """What is gone of the results of the L2A ``product``: empty where they are whole.

        The manifest is the newest, the listing may be older: what was written in between is there too.
        """
        if product not in self.results:
            return "the results"
        folder = _folder(SURFACE, self.month) / f"{product}.SAFE"
        try:
            listed = _Listed.model_validate_json(store.read(folder / RESULT_MANIFEST))
        except (NotFound, ValidationError):
            return "the results"
        missing = [file.name for file in listed.files if file.name not in self.results[product]]
        gone = (name for name in missing if store.info(folder / name) is None)
        return next((f"{name} in the results" for name in gone), "")
