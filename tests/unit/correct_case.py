"""One product on its way through the correct step, with fakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from shared.messages import CorrectionMessage
from shared.models import BlobPath, ProductName, State, l2a_folder, staged_zip
from shared.pipeline.attach import ORIGIN
from shared.pipeline.correct import correct
from shared.records import Record
from tests.fakes import FakeClock, FakeCorrector, FakeLedger, FakeStore

L1C = ProductName.parse("S2A_MSIL1C_20190716T151911_N0208_R068_T22WEV_20190716T184612")
L2A = ProductName.parse(str(L1C).replace("_MSIL1C_", "_MSIL2A_"))
MESSAGE = CorrectionMessage(product=str(L1C))
FILES = {
    "manifest.safe": b"<XFDU/>",
    "MTD_MSIL2A.xml": b"<xml/>",
    "GRANULE/L2A_T22WEV/IMG_DATA/R20m/T22WEV_20190716T151911_B02_20m.jp2": b"jp2",
    "HTML/index.html": b"<html/>",
}
UPLOADED = {*FILES, ORIGIN}  # what the store has of them, if all is kept


def unpacked(archive: BinaryIO, product: ProductName, into: Path) -> Path:
    folder = into / product.safe
    folder.mkdir(parents=True)
    (folder / "content").write_bytes(archive.read())
    return folder


def a_record(state: State = State.STAGED, **facts: Any) -> Record:
    return Record(partition="22WEV", name=str(L1C), state=state, **facts)


class World:
    """One product with its zip staged."""

    def __init__(self, tmp_path: Path, record: Record | None = None, *, zipped: bool = True) -> None:
        self.store = FakeStore({staged_zip(L1C): b"zip"} if zipped else {})
        self.ledger = FakeLedger([] if record is None else [record])
        self.corrector = FakeCorrector(FILES)
        self.clock = FakeClock()
        self.percents: list[float] = []
        self._tmp_path, self._runs = tmp_path, 0

    def run(self, **changes: Any) -> Record:
        self._runs += 1
        tools: dict[str, Any] = {
            "store": self.store,
            "ledger": self.ledger,
            "corrector": self.corrector,
            "unpack": unpacked,
            "scratch": self._tmp_path / str(self._runs),
            "clock": self.clock,
            "on_progress": self.percents.append,
            "keep": "all",
            "resolution": 20,
        }
        return correct(MESSAGE, **(tools | changes))

    @property
    def record(self) -> Record:
        record = self.ledger.get("22WEV", str(L1C))
        assert record is not None
        return record

    @property
    def uploads(self) -> list[BlobPath]:
        return [call[1] for call in self.store.calls if call[0] == "upload"]  # type: ignore[misc]

    def is_complete(self) -> bool:
        folder = l2a_folder(ProductName.parse(self.record.l2a))
        return {p.removeprefix(f"{folder.name}/") for p in self.store.paths("l2a")} == UPLOADED
