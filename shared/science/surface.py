"""One window from digital numbers to all result layers: the whole science of a pixel in one place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from shared.safe import ICE_BANDS
from shared.science.albedo import broadband
from shared.science.classes import ALGAL_ICE, Quality
from shared.science.forest import Classifier, Voter, Votes
from shared.science.indices import algae_index, not_ice
from shared.science.layers import ALBEDO, ALGAE, CLASS, CONFIDENCE, LAYERS, MARGIN, QUALITY, Stored
from shared.science.reflectance import Radiometry, implausible

Surface = Mapping[str, Stored]  # layer name -> stored numbers, one shape
_Number = TypeVar("_Number", bound=np.generic)
_TOGETHER = 65_536  # pixels; their numbers and what is made of them fit a core's cache
_IS_ALGAL = np.isin(np.arange(256), ALGAL_ICE)


def unclassified(quality: npt.NDArray[np.uint8]) -> dict[str, Stored]:
    """The layers of a window in which no pixel is usable."""
    shape = (quality.shape[0], quality.shape[1])
    return {layer.name: layer.empty(shape) for layer in LAYERS} | {QUALITY.name: quality}


def classify_window(
    numbers: npt.NDArray[np.uint16],
    quality: npt.NDArray[np.uint8],
    radiometry: Radiometry,
    classifier: Classifier,
    *,
    vote: Voter | None = None,
) -> Surface:
    """All layers of one window.

    ``numbers`` are the classifier's bands (bands, rows, columns) as stored in the product; ``quality`` (rows,
    columns) are the codes of the masks. Every pixel is worked on alone, so results do not depend on the window.
    ``vote`` is the classifier's voter for that radiometry, where it has been made already.
    """
    vote = vote or classifier.voter(radiometry)
    layers = unclassified(quality.copy())
    flat = numbers.reshape(len(numbers), -1)
    for start in range(0, quality.size, _TOGETHER):
        part = slice(start, start + _TOGETHER)
        views = {name: layer.reshape(-1)[part] for name, layer in layers.items()}
        _classify_pixels(flat[:, part], views, radiometry, classifier.bands, vote)
    return layers


def _classify_pixels(
    numbers: npt.NDArray[np.uint16],
    layers: dict[str, Stored],
    radiometry: Radiometry,
    bands: tuple[str, ...],
    vote: Voter,
) -> None:
    """Fill ``layers`` (pixels,) where QUALITY says "usable so far", from ``numbers`` (bands, pixels)."""
    quality = layers[QUALITY.name]
    quality[(quality == Quality.CLASSIFIED) & radiometry.lacks_data(numbers)] = Quality.NODATA
    usable = _Chosen.of(quality == Quality.CLASSIFIED)
    picked = usable.pick(numbers)  # only usable pixels cost anything
    reflectance = radiometry.reflectance(picked)
    codes = _spectral_quality(picked, reflectance, radiometry, bands)
    usable.fill(quality, codes)
    ice = _Chosen.of(codes == Quality.CLASSIFIED)
    votes, reflectance, chosen = vote(ice.pick(picked)), ice.pick(reflectance), usable.then(ice)
    for name, values in _values(votes, dict(zip(bands, reflectance, strict=True))).items():
        chosen.fill(layers[name], values)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """Some of the pixels of a part; all of them, the usual case, cost no look-ups."""

    where: npt.NDArray[np.intp] | None  # flat indices; none: all

    @classmethod
    def of(cls, mask: npt.NDArray[np.bool_]) -> _Chosen:
        return cls(None if mask.all() else np.flatnonzero(mask))

    def pick(self, values: npt.NDArray[_Number]) -> npt.NDArray[_Number]:
        """``values`` (bands, pixels) of the chosen pixels."""
        return np.ascontiguousarray(values) if self.where is None else values.take(self.where, axis=1)

    def fill(self, target: Stored, values: Stored) -> None:
        target[slice(None) if self.where is None else self.where] = values

    def then(self, inner: _Chosen) -> _Chosen:
        """Those that ``inner`` chooses among the chosen."""
        if self.where is None or inner.where is None:
            return inner if self.where is None else self
        return _Chosen(self.where[inner.where])


def _spectral_quality(
    numbers: npt.NDArray[np.uint16],
    reflectance: npt.NDArray[np.float32],
    radiometry: Radiometry,
    bands: tuple[str, ...],
) -> npt.NDArray[np.uint8]:
    by_band = dict(zip(bands, reflectance, strict=True))
    codes = np.zeros(reflectance.shape[1], np.uint8)
    codes[not_ice(*(by_band[band] for band in ICE_BANDS))] = Quality.NOT_ICE
    codes[implausible(reflectance) | radiometry.is_saturated(numbers)] = Quality.IMPLAUSIBLE
    return codes


def _values(votes: Votes, reflectance: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, Stored]:
    """What is stored for pixels of ice, layer by layer; ``reflectance`` is by band."""
    index = algae_index(reflectance["B04"], reflectance["B05"])
    index[~_IS_ALGAL[votes.codes]] = np.nan
    return {
        CLASS.name: votes.codes,
        CONFIDENCE.name: CONFIDENCE.store(votes.confidence),
        MARGIN.name: MARGIN.store(votes.margin),
        ALBEDO.name: ALBEDO.store(broadband(reflectance)),
        ALGAE.name: ALGAE.store(index),
    }
