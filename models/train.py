"""Train classifiers: ``python -m models.train`` for the shipped ones, ``--help`` for one of your own spectra."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import BadTable
from models.evaluation import cross_validate, with_others
from models.folder import Model, shipped, write
from models.recipe import Recipe
from models.spectra import drone_responses, read_responses, read_spectra
from models.statistics import STATISTICS, STATISTICS_DRONE, of_spectra, read_statistics
from shared.errors import IceWatchError
from shared.safe import ICE_BANDS
from shared.science.drone import DRONE_BANDS

_OWN = "Field spectra given by the user: {spectra}, classes: {labels}. Classes without spectra of their own: {table}."
_OWN_LIMITS = (
    "Made from the spectra named above; it knows the places and days they were measured and no others.",
    "Classes without spectra of their own rest on a table of statistics.",
)


def parser() -> argparse.ArgumentParser:
    """The options; all have a meaning when left out."""
    usual = Recipe()
    found = argparse.ArgumentParser(
        prog="python -m models.train",
        description="Train the shipped classifiers again, or one of your own field spectra or class statistics.",
    )
    found.add_argument("--out", type=Path, help="model folder to write; the shipped models: folder of both folders")
    found.add_argument(
        "--spectra", type=Path, help="CSV, a column per spectrum; rows 350, 351 ... nm or a wavelength column"
    )
    found.add_argument("--labels", type=Path, help="CSV with the columns spectrum and class (SN WAT CC CI LA HA)")
    found.add_argument(
        "--responses", type=Path, nargs="+", help="ESA's band responses as text, one table per platform, taken together"
    )
    found.add_argument("--drone", action="store_true", help="for the MicaSense RedEdge instead of Sentinel-2")
    found.add_argument("--statistics", type=Path, help="class statistics, for the classes that have no spectra")
    found.add_argument("--name", default="own", help="of the model")
    found.add_argument("--seed", type=int, default=usual.seed, help="of all random numbers")
    found.add_argument("--per-class", type=int, default=usual.sampling.per_class, help="training spectra of a class")
    found.add_argument("--trees", type=int, default=usual.trees, help="of the forest")
    found.add_argument("--folds", type=int, default=10, help="of the cross-validation")
    return found


def run(arguments: Sequence[str]) -> int:
    """Train what the arguments ask for; 0: done, 2: an argument or a table is refused, with a sentence."""
    options = parser()
    chosen = options.parse_args(arguments)
    for name, low, high in (("seed", 0, 2**32 - 1), ("per_class", 10, 100_000), ("trees", 1, 1000), ("folds", 2, 100)):
        if not low <= getattr(chosen, name) <= high:
            options.error(f"--{name.replace('_', '-')} is {getattr(chosen, name)}; expected {low} to {high}")
    own = chosen.spectra is not None or chosen.statistics is not None
    if own and chosen.out is None:
        options.error("--out is needed with --spectra or --statistics")
    if (chosen.spectra is None) != (chosen.labels is None):
        options.error("--spectra and --labels belong together")
    if chosen.spectra is not None and not chosen.drone and not chosen.responses:
        options.error("--responses is needed with --spectra, unless it is for a --drone")
    usual = Recipe()
    sampling = replace(usual.sampling, per_class=chosen.per_class)
    recipe = replace(usual, seed=chosen.seed, trees=chosen.trees, sampling=sampling)
    try:
        wanted = {chosen.out: _own(chosen, recipe)} if own else _shipped(chosen.out, recipe)
        for folder, model in wanted.items():
            print(_line(folder, write(folder, model)))
    except IceWatchError as fault:
        print(f"icewatch: {fault}", file=sys.stderr)
        return 2
    return 0


def _shipped(out: Path | None, recipe: Recipe) -> dict[Path, Model]:
    models = shipped(recipe)
    return models if out is None else {out / folder.name: model for folder, model in models.items()}


def _own(chosen: argparse.Namespace, recipe: Recipe) -> Model:
    bands = DRONE_BANDS if chosen.drone else ICE_BANDS
    table = chosen.statistics or (STATISTICS_DRONE if chosen.drone else STATISTICS)
    known = read_statistics(bands, table)
    if chosen.spectra is None:
        source = f"Class statistics given by the user: {table.name}."
        return Model(chosen.name, "1", bands, "As in the table.", source, known, _OWN_LIMITS, recipe)
    spectra = read_spectra(chosen.spectra, chosen.labels)
    responses = [drone_responses()] if chosen.drone else [read_responses(path, bands) for path in chosen.responses]
    platforms = np.stack([spectra.weighted(one) for one in responses])
    measured = of_spectra(platforms, spectra.codes, bands)
    if not measured:
        raise BadTable(f"No class in {chosen.labels} has the three spectra that statistics need.")
    others = [one for one in known if one.surface not in {mine.surface for mine in measured}]
    return Model(
        chosen.name,
        "1",
        bands,
        ("Gaussian bands of the drone camera." if chosen.drone else ", ".join(path.name for path in chosen.responses)),
        _OWN.format(spectra=chosen.spectra.name, labels=chosen.labels.name, table=table.name),
        with_others(measured, others),
        _OWN_LIMITS,
        recipe,
        cross_validate(platforms, spectra.codes, others, recipe, chosen.folds),
    )


def _line(folder: Path, card: dict[str, Any]) -> str:
    crossed = card["cross_validation"]
    found, how = (crossed, "cross-validated") if crossed else (card["drawn"], "on drawn spectra held out")
    return (
        f"{folder}: {card['forest']['trees']} trees, accuracy {found['accuracy']:.3f}, F1 {found['f1']:.3f} {how}, "
        f"SHA-256 {card['sha256'][:12]}"
    )


def main() -> None:
    """Entry of ``python -m models.train``."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
