"""Unpacking a product's zip: what is accepted, what is refused and with which words, and what stays behind."""

from __future__ import annotations

import io
import re
import stat
import struct
import zipfile
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.unpack import Limits, unpack
from shared.errors import BadProduct, LongProductName, PermanentError, TransientError
from shared.models import ProductName
from tests.conftest import SHARED, needs_shared
from tests.standins.l1c import PRODUCT, l1c_members, l1c_zip
from tests.standins.l2a_process import TILE_XML

REAL = sorted((SHARED / "data" / "safe").glob("S2[A-Z]_MSIL1C_*.zip"))


def refused(body: bytes, into: Path, match: str, **options: object) -> None:
    with pytest.raises(BadProduct, match=match) as caught:
        unpack(io.BytesIO(body), PRODUCT, into, **options)  # type: ignore[arg-type]
    assert str(PRODUCT) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert list(into.rglob("*")) == [], "a refused zip leaves nothing behind"


def test_a_whole_product_is_unpacked_below_its_safe_folder(tmp_path: Path) -> None:
    folder = unpack(io.BytesIO(l1c_zip()), PRODUCT, tmp_path)
    assert folder == tmp_path / PRODUCT.safe
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert found == l1c_members()


def test_folders_that_got_lost_are_made_again(tmp_path: Path) -> None:
    folder = unpack(io.BytesIO(l1c_zip()), PRODUCT, tmp_path)
    assert (folder / "AUX_DATA").is_dir()
    assert (folder / "HTML").is_dir()
    (granule,) = (folder / "GRANULE").iterdir()
    assert (granule / "AUX_DATA").is_dir()


@pytest.mark.parametrize(
    "name",
    [
        f"{PRODUCT.safe}/../../climbs",
        f"{PRODUCT.safe}/GRANULE/../../../climbs",
        "../climbs",
        "/etc/absolute",
        "C:/drive",
        f"{PRODUCT.safe}/..\\backslash",
        f"{PRODUCT.safe}//double",
        f"{PRODUCT.safe}/./dot",
        "another.SAFE/file",
        "file-beside",
        f"{PRODUCT.safe}/GRANULE/aux.txt",
        f"{PRODUCT.safe}/NUL",
        f"{PRODUCT.safe}/ends with dot./file",
        f"{PRODUCT.safe}/line\nbreak",
        f"{PRODUCT.safe}/MANIFEST.SAFE",  # doubled where case does not count
        f"{PRODUCT.safe}/MTD_MSIL1C.xml/inside-a-file",
    ],
)
def test_a_member_with_a_dangerous_name_is_refused(tmp_path: Path, name: str) -> None:
    refused(l1c_zip(also={name: b"evil"}), tmp_path / "into", str(PRODUCT))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["into"]


def test_a_symbolic_link_is_refused(tmp_path: Path) -> None:
    body = io.BytesIO(l1c_zip())
    with zipfile.ZipFile(body, "a") as archive:
        link = zipfile.ZipInfo(f"{PRODUCT.safe}/link")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    refused(body.getvalue(), tmp_path, "link")


def test_a_member_given_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        body = l1c_zip(also={f"{PRODUCT.safe}/manifest.safe": b"another"})
    refused(body, tmp_path, "twice")


def test_an_encrypted_member_is_refused(tmp_path: Path) -> None:
    body = bytearray(l1c_zip())
    flags = body.index(b"PK\x01\x02") + 8  # of the first entry of the central directory
    body[flags] |= 1
    refused(bytes(body), tmp_path, "encrypted")


def test_what_is_no_zip_is_refused(tmp_path: Path) -> None:
    refused(b"<html>Service unavailable</html>", tmp_path, "no complete zip file")
    refused(b"", tmp_path, "no complete zip file")


