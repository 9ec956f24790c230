from __future__ import annotations

import numpy as np

from shared.pipeline.surface_sample import Sample
from shared.safe import ICE_BANDS
from shared.science.classes import Quality
from shared.science.layers import CLASS, QUALITY
from shared.science.picture import NOT_SEEN
from shared.science.reflectance import Radiometry
from shared.science.windows import Window


def test_true_colour_shows_nodata_as_the_map_beside_it_and_what_is_masked_as_not_seen() -> None:
    by = Radiometry((0,) * len(ICE_BANDS), 10000.0, 0, 65535)
    sample = Sample.of((1, 3), 20.0, ICE_BANDS, by)
    codes = np.array([[Quality.NODATA, Quality.CLOUD, Quality.CLASSIFIED]], np.uint8)
    numbers = np.zeros((len(ICE_BANDS), 1, 3), np.uint16)
    numbers[:, :, 2] = 10_000
    sample.decoded(Window(0, 0, 1, 3), numbers)
    sample.take(Window(0, 0, 1, 3), {CLASS.name: np.array([[0, 0, 1]], np.uint8), QUALITY.name: codes})
    colour = sample.picture().colour
    assert colour is not None
    assert [tuple(one) for one in colour[0].tolist()] == [Quality.NODATA.colour, NOT_SEEN, (255, 255, 255)]
