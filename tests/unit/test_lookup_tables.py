"""Lookup tables from outside: read without pickle, or refused with one sentence."""

from __future__ import annotations

import hashlib
import pickle
import tracemalloc
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.lookup_tables import MOST_BYTES, load_lookup_table, parse_lookup_table
from shared.errors import BadModel
from shared.safe import ICE_BANDS
from shared.science.retrieval import MOST_PARAMETERS, MOST_SPECTRA, Parameter
from tests.conftest import ROOT
from tests.lookup_tables import content, npz, table
from tests.npz_files import Evil, zip_with


def test_a_table_is_read_with_its_names_units_and_hash() -> None:
    arrays = content(12, zeniths=(30, 50))
    data = npz(**arrays)
    found = parse_lookup_table(data, name="models/grains.npz")
    assert found.name == "models/grains.npz"
    assert found.parameters == (Parameter("grain_radius", "um"), Parameter("algae", "ng g-1"))
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.values == arrays["values"]).all()
    assert (found.spectra == arrays["spectra"]).all()
    assert found.sun_zenith is not None
    assert found.sun_zenith.tolist() == [30, 50] * 6


@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<f8"])
def test_any_usual_kind_of_number_will_do(dtype: str) -> None:
    arrays = content(5)
    found = table(
        **arrays | {"spectra": np.asfortranarray(arrays["spectra"].astype(dtype)), "values": np.ones((5, 2), np.uint8)}
    )
    assert found.spectra == pytest.approx(arrays["spectra"], abs=1e-6)
    assert found.values.tolist() == [[1, 1]] * 5


def test_the_example_of_the_documentation_makes_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (ROOT / "docs/retrievals.md").read_text(encoding="utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    assert sum(bool(line) for line in example.splitlines()) <= 10
    monkeypatch.chdir(tmp_path)
    exec(example, {})  # noqa: S102  # the project's own page
    found = load_lookup_table(tmp_path / "table.npz")
    assert [parameter.name for parameter in found.parameters] == ["brightness", "blue_slope"]
    assert found.spectra.shape[1] == len(ICE_BANDS)


def npy(array: Any, version: tuple[int, int] = (1, 0)) -> bytes:
    body = BytesIO()
    np.lib.format.write_array(body, np.asarray(array), version)
    return body.getvalue()


def header(shape: str, data: bytes = b"") -> bytes:
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def members(**changes: bytes) -> bytes:
    return zip_with(**{name: npy(array) for name, array in content(4).items()} | changes)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no table",
        npy(np.ones(3)),
        pickle.dumps(Evil()),
        npz(**content())[:-100],
        npz(**content() | {"spectra": np.array([Evil()], object)}),
        zip_with(**dict.fromkeys(content(), b"")),
        members(spectra=npy(content(4)["spectra"], (3, 0))),
        members(spectra=header("(4, 9)", b"\x00" * 280)),
        members(spectra=header("(4, 9)", b"\x00" * 296)),
        members(spectra=header("(10000000000000, 9)")),
        members(spectra=header("(-4, -9)", b"\x00" * 288)),
        members(spectra=header("(4, 1" + "0" * 30 + ")", b"\x00" * 288)),
        members(spectra=header("'x'", b"\x00" * 288)),
    ],
    ids=[
        "empty", "text", "npy", "pickle", "cut", "pickled array", "no arrays", "other version", "short", "long",
        "absurd shape", "negative shape", "endless shape", "no shape",
    ],
)  # fmt: skip
def test_what_is_no_table_is_one_sentence_and_no_pickle_runs(data: bytes) -> None:
    with pytest.raises(BadModel, match=r"^The lookup table x\.npz is (unreadable|refused): ") as caught:
        parse_lookup_table(data, name="x.npz")
    assert "\n" not in str(caught.value)


@settings(max_examples=60)
@given(at=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_a_damaged_file_is_refused_or_holds_the_same_numbers(at: int, flip: int) -> None:
    data = bytearray(npz(**content(6)))
    data[at % len(data)] ^= flip
    try:
        found = parse_lookup_table(bytes(data), name="x")
    except BadModel:
        return
    assert (found.spectra == content(6)["spectra"]).all()


def test_a_file_that_unpacks_to_more_than_is_accepted_is_refused_before_it_is_unpacked() -> None:
    data = members(values=b"\x00" * (MOST_BYTES + 1))
    assert len(data) < 1_000_000
    with pytest.raises(BadModel, match=f"at most {MOST_BYTES} are accepted"):
        parse_lookup_table(data, name="x")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"spectra": np.zeros((4, 3_000_000), np.uint8)}, r"'spectra' has the shape \(4, 3000000\); expected \(4, 9\)"),
        ({"spectra": np.zeros((3_000_000, 9), np.uint8)}, "It holds 3000000 spectra; expected 1 to 200000"),
        ({"values": np.zeros((3_000_000, 2), np.int8)}, r"'values' has the shape \(3000000, 2\); expected \(4, 2\)"),
        ({"sun_zenith": np.zeros(9_000_000, np.uint8)}, r"'sun_zenith' has the shape \(9000000,\); expected \(4,\)"),
        (dict.fromkeys(("parameters", "units"), np.zeros(1_000_000, "U1")), "It holds 1000000 parameters"),
    ],
    ids=["wide spectra", "many spectra", "many values", "many angles", "many names"],
)
def test_arrays_of_a_wrong_size_are_refused_before_they_are_made_larger(changes: dict[str, Any], sentence: str) -> None:
    data = npz(**content(4) | changes)
    tracemalloc.start()
    with pytest.raises(BadModel, match=sentence):
        parse_lookup_table(data, name="x")
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4 * sum(array.nbytes for array in changes.values()) + 2_000_000  # zipfile holds three times as much


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "big.npz"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(BadModel, match=f"big.npz has {MOST_BYTES + 1} bytes; at most {MOST_BYTES} are accepted"):
        load_lookup_table(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"nothing\.npz cannot be read: No such file or directory\."):
        load_lookup_table(tmp_path / "nothing.npz")


