"""Which band of an orthomosaic is which band of the model, by what the file says of them.

A camera of ten bands has several blues, reds and red edges: MicaSense's Dual names them Blue-444 and Blue (475 nm). The
model knows the second. So a wavelength decides where there is one, and a name alone only where no other band has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.errors import BadProduct
from shared.models import shown
from shared.science.drone import DRONE_BANDS, MICASENSE

_COLOURS = {  # words of a description in small letters, put together
    "blue": "Blue",
    "green": "Green",
    "red": "Red",
    "rededge": "RedEdge",
    "nir": "NIR",
    "nearinfrared": "NIR",
    "nearir": "NIR",
}
_SHORT = {"b": "Blue", "g": "Green", "r": "Red", "re": "RedEdge", "n": "NIR"}  # say too little by themselves
_FILLING = frozenset({"band", "channel", "layer", "reflectance", "wavelength", "nm", "um"})
_NUMBERED = re.compile(r"(.*?)0*(\d{1,2})")
_WAVELENGTH = re.compile(r"(?<![\d.])(\d{3,4}(?:\.\d+)?|\d?\.\d{2,4}(?=\s*um))(?!\d)")
_SPECTRUM = (300.0, 1100.0)  # nm that a camera sees: any other number is none
_SHOWN = 12  # descriptions in a sentence


@dataclass(frozen=True, slots=True)
class BandText:
    """What a file says of one of its bands."""

    number: int  # from 1
    description: str = ""
    wavelength: float | None = None  # nm, where the file states it beside the description

    @property
    def centre(self) -> float | None:
        """Wavelength in nm, stated or in the description; of a range its middle."""
        if self.wavelength is not None:
            return self.wavelength
        found = [float(text) * (1000 if "." in text[:2] else 1) for text in _WAVELENGTH.findall(self._plain)]
        found = [number for number in found if _SPECTRUM[0] <= number <= _SPECTRUM[1]]
        return sum(found) / len(found) if len(found) in {1, 2} else None  # two are the ends of a range

    @property
    def word(self) -> str:
        """The description without numbers, signs and words that say nothing: 'blue', 'rededge', 'ndvi', ''."""
        return "".join(word for word in re.findall(r"[a-z]+", self._plain) if word not in _FILLING)

    @property
    def _plain(self) -> str:
        return self.description.strip().lower().replace("µ", "u").replace("μ", "u")

    def claims(self) -> str | None:
        """The model's band that this one says it is, if any."""
        named, centre = _COLOURS.get(self.word), self.centre
        if centre is None:
            return named
        named = named or _SHORT.get(self.word)
        near = [band for band, (middle, width) in MICASENSE.items() if abs(centre - middle) <= width]
        return near[0] if near and (named == near[0] or not self.word) else None

    def __str__(self) -> str:
        stated = f" ({self.wavelength:g} nm)" if self.wavelength is not None else ""
        return f"'{shown(self.description, 30)}'{stated}"


@dataclass(frozen=True, slots=True)
class Choice:
    """The bands of a file that the model is given."""

    bands: tuple[BandText, ...]  # in the order of DRONE_BANDS
    is_named: bool  # False: the file says nothing of its bands, and their order is trusted

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers in the file, from 1."""
        return tuple(band.number for band in self.bands)

    def facts(self) -> dict[str, dict[str, int | str]]:
        """What summary.json says of it, by the model's bands."""
        return {
            name: {"band": band.number, "described": band.description}
            for name, band in zip(DRONE_BANDS, self.bands, strict=True)
        }


def choose(bands: Sequence[BandText], label: str) -> Choice:
    """The model's bands among ``bands``, which are all of a file but alpha; BadProduct beginning with ``label``.

    A description with a wavelength is one of the model's bands within that band's width of its centre, the nearest
    where there are several; one without is what its name says. Where nothing is said of any band there must be five, in
    the order of their wavelengths. What is said and not understood is refused, as are two bands that are equally good.
    """
    claims: dict[str, list[BandText]] = {}
    for band in bands:
        if name := band.claims():
            claims.setdefault(name, []).append(band)
    if set(claims) == set(DRONE_BANDS):
        return Choice(tuple(_nearest(name, claims[name], label) for name in DRONE_BANDS), is_named=True)
    if not _are_numbered(bands):
        raise BadProduct(_not_understood(bands, claims, label))
    if len(bands) != len(DRONE_BANDS):
        raise BadProduct(
            f"{label} has {len(bands)} bands without names; expected {', '.join(DRONE_BANDS)}, in this order or "
            "named by their descriptions."
        )
    return Choice(tuple(bands), is_named=False)


def _are_numbered(bands: Sequence[BandText]) -> bool:
    """Whether the file says no more of its bands than their numbers, as in 'Band 1' or 'ortho_1', or nothing at all."""
    found = [_NUMBERED.fullmatch(band.description) for band in bands if band.description]
    if len({one[1] if one else one for one in found}) > 1 or any(band.wavelength is not None for band in bands):
        return False
    numbers = [band.number for band in bands if band.description]
    return all(one is not None and int(one[2]) == number for one, number in zip(found, numbers, strict=True))


def _nearest(name: str, candidates: Sequence[BandText], label: str) -> BandText:
    middle = MICASENSE[name][0]
    away = {band.number: abs(band.centre - middle) for band in candidates if band.centre is not None}
    best = [band for band in candidates if away.get(band.number) == min(away.values(), default=None)]
    if len(candidates) > 1 and (len(away) < len(candidates) or len(best) > 1):
        which = " and ".join(f"band {band.number}, {band}" for band in candidates[:_SHOWN])
        raise BadProduct(
            f"{label} has {len(candidates)} bands that are equally good as {name}: {which}; name only the one at "
            f"{middle} nm so, or give each its wavelength, as in '{name}-{middle}'."
        )
    return (best or candidates)[0]


def _not_understood(bands: Sequence[BandText], claims: Mapping[str, object], label: str) -> str:
    read = ", ".join(map(str, bands[:_SHOWN])) + (", .." if len(bands) > _SHOWN else "")
    missing = [
        f"{name} ({middle} nm, at most {width} off)"
        for name, (middle, width) in MICASENSE.items()
        if name not in claims
    ]
    return (
        f"{label} names its bands {read}, of which none is {' or '.join(missing)}; expected {', '.join(DRONE_BANDS)}, "
        "the wavelengths, or no names and this order."
    )
