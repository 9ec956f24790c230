"""The predecessor's template becomes a watchlist, and what it cannot carry is said with the reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from local.__main__ import app
from local.template_import import import_template
from shared.errors import BadSetting
from shared.watchlist import Watchlist

TEMPLATE = """[options]
;running locally or on VM?
vm=True
; Tiles to process.
tiles=["22WEA","22WEV"]
years=[2017,2016,2019]
months=[6,7,8]
classifier=forest.pkl
icemask=merged_mask.tif
resolution=20
retrieve_snicar_params=True
somethingNew=1

[thresholds]
minArea=40
cloudCoverThresh=25

[netcdf]
author=Somebody, 100% of Somewhere
predicted_legend="Snow:1; Water:2"
"""


def test_each_run_of_years_becomes_an_area_with_tiles_months_and_thresholds():
    first, second = import_template(TEMPLATE, "swgris").watchlist.areas
    assert (first.name, second.name) == ("swgris 2016-2017", "swgris 2019")
    assert (str(first.since), str(first.until)) == ("2016-06-01", "2017-08-31")
    assert (str(second.since), str(second.until)) == ("2019-06-01", "2019-08-31")
    assert (first.tiles, first.months) == (("22WEA", "22WEV"), (6, 7, 8))
    assert (first.minimum_usable, first.cloud_probability, first.scene_cloud_limit) == (40, 25, 25)
    assert first.resolution == 20


def test_the_text_is_the_watchlist():
    made = import_template(TEMPLATE, "swgris")
    assert Watchlist.parse(made.text) == made.watchlist
    assert "\n  " in made.text


def test_every_key_that_is_not_carried_is_named_with_the_reason():
    left_out = dict(import_template(TEMPLATE, "swgris").left_out)
    assert set(left_out) == {
        "vm", "classifier", "icemask", "retrieve_snicar_params", "somethingNew", "author", "predicted_legend",
    }  # fmt: skip
    assert "config/merged_mask.tif" in left_out["icemask"]
    assert "pickled" in left_out["classifier"]
    assert left_out["somethingNew"] == "the importer does not know this key"


def test_months_come_in_order_and_once():
    made = import_template(TEMPLATE.replace("months=[6,7,8]", "months=[8,6,7,6]"), "swgris")
    assert made.watchlist.areas[0].months == (6, 7, 8)


def test_a_resolution_written_with_decimals_is_carried_and_not_named_as_left_out():
    made = import_template(TEMPLATE.replace("resolution=20", "resolution=20.0"), "swgris")
    assert made.watchlist.areas[0].resolution == 20
    assert "resolution" not in dict(made.left_out)


def test_a_resolution_that_icewatch_does_not_map_at_is_left_out():
    made = import_template(TEMPLATE.replace("resolution=20", "resolution=10"), "swgris")
    assert made.watchlist.areas[0].resolution is None
    assert "20 or 60 m" in dict(made.left_out)["resolution"]


def test_the_first_year_begins_with_the_first_image():
    made = import_template(TEMPLATE.replace("years=[2017,2016,2019]", "years=[2015]"), "x")
    assert str(made.watchlist.areas[0].since) == "2015-06-27"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("[options]", "", "does not parse"),
        ('tiles=["22WEA","22WEV"]', "", "says nothing about tiles"),
        ('["22WEA","22WEV"]', "22WEA", "says tiles is '22WEA'; expected a list like"),
        ('["22WEA","22WEV"]', '["22WEW"]', "areas.0.tiles"),
        ("[6,7,8]", "[6,13]", "says years .* and months .*6, 13"),
        ("[6,7,8]", "[[6]]", "says months is"),
        ("minArea=40", "minArea=much", "says minArea is 'much'; expected a number"),
        ("cloudCoverThresh=25", "cloudCoverThresh=nan", "says cloudCoverThresh is nan; expected a number"),
        ("years=[2017,2016,2019]", "years=[99999999999999999999]", "says years"),
        ("minArea=40", "minArea=140", "areas.0.minimum_usable"),
    ],
)
def test_a_template_that_cannot_be_used_is_refused_with_the_key(old: str, new: str, reason: str):
    with pytest.raises(BadSetting, match=reason):
        import_template(TEMPLATE.replace(old, new), "x")


def test_the_command_prints_the_watchlist_and_names_what_is_left_out(tmp_path: Path):
    template = tmp_path / "swgris.template"
    template.write_text(TEMPLATE)
    done = CliRunner().invoke(app, ["watchlist", "import", str(template)])
    assert done.exit_code == 0
    assert len(json.loads(done.stdout)["areas"]) == 2
    assert "not carried: icemask: put the file into the container config" in done.stderr


def test_the_command_writes_a_file_that_put_accepts(tmp_path: Path):
    template, out = tmp_path / "swgris.template", tmp_path / "watchlist.json"
    template.write_text(TEMPLATE)
    done = CliRunner().invoke(app, ["watchlist", "import", str(template), "--out", str(out)])
    assert done.exit_code == 0
    assert len(Watchlist.parse(out.read_bytes()).areas) == 2


def test_put_refuses_a_bad_watchlist_before_it_touches_anything(tmp_path: Path):
    bad = tmp_path / "watchlist.json"
    bad.write_text('{"version": 2}')
    done = CliRunner().invoke(app, ["watchlist", "put", str(bad), "--folder", str(tmp_path)])
    assert isinstance(done.exception, BadSetting)
    assert "refused at version" in str(done.exception)
    missing = CliRunner().invoke(app, ["watchlist", "put", str(tmp_path / "no.json")])
    assert "cannot be read" in str(missing.exception)
