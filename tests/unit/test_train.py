from __future__ import annotations

import csv
import hashlib
import json
import pickle
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from skops import io

from models.train import Recipe, train, write
from models.training import correlation, draw, read_statistics
from shared.adapters.models import SHIPPED, load_classifier, parse_classifier
from shared.errors import BadModel
from shared.safe import ICE_BANDS
from shared.science.classes import SurfaceClass
from tests.conftest import SHARED, needs_shared

SMALL = Recipe(per_class=60, held_out=40, trees=4, leaves=8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model")
    write(path, SMALL)
    return path


def spectra(reduced: float, count: int = 300) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Spectra of all classes with the class's spread times ``reduced``, as simulated scenes have them."""
    random, parts = np.random.default_rng(5), []
    for one in read_statistics():
        covariance = correlation(one.surface) * np.outer(one.sd, one.sd) * reduced**2
        parts.append(random.multivariate_normal(one.mean, covariance, count))
    codes = np.repeat([one.surface.value for one in read_statistics()], count).astype(np.uint8)
    return np.concatenate(parts).astype(np.float32), codes


@pytest.mark.parametrize("bias", [-0.02, 0.0, 0.02])
def test_the_shipped_classifier_withstands_small_biases(bias: float) -> None:
    features, codes = spectra(0.5)
    found, _ = load_classifier().vote(features + np.float32(bias))
    assert (found == codes).mean() > 0.93


def test_the_shipped_classifier_is_small_and_its_trees_have_at_most_64_leaves() -> None:
    card = json.loads((SHIPPED / "card.json").read_bytes())
    assert card["forest"] == {"trees": 64, "leaves_at_most": 64, "largest_tree": 64}
    assert (SHIPPED / "model.skops").stat().st_size < 2_000_000


def test_the_shipped_card_says_what_must_be_known() -> None:
    card = json.loads((SHIPPED / "card.json").read_bytes())
    assert card["classes"] == ["SN", "WAT", "CC", "CI", "LA", "HA"]
    assert card["bands"] == list(ICE_BANDS)
    assert "10.5194/tc-14-309-2020" in card["data"]["source"]
    assert card["held_out"]["accuracy"] > 0.9
    assert np.array(card["held_out"]["confusion"]["counts"]).sum() == card["held_out"]["spectra"]
    assert card["limits"]
    assert card["sha256"] in (SHIPPED / "card.md").read_text()


def test_the_shipped_forest_is_the_recipes() -> None:
    shipped = io.load(SHIPPED / "model.skops", trusted=["sklearn.tree._tree.Tree"])
    versions = json.loads((SHIPPED / "card.json").read_bytes())["versions"]
    import sklearn

    if versions["scikit-learn"] != sklearn.__version__ or versions["numpy"] != np.__version__:
        pytest.skip("the shipped forest was grown with other library versions")
    features, _ = spectra(1.0, 100)
    assert (train(Recipe()).predict_proba(features) == shipped.predict_proba(features)).all()


def test_the_same_seed_grows_the_same_forest_and_another_seed_another() -> None:
    features, _ = spectra(1.0, 50)
    shares = [train(recipe).predict_proba(features) for recipe in (SMALL, SMALL, Recipe(**{**_as(SMALL), "seed": 2}))]
    assert (shares[0] == shares[1]).all()
    assert (shares[0] != shares[2]).any()


def _as(recipe: Recipe) -> dict[str, Any]:
    return {name: getattr(recipe, name) for name in ("per_class", "held_out", "trees", "leaves")}


@pytest.mark.parametrize("statistics", read_statistics(), ids=lambda one: one.surface.short)
def test_drawn_spectra_have_the_statistics_of_their_class(statistics: Any) -> None:
    from models.training import Disturbance

    drawn = draw(statistics, 4000, Disturbance(0, 0, 0, beyond=3), np.random.default_rng(1))
    assert drawn.mean(axis=0) == pytest.approx(statistics.mean, abs=0.012)
    assert drawn.min() >= 0.001
    visible = np.corrcoef(drawn[:, :7].T)
    assert visible.min() > 0.6


def test_the_statistics_name_every_class_and_band() -> None:
    read = read_statistics()
    assert [one.surface for one in read] == list(SurfaceClass)
    assert all(((one.low <= one.mean) & (one.mean <= one.high)).all() for one in read)


def test_a_written_model_folder_loads(folder: Path) -> None:
    classifier = load_classifier(folder)
    assert (classifier.name, classifier.bands, classifier.classes) == ("ice_surface", ICE_BANDS, tuple(SurfaceClass))
    assert classifier.sha256 == hashlib.sha256((folder / "model.skops").read_bytes()).hexdigest()


def test_votes_do_not_depend_on_the_company(folder: Path) -> None:
    forest = load_classifier(folder).forest
    features, _ = spectra(1.0, 20)
    alone = np.concatenate([forest.shares(row[None]) for row in features])
    assert (alone == forest.shares(features)).all()


def parsed(model: bytes, **changes: Any) -> Any:
    """Load ``model`` with a card that fits it, except for ``changes``."""
    card = {
        "name": "x",
        "version": "1",
        "bands": list(ICE_BANDS),
        "classes": [surface.short for surface in SurfaceClass],
        "features": "surface reflectance",
        "sha256": hashlib.sha256(model).hexdigest(),
    }
    return parse_classifier(json.dumps(card | changes).encode(), model, source="x")


def test_a_model_that_is_not_its_cards_is_refused(folder: Path) -> None:
    model = (folder / "model.skops").read_bytes()
    with pytest.raises(BadModel, match="is not the file its card describes"):
        parsed(model + b"\x00", sha256=hashlib.sha256(model).hexdigest())


class Evil:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (pytest.fail, ("a pickle was executed",))


def zip_with(**files: bytes) -> bytes:
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for name, data in files.items():
            archive.writestr(name.replace("_", "."), data)
    return body.getvalue()


@pytest.mark.parametrize(
    "model",
    [b"", b"no model", pickle.dumps(Evil()), zip_with(schema_json=b'{"a":' * 50_000), zip_with(other_txt=b"")],
    ids=["empty", "text", "pickle", "schema too deep", "no schema"],
)
def test_an_unreadable_model_is_one_sentence_and_no_pickle_runs(model: bytes) -> None:
    with pytest.raises(BadModel, match=r"^model\.skops of model x is unreadable: "):
        parsed(model)


def test_a_card_that_names_a_band_twice_is_refused(folder: Path) -> None:
    with pytest.raises(BadModel, match="names something twice"):
        parsed((folder / "model.skops").read_bytes(), bands=["B02", "B02"])


def test_a_model_with_foreign_types_is_refused() -> None:
    with pytest.raises(BadModel, match="holds types that are not trusted"):
        parsed(io.dumps(Path))


def test_another_kind_of_model_is_refused() -> None:
    from sklearn.linear_model import LogisticRegression

    with pytest.raises(BadModel, match="is a LogisticRegression; expected a trained forest"):
        parsed(io.dumps(LogisticRegression()))


@pytest.mark.parametrize(
    ("array", "value"), [("children_left", 10**6), ("children_right", 0), ("feature", 50), ("feature", -7)]
)
def test_trees_that_point_outside_themselves_are_refused_before_they_crash_anything(array: str, value: int) -> None:
    forest = train(SMALL)
    getattr(forest.estimators_[1].tree_, array)[0] = value
    with pytest.raises(BadModel, match="nodes point outside the tree"):
        parsed(io.dumps(forest))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"bands": list(ICE_BANDS[:8])}, "takes 9 bands, its card names 8"),
        ({"bands": ["B01", *ICE_BANDS[1:]]}, "card.json of model x is refused at bands.0"),
        ({"classes": ["SN", "WAT"]}, "has other classes than its card names"),
        ({"classes": ["SN", "??"]}, "card.json of model x is refused at classes.1"),
        ({"features": "radiance"}, "card.json of model x is refused at features"),
        ({"sha256": "abc"}, "card.json of model x is refused at sha256"),
    ],
)
def test_a_card_that_does_not_fit_is_refused(folder: Path, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadModel, match=sentence.replace("?", r"\?")):
        parsed((folder / "model.skops").read_bytes(), **changes)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadModel, match=r"is no model folder: card\.json and model\.skops are needed"):
        load_classifier(tmp_path)


@needs_shared
def test_measured_field_spectra_are_mostly_named_as_their_finders_named_them() -> None:
    data = SHARED / "data/spectra"
    response = np.genfromtxt(data / "msi_srf_S2A.tsv", names=True, delimiter="\t")
    with (data / "site_classes_2017.csv").open() as file:
        labels = {row["spectrum"]: SurfaceClass.of(row["class"]) for row in csv.DictReader(file)}
    names = (data / "field_hcrf_2017.csv").read_text().partition("\n")[0].split(",")
    field = dict(zip(names, np.genfromtxt(data / "field_hcrf_2017.csv", skip_header=1, delimiter=",").T, strict=True))
    wavelengths = 350 + np.arange(len(field[names[1]]))
    features, truth = [], []
    for name, surface in labels.items():
        spectrum = []
        for band in ICE_BANDS:
            weight = np.interp(wavelengths, response["Wavelength"], response[band.replace("B0", "B")])
            known = np.isfinite(field[name]) & (weight > 0)
            spectrum.append(np.average(field[name][known], weights=weight[known]))
        features.append(spectrum)
        truth.append(surface.value)
    found, _ = load_classifier().vote(np.array(features, np.float32))
    assert (found == np.array(truth)).mean() > 0.85
