"""The model card in Markdown, written from card.json's content so that the two never differ."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_KINDS = {"best": "trees of best splits", "random": "extremely randomised trees"}
_MEANS = ("accuracy", "precision", "recall", "f1", "f1_weighted")


def as_markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    data, forest = card["data"], card["forest"]
    parts = [
        f"# Model card: {card['name']} {card['version']}",
        (
            f"A forest of {forest['trees']} {_KINDS[forest['growth']]} with at most {forest['leaves_at_most']} leaves "
            f"that names the ice surface of a pixel from its {card['features']} (0-1) in {', '.join(card['bands'])}."
        ),
        "Written by `python -m models.train`; do not edit. docs/model.md says why it is made this way.",
        "## Classes",
        "\n".join(
            f"- {short}: {card['class_labels'][short]} ({data['spectra_behind_classes'][short]} spectra behind it)"
            for short in card["classes"]
        ),
        "![Spectra of the classes](spectra.png)",
        "## Data",
        data["source"],
        data["responses"],
        _sampling(data["sampling"]),
        *_measured(card),
        "![Confusion matrix](confusion.png)",
        "## Limits",
        "\n".join(f"- {limit}" for limit in card["limits"]),
        "## Identity",
        f"SHA-256 of the forest's content `{card['sha256']}`. Seed {card['seed']}. "
        + ", ".join(f"{name} {version}" for name, version in card["versions"].items())
        + f". Licence {card['licence']}.",
    ]
    return "\n\n".join(parts) + "\n"


def _sampling(sampling: Mapping[str, Any]) -> str:
    how = sampling["disturbance"]
    return (
        f"Spectra to train on are drawn: {sampling['per_class']} of the class with the most behind it, of others in "
        f"proportion to (spectra behind the class)^{sampling['balance']:g}; log-normal with the class's moments and "
        "correlations, these drawn toward the mean of all measured classes as by "
        f"{sampling['shrinkage']:g} more spectra; cut off {sampling['beyond']:g} standard deviations beyond the "
        f"smallest and largest seen. Then each is disturbed: {100 * how['mixed']:.0f} % hold up to "
        f"{100 * how['mixture']:.0f} % of another class's spectrum (mixed pixels); brightness is changed as a whole by "
        f"{100 * how['brightness']:g} % (standard deviation; slope and shadow, which also take snow beyond 1); "
        f"a smooth offset of {how['haze']:g} in the first band falling to a fifth of it in the last (residue of the "
        "atmosphere) "
        f"and {how['noise']:g} in each band by itself are added."
    )


def _measured(card: Mapping[str, Any]) -> list[str]:
    parts: list[str] = []
    if crossed := card["cross_validation"]:
        parts += [
            f"## Measured on {crossed['spectra']} field spectra, {crossed['folds']}-fold cross-validation",
            (
                "Statistics, sampling and growing were repeated for each fold; no spectrum was known to the forest "
                f"that named it. {_platforms(crossed)}"
            ),
            *_scores(crossed),
        ]
    drawn = card["drawn"]
    return [*parts, f"## Measured on {drawn['spectra']} spectra drawn alike and held out", *_scores(drawn)]


def _platforms(crossed: Mapping[str, Any]) -> str:
    if crossed["platforms"] == 1:
        return ""
    same = 100 * crossed["same_on_all_platforms"]
    return f"{same:.1f} % of them get the same name from the bands of all {crossed['platforms']} platforms."


def _scores(found: Mapping[str, Any]) -> list[str]:
    means = [
        (name.replace("_", ", "), f"{found[name]:.3f}", "{:.3f} to {:.3f}".format(*found["interval_95"][name]))
        for name in _MEANS
    ]
    classes = [
        (short, *(f"{score[name]:.3f}" for name in ("precision", "recall", "f1")), str(score["spectra"]))
        for short, score in found["classes"].items()
    ]
    confusion = found["confusion"]
    rows = [(short, *map(str, row)) for short, row in zip(confusion["order"], confusion["counts"], strict=True)]
    return [
        _table(("mean over the classes", "value", "95 % interval (bootstrap)"), means),
        _table(("class", "precision", "recall", "F1", "spectra"), classes),
        "Confusion (rows: true class, columns: predicted class):",
        _table(("", *confusion["order"]), rows),
    ]


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