@pytest.mark.parametrize("part", [0.01, 0.5, 0.95, 0.999])
def test_a_zip_that_is_cut_short_is_refused(tmp_path: Path, part: float) -> None:
    body = l1c_zip()
    refused(body[: int(len(body) * part)], tmp_path, "no complete zip file|damaged at")


def test_a_flipped_bit_is_found_by_the_checksum(tmp_path: Path) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_STORED) as archive:
        for name, data in l1c_members().items():
            archive.writestr(f"{PRODUCT.safe}/{name}", data)
    damaged = bytearray(body.getvalue())
    damaged[damaged.index(b"band band") + 7] ^= 1
    refused(bytes(damaged), tmp_path, "CRC")


def test_a_product_without_all_bands_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, data in l1c_members().items():
            if "_B05" not in name and "_B8A" not in name:
                archive.writestr(f"{PRODUCT.safe}/{name}", data)
    refused(body.getvalue(), tmp_path, "B05, B8A missing")


def test_more_bytes_than_any_product_has_are_refused(tmp_path: Path) -> None:
    bomb = l1c_zip(also={f"{PRODUCT.safe}/zeros": bytes(30_000_000)})
    assert len(bomb) < 100_000
    refused(bomb, tmp_path, "at most 5000 with 20000000 are accepted", limits=Limits(total_bytes=20_000_000))


def test_more_members_than_any_product_has_are_refused(tmp_path: Path) -> None:
    refused(l1c_zip(), tmp_path, "at most 10 with", limits=Limits(members=10))


def test_a_member_longer_than_it_states_is_refused(tmp_path: Path) -> None:
    body = bytearray(l1c_zip(also={f"{PRODUCT.safe}/zeros": bytes(100_000)}))
    entry = body.rindex(b"PK\x01\x02")
    body[entry + 24 : entry + 28] = struct.pack("<I", 10)  # the stated size
    refused(bytes(body), tmp_path, "zeros")


def test_a_member_shorter_than_it_states_is_refused(tmp_path: Path) -> None:
    body = bytearray(l1c_zip(also={f"{PRODUCT.safe}/zeros": bytes(1000)}))
    entry = body.rindex(b"PK\x01\x02")
    body[entry + 24 : entry + 28] = struct.pack("<I", 2000)
    refused(bytes(body), tmp_path, "2000 bytes for zeros; 1000 came out")


def test_a_directory_too_large_for_memory_is_refused_unread(tmp_path: Path) -> None:
    class Endless(io.BytesIO):
        largest = 0

        def read(self, size: int | None = -1, /) -> bytes:
            self.largest = max(self.largest, size or 0)
            return super().read(size)

    body = bytes(40_000_000)
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 60_000, 60_000, len(body), 0, 0)
    file = Endless(body + end)
    with pytest.raises(BadProduct, match="directory is 40000000 bytes long"):
        unpack(file, PRODUCT, tmp_path)
    assert file.largest < 1_000_000


def test_a_disk_without_room_is_no_fault_of_the_product(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"needs about \d+ MiB of disk to be corrected; 10 are free"):
        unpack(io.BytesIO(l1c_zip()), PRODUCT, tmp_path, free=lambda _: 10 * 1024**2)
    assert list(tmp_path.iterdir()) == []


def test_a_product_that_may_not_fill_so_much_disk_waits_for_a_larger_one(tmp_path: Path) -> None:
    with pytest.raises(TransientError, match=r"it may fill 100 \(CORRECTION_SCRATCH_GIB\)"):
        unpack(io.BytesIO(l1c_zip()), PRODUCT, tmp_path, limits=Limits(scratch_bytes=100 * 1024**2))
    assert list(tmp_path.iterdir()) == []


def needed(body: bytes, into: Path) -> int:
    """MiB of disk that a product says it needs."""
    with pytest.raises(TransientError) as caught:
        unpack(io.BytesIO(body), PRODUCT, into, free=lambda _: 0)
    found = re.search(r"needs about (\d+) MiB", str(caught.value))
    assert found is not None
    return int(found[1])