def test_the_largest_table_is_within_the_bytes_that_are_accepted() -> None:
    assert MOST_SPECTRA * (len(ICE_BANDS) + MOST_PARAMETERS + 1) * 8 < MOST_BYTES


NAMES = ("grain_radius", "algae")


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"more": np.zeros(3)}, "should hold the arrays parameters, units, values, spectra, perhaps sun_zenith"),
        ({"units": np.array(["um"])}, "names 2 parameters and 1 units"),
        ({"units": np.array([1, 2])}, "The array 'units' is int64 in 1 dimensions; expected text"),
        ({"units": np.array(["um", ""])}, "The unit of algae is ''"),
        ({"units": np.array(["um", "a\nb"])}, "The unit of algae is 'a.b'"),
        ({"parameters": np.array([NAMES])}, "in 2 dimensions; expected text in one"),
        ({"parameters": np.array(["algae", "algae"])}, "It names algae twice"),
        ({"parameters": np.array(["algae", "../x"])}, "'../x' cannot name a file"),
        ({"parameters": np.array(["algae", "Grain"])}, "'Grain' cannot name a file"),
        ({"parameters": np.array(["algae", "a" * 32])}, "cannot name a file"),
        ({"parameters": np.array(["algae", "x\n"])}, "cannot name a file"),
        ({"parameters": np.array(["algae", "residual"])}, "No parameter may be called 'residual'"),
        ({"parameters": np.array([], "U1"), "units": np.array([], "U1")}, "0 parameters; expected 1 to 32"),
        ({"values": np.ones((4, 3))}, r"'values' has the shape \(4, 3\); expected \(4, 2\)"),
        ({"values": np.ones(4)}, "expected real numbers in 2"),
        ({"values": np.full((4, 2), np.nan)}, "'values' holds numbers that are not finite"),
        ({"values": np.full((4, 2), 1e300)}, "beyond float32"),
        ({"values": np.full((4, 2), -9999.0)}, "-9999, which is nodata"),
        ({"values": np.ones((4, 2), complex)}, "complex128 in 2 dimensions; expected real numbers"),
        ({"values": np.ones((4, 2), bool)}, "expected real numbers"),
        ({"spectra": np.ones((4, 8))}, r"'spectra' has the shape \(4, 8\); expected \(4, 9\)"),
        ({"spectra": np.ones((0, 9))}, "It holds 0 spectra; expected 1 to 200000"),
        ({"spectra": np.zeros((MOST_SPECTRA + 1, 9), np.uint8)}, "It holds 200001 spectra"),
        ({"spectra": np.full((4, 9), np.inf)}, "'spectra' holds numbers that are not finite"),
        ({"spectra": np.full((4, 9), 5000)}, "reach from 5000 to 5000; expected reflectances"),
        ({"sun_zenith": np.ones(3)}, r"'sun_zenith' has the shape \(3,\); expected \(4,\)"),
        ({"sun_zenith": np.full(4, 90.0)}, "reach from 90 to 90 degrees"),
        ({"sun_zenith": np.full(4, -1.0)}, "reach from -1 to -1 degrees"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_with_what_is_wrong(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadModel, match=rf"^The lookup table models/table\.npz is refused: .*{sentence}"):
        table(**content(4) | changes)


def test_a_table_without_spectra_is_refused() -> None:
    arrays = content(4)
    del arrays["spectra"]
    with pytest.raises(BadModel, match="should hold the arrays"):
        table(**arrays)


@given(name=st.text("az_-./\\ 1Zé\n", max_size=6))
def test_a_name_that_is_taken_makes_a_plain_file_name(name: str) -> None:
    try:
        layer = Parameter(name, "1").layer
    except ValueError:
        return
    file = layer.file_name("22WEV", "20190716T151911", 20)
    assert file.replace("_", "").replace("-", "").replace(".", "").isalnum()
    assert file.count("_") == 3
