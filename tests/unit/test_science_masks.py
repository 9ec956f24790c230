from __future__ import annotations

import numpy as np
import pytest

from shared.cloud import CloudRule
from shared.science.classes import MASKED, Quality
from shared.science.masks import Usability, count, masked


def one(
    scl: int, cloud: int = 0, *, ice: bool | None = None, limit: int = 20, rule: CloudRule = CloudRule.EITHER
) -> Quality:
    on_ice = None if ice is None else np.array([[ice]])
    codes = masked(np.array([[scl]], np.uint16), np.array([[cloud]], np.uint16), on_ice, cloud_limit=limit, rule=rule)
    return Quality(int(codes[0, 0]))


@pytest.mark.parametrize(
    ("scl", "expected"),
    [
        (0, Quality.NODATA),
        (1, Quality.DEFECTIVE),
        (2, Quality.CLASSIFIED),
        (3, Quality.SHADOW),
        (6, Quality.CLASSIFIED),
        (7, Quality.CLASSIFIED),
        (8, Quality.CLOUD),
        (9, Quality.CLOUD),
        (10, Quality.CIRRUS),
        (11, Quality.CLASSIFIED),
    ],
)
def test_each_scl_code_means_what_the_facts_say(scl: int, expected: Quality) -> None:
    assert one(scl) is expected


@pytest.mark.parametrize("scl", [12, 255, 300, 65535])
def test_a_code_that_the_scene_classification_does_not_have_is_defective(scl: int) -> None:
    codes = masked(np.array([[scl]], np.uint16), np.array([[0]], np.uint16), None, cloud_limit=20)
    assert codes.tolist() == [[Quality.DEFECTIVE]]


@pytest.mark.parametrize(("cloud", "expected"), [(19, Quality.CLASSIFIED), (20, Quality.CLOUD), (100, Quality.CLOUD)])
def test_a_pixel_at_the_cloud_limit_is_cloud(cloud: int, expected: Quality) -> None:
    assert one(11, cloud) is expected


_CLEAR, _BY_PROBABILITY, _BY_SCL, _BY_BOTH = (11, 0), (11, 60), (9, 0), (8, 60)


@pytest.mark.parametrize(
    ("rule", "clouds"),
    [
        (CloudRule.PROBABILITY, {_BY_PROBABILITY, _BY_BOTH}),
        (CloudRule.SCL, {_BY_SCL, _BY_BOTH}),
        (CloudRule.BOTH, {_BY_BOTH}),
        (CloudRule.EITHER, {_BY_PROBABILITY, _BY_SCL, _BY_BOTH}),
    ],
)
def test_a_cloud_rule_says_which_of_the_two_masks_count(rule: CloudRule, clouds: set[tuple[int, int]]) -> None:
    for pixel in (_CLEAR, _BY_PROBABILITY, _BY_SCL, _BY_BOTH):
        assert one(*pixel, rule=rule) is (Quality.CLOUD if pixel in clouds else Quality.CLASSIFIED)


@pytest.mark.parametrize("rule", CloudRule)
def test_shadow_cirrus_and_nodata_do_not_depend_on_the_cloud_rule(rule: CloudRule) -> None:
    assert one(3, rule=rule) is Quality.SHADOW
    assert one(10, rule=rule) is Quality.CIRRUS
    assert one(0, 100, rule=rule) is Quality.NODATA


def test_nodata_stays_nodata_under_cloud_and_outside_the_ice() -> None:
    assert one(0, 100, ice=False) is Quality.NODATA
    assert one(1, 100, ice=False) is Quality.DEFECTIVE


def test_outside_the_ice_counts_before_cloud() -> None:
    assert one(9, 100, ice=False) is Quality.OUTSIDE_ICE
    assert one(9, 100, ice=True) is Quality.CLOUD


def usability(**pixels: int) -> Usability:
    return Usability({code: pixels.get(code.name.lower(), 0) for code in Quality})


def test_usable_is_a_share_of_the_whole_tile() -> None:
    assert usability(classified=30, not_ice=10, nodata=40, cloud=20).usable_percent == 40.0


@pytest.mark.parametrize("code", MASKED)
def test_nothing_masked_is_usable(code: Quality) -> None:
    assert usability(**{code.name.lower(): 5}).usable_percent == 0


@pytest.mark.parametrize(("minimum", "enough"), [(39.9, True), (40, True), (40.1, False)])
def test_the_minimum_itself_is_enough(minimum: float, enough: bool) -> None:
    assert usability(classified=40, cloud=60).suffices(minimum) is enough


def test_nothing_usable_never_suffices() -> None:
    assert not usability(nodata=10).suffices(0)
    assert usability(nodata=10).reason(0) == "Nothing of the tile is usable (nodata 100.0 %)."


def test_the_reason_gives_the_number_and_what_is_in_the_way() -> None:
    assert usability(classified=123, cloud=801, nodata=76).reason(40) == (
        "Only 12.3 % of the tile is usable; at least 40 % are required (cloud 80.1 %, nodata 7.6 %)."
    )


def test_counting_finds_every_code() -> None:
    codes = np.array([[0, 0, 4], [8, 7, 4]], np.uint8)
    counts = count(codes)
    assert counts[Quality.CLOUD] == 2
    assert sum(counts.values()) == 6


def test_a_map_that_is_all_but_empty_is_said_to_be() -> None:
    land = usability(classified=4, not_ice=9994, implausible=2)
    assert (land.usable_percent, land.classified_percent) == (100, 0.04)
    assert land.note == (
        "Next to nothing is ice: 0.04 % of the tile has a class, 100.0 % is usable "
        "(not ice 99.9 %, implausible reflectance 0.0 %)."
    )
    assert usability(classified=1, not_ice=999).note == ""
