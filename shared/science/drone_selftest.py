"""Whether an orthomosaic's numbers can have been taken for reflectances with the right scale, when it is too dark.

Too bright is easy: most of it would lie beyond any reflectance. Too dark is not: numbers with 10000 for reflectance 1,
taken as if it were 32768, make a plausible map of cryoconite out of snow. So where the scale is a guess, something has
to be brighter than a true reflectance could be after that mistake: 1.3 of 10000 would still look like 0.4. A place that
is truly so dark needs its scale stated. Where the file states it, only what no daylight shows is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from shared.science.reflectance import implausible

LEAST_IF_GUESSED = 0.4
LEAST_IF_STATED = 0.05  # the darkest cryoconite of the field spectra has 0.03 to 0.25, ponds 0.13 and more in the blue
_SHARE = 99.5  # percent of the pixels; a few may be panels, glints and stones


def darkness(reflectance: Mapping[str, npt.NDArray[np.float32]], *, is_stated: bool) -> str | None:
    """What is too dark, as the end of a sentence with its numbers; None where nothing is.

    ``reflectance`` by band (pixels,) is a sample of the pixels that have data; ``is_stated`` says whether the file
    states how its numbers become reflectances.
    """
    values = np.stack(list(reflectance.values()))
    brightest = values.max(axis=0)[~implausible(values)]
    least = LEAST_IF_STATED if is_stated else LEAST_IF_GUESSED
    if not brightest.size or (reached := float(np.percentile(brightest, _SHARE))) >= least:
        return None
    return (
        f"{_SHARE:g} % of its pixels are below {reached:.2g} in all bands; something at or above {least:g} is expected"
    )
