"""The model card in Markdown, written from card.json's content so that the two never differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def as_markdown(card: Mapping[str, Any]) -> str:
    """The card for people."""
    held_out, data, forest = card["held_out"], card["data"], card["forest"]
    disturbance = data["disturbance"]
    parts = [
        f"# Model card: {card['name']} {card['version']}",
        (
            f"A random forest of {forest['trees']} trees with at most {forest['leaves_at_most']} leaves each that "
            f"names the ice surface of a pixel from its {card['features']} (0-1) in {', '.join(card['bands'])}."
        ),
        "Written by `python -m models.train`; do not edit.",
        "## Classes",
        "\n".join(f"- {short}: {card['class_labels'][short]}" for short in card["classes"]),
        "## Data",
        data["source"],
        (
            f"Drawn per class: {data['training_spectra_per_class']} spectra to train on and "
            f"{data['held_out_spectra_per_class']} to measure on, normally distributed with the class's mean, standard "
            "deviation and the correlation of the bands within a class, cut off "
            f"{disturbance['beyond']:g} standard deviations beyond the smallest and largest seen. Each spectrum is "
            f"then brightened or darkened as a whole (standard deviation {disturbance['brightness']:g}, for slope and "
            f"shadow), shifted as a whole ({disturbance['offset']:g}, for what atmospheric correction leaves) and "
            f"band by band ({disturbance['noise']:g})."
        ),
        f"## Measured on {held_out['spectra']} spectra held out",
        (
            f"Accuracy {held_out['accuracy']:.3f}, precision {held_out['precision']:.3f}, "
            f"recall {held_out['recall']:.3f}, F1 {held_out['f1']:.3f} (means over the classes)."
        ),
        _table(("class", "precision", "recall", "F1"), _scores(held_out)),
        "Confusion (rows: true class, columns: predicted class):",
        _table(("", *held_out["confusion"]["order"]), _confusion(held_out["confusion"])),
        "## Limits",
        "\n".join(f"- {limit}" for limit in card["limits"]),
        "## Identity",
        f"`model.skops`: {card['bytes']} bytes, SHA-256 `{card['sha256']}`. Seed {card['seed']}. "
        + ", ".join(f"{name} {version}" for name, version in card["versions"].items())
        + f". Licence {card['licence']}.",
    ]
    return "\n\n".join(parts) + "\n"


def _scores(held_out: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [
        (short, *(f"{score[name]:.3f}" for name in ("precision", "recall", "f1")))
        for short, score in held_out["classes"].items()
    ]


def _confusion(confusion: Mapping[str, Any]) -> list[tuple[str, ...]]:
    return [(short, *map(str, row)) for short, row in zip(confusion["order"], confusion["counts"], strict=True)]


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