def test_the_room_is_that_of_input_work_files_and_output_of_a_tile_of_this_size(tmp_path: Path) -> None:
    whole = needed(l1c_zip(), tmp_path)
    assert 2_500 < whole < 4_000, "nothing is known of the size: a whole tile"
    assert needed(l1c_zip(also={f"{PRODUCT.safe}/more": bytes(50 * 1024**2)}), tmp_path) == whole + 50
    small = l1c_members()
    small[next(name for name in small if name.endswith("MTD_TL.xml"))] = TILE_XML.encode()
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, data in small.items():
            archive.writestr(f"{PRODUCT.safe}/{name}", data)
    assert needed(body.getvalue(), tmp_path) < 100, "16 x 16 pixels"


def test_members_are_read_in_the_order_in_which_they_lie_there(tmp_path: Path) -> None:
    """A zip in a store is read once from its beginning to its end, whatever the order of its directory."""

    class Seen(io.BytesIO):
        reads: ClassVar[list[int]] = []

        def read(self, size: int | None = -1, /) -> bytes:
            self.reads.append(self.tell())
            return super().read(size)

    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, data in l1c_members().items():
            archive.writestr(f"{PRODUCT.safe}/{name}", data)
        archive.filelist.reverse()
    file = Seen(body.getvalue())
    unpack(file, PRODUCT, tmp_path)
    first = next(place for place, at in enumerate(file.reads) if at == 0)
    assert file.reads[first:] == sorted(file.reads[first:])


def test_stopping_half_way_leaves_nothing_behind(tmp_path: Path) -> None:
    chunks = []

    def checkpoint() -> None:
        chunks.append(1)
        if len(chunks) == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        unpack(io.BytesIO(l1c_zip()), PRODUCT, tmp_path, checkpoint=checkpoint)
    assert list(tmp_path.iterdir()) == []


@settings(deadline=None)  # a disk may be busy
@given(where=st.integers(min_value=0, max_value=10_000_000), value=st.integers(min_value=0, max_value=255))
def test_no_changed_byte_lets_anything_out_or_an_unforeseen_error_in(
    tmp_path_factory: pytest.TempPathFactory, where: int, value: int
) -> None:
    body = bytearray(l1c_zip())
    body[where % len(body)] = value
    below = tmp_path_factory.mktemp("fuzz")
    into = below / "into"
    try:
        unpack(io.BytesIO(bytes(body)), PRODUCT, into)
    except PermanentError:
        assert list(into.rglob("*")) == []
    assert [path.name for path in below.iterdir()] == ["into"]


@needs_shared
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name[:26])
def test_a_real_old_product_is_unpacked_whole_with_its_empty_folders(tmp_path: Path, path: Path) -> None:
    product = ProductName.parse(path.name)
    with path.open("rb") as archive:
        folder = unpack(archive, product, tmp_path)
    with zipfile.ZipFile(path) as opened:
        sizes = {i.filename: i.file_size for i in opened.infolist() if not i.is_dir()}
    found = {p.relative_to(tmp_path).as_posix(): p.stat().st_size for p in folder.rglob("*") if p.is_file()}
    assert found == sizes
    assert (folder / "AUX_DATA").is_dir()


@needs_shared
def test_a_real_cut_download_is_refused(tmp_path: Path) -> None:
    (path,) = (SHARED / "data" / "safe").glob("truncated_*.zip")
    with path.open("rb") as archive, pytest.raises(BadProduct, match="no complete zip file"):
        unpack(archive, PRODUCT, tmp_path)


@needs_shared
def test_a_real_product_with_a_long_name_is_refused_by_its_name() -> None:
    (path,) = (SHARED / "data" / "safe").glob("S2A_OPER_*.zip")
    with pytest.raises(LongProductName, match="before 2016-12-06"):
        ProductName.parse(path.name)
