"""One window from digital numbers to all result layers: the whole science of a pixel in one place."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.science.albedo import broadband
from shared.science.classes import ALGAL_ICE, Quality
from shared.science.forest import Classifier
from shared.science.indices import algae_index, not_ice
from shared.science.layers import ALBEDO, ALGAE, CLASS, CONFIDENCE, LAYERS, QUALITY, Stored
from shared.science.reflectance import Radiometry, implausible

Surface = Mapping[str, Stored]  # layer name -> stored numbers, one shape


def unclassified(quality: npt.NDArray[np.uint8]) -> dict[str, Stored]:
    """The layers of a window in which no pixel is usable."""
    shape = (quality.shape[0], quality.shape[1])
    return {layer.name: layer.empty(shape) for layer in LAYERS} | {QUALITY.name: quality}


def classify_window(
    numbers: npt.NDArray[np.uint16],
    quality: npt.NDArray[np.uint8],
    radiometry: Radiometry,
    classifier: Classifier,
) -> Surface:
    """All layers of one window.

    ``numbers`` are the classifier's bands (bands, rows, columns) as stored in the product; ``quality`` (rows,
    columns) are the codes of the masks. Every pixel is worked on alone, so results do not depend on the window.
    """
    quality = quality.copy()
    quality[(quality == Quality.CLASSIFIED) & radiometry.lacks_data(numbers)] = Quality.NODATA
    usable = np.flatnonzero(quality == Quality.CLASSIFIED)
    picked = numbers.reshape(len(numbers), -1)[:, usable]  # (bands, pixels): only usable pixels cost anything
    reflectance = radiometry.reflectance(picked)
    codes = _spectral_quality(picked, reflectance, radiometry, classifier.bands)
    quality.ravel()[usable] = codes
    layers = unclassified(quality)
    ice = codes == Quality.CLASSIFIED
    if ice.any():
        _fill(layers, usable[ice], reflectance[:, ice], classifier)
    return layers


def _spectral_quality(
    numbers: npt.NDArray[np.uint16],
    reflectance: npt.NDArray[np.float32],
    radiometry: Radiometry,
    bands: tuple[str, ...],
) -> npt.NDArray[np.uint8]:
    by_band = dict(zip(bands, reflectance, strict=True))
    codes = np.zeros(reflectance.shape[1], np.uint8)
    codes[not_ice(by_band["B02"], by_band["B03"], by_band["B8A"], by_band["B11"])] = Quality.NOT_ICE
    codes[implausible(reflectance) | radiometry.is_saturated(numbers)] = Quality.IMPLAUSIBLE
    return codes


def _fill(
    layers: dict[str, Stored],
    where: npt.NDArray[np.intp],
    reflectance: npt.NDArray[np.float32],
    classifier: Classifier,
) -> None:
    """Write the layers' numbers of the pixels at flat indices ``where``; ``reflectance`` is (bands, pixels)."""
    by_band = dict(zip(classifier.bands, reflectance, strict=True))
    classes, confidence = classifier.vote(np.ascontiguousarray(reflectance.T))
    index = algae_index(by_band["B04"], by_band["B05"])
    index[~np.isin(classes, ALGAL_ICE)] = np.nan
    layers[CLASS.name].ravel()[where] = classes
    layers[CONFIDENCE.name].ravel()[where] = CONFIDENCE.store(confidence)
    layers[ALBEDO.name].ravel()[where] = ALBEDO.store(broadband(by_band))
    layers[ALGAE.name].ravel()[where] = ALGAE.store(index)
