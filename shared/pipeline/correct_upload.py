"""Uploads a folder's files: several at a time, compared afterwards, stopped between files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from pathlib import Path

from shared.errors import StorageUnavailable
from shared.models import BlobPath
from shared.ports import ObjectStore
from shared.safe import content_type

_PARALLEL = 2  # files at a time, each with blocks of its own on the way; more slow each other down
_LOOK = 0.5  # seconds between two looks at whether to stop


def upload_folder(
    folder: Path,
    target: BlobPath,
    names: Sequence[str],
    *,
    store: ObjectStore,
    checkpoint: Callable[[], None] = lambda: None,
) -> None:
    """Upload the files ``names`` of ``folder`` below ``target``, where nothing else may be then.

    Each gets its content type; the store computes MD5 on the way. StorageUnavailable where what lies there in the end
    is not what was uploaded. ``checkpoint`` is called at least twice a second and may raise to stop the work; files on
    their way then still arrive.
    """

    def put(name: str) -> None:
        store.upload(target / name, folder / name, content_type=content_type(name))

    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="upload") as pool:
        waiting: set[Future[None]] = {pool.submit(put, name) for name in names}
        try:
            while waiting:
                done, waiting = wait(waiting, timeout=_LOOK, return_when=FIRST_EXCEPTION)
                for each in done:
                    each.result()
                checkpoint()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    _compare(target, {name: (folder / name).stat().st_size for name in names}, store)


def _compare(target: BlobPath, sizes: dict[str, int], store: ObjectStore) -> None:
    found = {info.path.name.removeprefix(f"{target.name}/"): info.size for info in store.list(target)}
    if found != sizes:
        odd = sorted(name for name in found.keys() | sizes.keys() if found.get(name) != sizes.get(name))
        raise StorageUnavailable(f"{target} is not as uploaded: {', '.join(odd[:3])} differ ({len(odd)} files).")
