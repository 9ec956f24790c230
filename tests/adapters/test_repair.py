"""Old products whose empty folders got lost on the way: Sen2Cor gives up on them, so they are repaired."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from shared.adapters.sen2cor import Sen2Cor, choose_commands
from shared.adapters.unpack import unpack
from shared.errors import CorrectionFailed
from shared.models import ProductName
from shared.settings import Correction
from tests.adapters.test_unpack import REAL
from tests.conftest import needs_shared
from tests.standins.l1c import PRODUCT, l1c_zip, standin


def corrected_by_standin(l1c: Path, below: Path) -> str:
    """Correct an unpacked product; the stand-in misses the folders that Sen2Cor misses, with the same sentence."""
    below.mkdir()
    commands = choose_commands(Correction(command=str(standin(below, "succeed"))))
    return Sen2Cor(commands).correct(l1c, below / "run", on_progress=lambda _: None).processor


def with_lost_folders(source: bytes) -> bytes:
    """The zip without its entries for folders, and without all of HTML and AUX_DATA: as tools pass them on."""
    body = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(source)) as opened, zipfile.ZipFile(body, "w") as archive:
        for entry in opened.infolist():
            if not entry.is_dir() and not {"HTML", "AUX_DATA"} & set(entry.filename.split("/")):
                archive.writestr(entry, opened.read(entry))
    return body.getvalue()


def test_a_product_with_lost_folders_is_repaired_before_the_run(tmp_path: Path) -> None:
    body, product = with_lost_folders(l1c_zip()), PRODUCT
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        archive.extractall(tmp_path / "plain")
    with pytest.raises(CorrectionFailed, match="3181 Error in creating L2A User Product"):
        corrected_by_standin(tmp_path / "plain" / product.safe, tmp_path / "first")
    repaired = unpack(io.BytesIO(body), product, tmp_path / "ours")
    assert corrected_by_standin(repaired, tmp_path / "second") == "Sen2Cor 02.12.03"


@needs_shared
@pytest.mark.parametrize("path", REAL, ids=lambda path: path.name[:26])
def test_a_real_old_product_with_lost_folders_is_repaired_before_the_run(tmp_path: Path, path: Path) -> None:
    product, body = ProductName.parse(path.name), with_lost_folders(path.read_bytes())
    folder = unpack(io.BytesIO(body), product, tmp_path / "ours")
    (granule,) = (folder / "GRANULE").iterdir()
    assert all(lost.is_dir() for lost in (folder / "AUX_DATA", folder / "HTML", granule / "AUX_DATA"))
    assert corrected_by_standin(folder, tmp_path / "run") == "Sen2Cor 02.12.03"
