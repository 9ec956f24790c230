"""Whether a product's reflectances can be what its metadata makes of its digital numbers.

An offset or a quantification value that is declared wrongly, or left out, moves every pixel the same way; the map would
look sound and be wrong. Three things that sound products do not show give it away, on a sample of the pixels:

- Reflectances outside `shared.science.reflectance.PLAUSIBLE`: a wrong quantification value.
- Short-wave infrared below zero: an offset is subtracted that the numbers do not hold. Ice, snow and water are dark
  at 1.6 and 2.2 um (0.01 to 0.15), so that they fall below zero by nearly the whole offset of 0.1. What a sound
  correction leaves below zero stays within its own uncertainty.
- Nothing dark in any band: the numbers hold an offset of 0.1 that nobody subtracts, whatever the metadata say of it.
  Ice, water and old snow are dark at 1.6 and 2.2 um, shadows and most rock in the blue: a sound tile has dark pixels.
  One surface has none: snow of grains finer than about 0.1 mm, as on high plateaus and after a snowfall, reflects up
  to 0.25 in the short-wave infrared (Wiscombe and Warren 1980). But it reflects 0.9 and more at 865 nm on flat ground,
  and on a slope, like a cloud that was missed, still about as much as in the blue, where ice and old snow do not: so
  such pixels are not asked, and a tile of nothing else passes. A camera without short-wave infrared is not asked
  either: to it a snowfield is bright in every band.

What no surface contradicts cannot be found so: an offset that is half wrong, a quantification of twice the right one.
`shared.safe` bounds both.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.science.reflectance import implausible

BLUE, NEAR_INFRARED, SHORT_WAVE = "B02", "B8A", ("B11", "B12")
BELOW_ZERO = -0.02  # Sen2Cor leaves some pixels a little below 0; its uncertainty for dark surfaces is 0.005 to 0.02
MOST_IMPLAUSIBLE = 10.0  # percent; saturated and odd pixels of a sound product are below 1
OFFSET = 0.1  # the one that ESA introduced with baseline 04.00: 1000 of 10000
LEAST_DARK = 0.1  # percent of the sample that is darker than that in some band
FINE_SNOW = 0.8  # B8A; 0.9 and more on flat ground
WHITE, BRIGHT = 0.86, 0.5  # B8A / B02 and B8A: fine snow has 0.95, old snow 0.8, clean ice 0.75 with an offset too many
_LEAST_SAMPLE = 100  # pixels; of fewer nothing can be said
_LEAST_ASKED = 1.0  # percent of the sample; fewer may all be odd


def fault(reflectance: Mapping[str, npt.NDArray[np.float32]], *, stated_offset: bool) -> str | None:
    """What contradicts the metadata, as the end of a sentence with its numbers; None where nothing does.

    ``reflectance`` by band (pixels,) is a sample of the pixels that have data and are not masked; ``stated_offset``
    says whether the metadata state an offset for every band.
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
    if not {BLUE, NEAR_INFRARED, *SHORT_WAVE} <= reflectance.keys():
        return None
    asked = values[:, ~_is_white(reflectance)]
    is_enough = asked.shape[1] >= max(_LEAST_SAMPLE, _LEAST_ASKED / 100 * values.shape[1])
    dark = 100 * float((asked.min(axis=0) < OFFSET).mean()) if is_enough else 100.0
    if dark < LEAST_DARK:
        stated = "offsets are stated" if stated_offset else "no offset is stated"
        seems = (
            "the stated ones seem to be too small" if stated_offset else f"an offset of {OFFSET:g} seems to be missing"
        )
        return (
            f"{stated}, and {dark:.2f} % of its usable pixels are darker than {OFFSET:g} in any band; at least "
            f"{LEAST_DARK:g} % are expected, fine snow aside, so that {seems}"
        )
    return None


def _is_white(reflectance: Mapping[str, npt.NDArray[np.float32]]) -> npt.NDArray[np.bool_]:
    """Fine snow, and what looks like it: bright into the near infrared."""
    near, blue = reflectance[NEAR_INFRARED], reflectance[BLUE]
    return np.asarray((near >= FINE_SNOW) | ((near >= BRIGHT) & (near >= WHITE * blue)))
