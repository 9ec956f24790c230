"""Whether a product's reflectances can be what its metadata makes of its digital numbers.

An offset or a quantification value that is declared wrongly, or left out, moves every pixel the same way; the map would
look sound and be wrong. Three things that the six classes cannot do show it, on a sample of the pixels:

- Reflectances outside `shared.science.reflectance.PLAUSIBLE`: a wrong quantification value.
- Short-wave infrared below zero: an offset is subtracted that the numbers do not hold. Ice, snow and water are dark
  at 1.6 and 2.2 um (0.01 to 0.15), so that they fall below zero by nearly the whole offset of 0.1. What a sound
  correction leaves below zero stays within its own uncertainty.
- Nothing dark in any band although no offset is stated: the numbers hold an offset of 0.1 that nobody subtracts. A tile
  always has something dark at 1.6 or 2.2 um: wet ice, water, coarse snow, a shaded slope. Where an offset is stated the
  question does not arise: there is no second one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.science.reflectance import implausible

SHORT_WAVE = ("B11", "B12")
BELOW_ZERO = -0.02  # Sen2Cor leaves some pixels a little below 0; its uncertainty for dark surfaces is 0.005 to 0.02
MOST_IMPLAUSIBLE = 10.0  # percent; saturated and odd pixels of a sound product are below 1
OFFSET = 0.1  # the one that ESA introduced with baseline 04.00: 1000 of 10000
LEAST_DARK = 0.1  # percent of the sample that is darker than that in some band
_LEAST_SAMPLE = 100  # pixels; of fewer nothing can be said


def fault(reflectance: Mapping[str, npt.NDArray[np.float32]], *, stated_offset: bool) -> str | None:
    """What contradicts the metadata, as the end of a sentence with its numbers; None where nothing does.

    ``reflectance`` by band (pixels,) is a sample of the pixels that have data and are not masked; ``stated_offset``
    says whether the metadata state an offset.
    """
    values = np.stack(list(reflectance.values()))
    if values.shape[1] < _LEAST_SAMPLE:
        return None
    short_wave = np.stack([reflectance[band] for band in SHORT_WAVE if band in reflectance] or [values.max(axis=0)])
    odd = 100 * float((implausible(values) | (short_wave.min(axis=0) < BELOW_ZERO)).mean())
    if odd > MOST_IMPLAUSIBLE:
        return (
            f"{odd:.1f} % of its usable reflectances are impossible (outside -0.1 to 1.6, or below {BELOW_ZERO:g} in "
            f"the short-wave infrared); at most {MOST_IMPLAUSIBLE:g} % are accepted"
        )
    dark = 100 * float((values.min(axis=0) < OFFSET).mean())
    if not stated_offset and dark < LEAST_DARK:
        return (
            f"no offset is stated, and {dark:.2f} % of its usable pixels are darker than {OFFSET:g} in any band; "
            f"at least {LEAST_DARK:g} % are expected, so that an offset of {OFFSET:g} seems to be missing"
        )
    return None
