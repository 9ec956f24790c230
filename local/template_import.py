"""Turns the ``.template`` file of IceWatch's predecessor into a watchlist, and says which keys it cannot carry.

Such a file is INI with the sections options, thresholds and netcdf (github.com/jmcook1186/RemoteIceSurfaceAnalyser).
"""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from configparser import ConfigParser
from configparser import Error as IniError
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any

from shared.errors import BadSetting
from shared.models import shown
from shared.watchlist import FIRST_IMAGE, Watchlist

_OTHER_RESOLUTION = "IceWatch maps at 20 or 60 m"
_NO_PICKLES = (
    "a pickled classifier is not loaded: train one with 'python -m local train', put it under models/ and name its "
    "folder as 'model'"
)
_UPLOAD = "put the file into the container config and name it as 'ice_mask', such as config/{}"
_NOT_DONE = "IceWatch has no such step"
_WHY: Mapping[str, str] = {  # keys that have no place in a watchlist
    "vm": "IceWatch runs the same everywhere",
    "savefigs": "a quicklook is always made",
    "retrieve_snicar_params": _NOT_DONE,
    "retrieve_disort_params": _NOT_DONE,
    "interpolate_missing_tiles": "missing dates stay missing; what is not seen is not made up",
    "interpolate_cloud": "cloudy pixels stay masked; what is not seen is not made up",
    "calculate_melt": _NOT_DONE,
    "energy_balance": _NOT_DONE,
    "author": "results are GeoTIFF and STAC, not NetCDF",
    "title": "results are GeoTIFF and STAC, not NetCDF",
    "predicted_legend": "the classes stand in every class map",
}


@dataclass(frozen=True, slots=True)
class Imported:
    """A watchlist made from a template."""

    watchlist: Watchlist
    text: str  # the watchlist as JSON, to be read by people
    left_out: tuple[tuple[str, str], ...]  # key as written, and why it is not carried


def import_template(text: str, name: str) -> Imported:
    """Read the ``text`` of a template; areas are called ``name``. BadSetting with the key where it cannot be used."""
    keys = _keys(text)
    area: dict[str, Any] = {"tiles": _listed(keys, "tiles", str), "months": sorted(set(_listed(keys, "months", int)))}
    left_out = [(written, why) for key, (written, value) in keys.items() if (why := _why_not(key, value))]
    if "minarea" in keys:
        area["minimum_usable"] = _number(keys, "minarea")
    if "cloudcoverthresh" in keys:  # the predecessor used it twice: for the search and for the pixels
        area["scene_cloud_limit"] = limit = _number(keys, "cloudcoverthresh")
        area["cloud_probability"] = round(limit)
    if "resolution" in keys and _number(keys, "resolution") in {20, 60}:
        area["resolution"] = int(_number(keys, "resolution"))
    spans = list(_spans(sorted(set(_listed(keys, "years", int))), area["months"]))
    areas = [
        {"name": _called(name, since, until, alone=len(spans) == 1), **area}
        | {"since": since.isoformat(), "until": until.isoformat()}
        for since, until in spans
    ]
    body = json.dumps({"version": 1, "areas": areas}, indent=2)
    return Imported(Watchlist.parse(body), f"{body}\n", tuple(left_out))


def _called(name: str, since: date, until: date, *, alone: bool) -> str:
    if alone:
        return name
    return f"{name} {since.year}" if since.year == until.year else f"{name} {since.year}-{until.year}"


_Keys = dict[str, tuple[str, str]]  # lower-case key -> key as written, value


def _keys(text: str) -> _Keys:
    parser = ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # as the documentation of configparser has it
    try:
        parser.read_string(text)
    except IniError as cause:
        raise BadSetting(f"The template does not parse: {shown(cause)}.") from cause
    return {key.lower(): (key, value) for section in parser.sections() for key, value in parser[section].items()}


def _why_not(key: str, value: str) -> str:
    """Why a key is not carried; empty where it is."""
    if key in {"tiles", "years", "months", "minarea", "cloudcoverthresh"}:
        return ""
    if key == "resolution":
        return "" if _number({key: (key, value)}, key) in {20, 60} else _OTHER_RESOLUTION
    if key == "icemask":
        return _UPLOAD.format(shown(value.strip()))
    if key == "classifier":
        return _NO_PICKLES
    return _WHY.get(key, "the importer does not know this key")


def _listed(keys: _Keys, key: str, kind: Callable[[Any], Any]) -> list[Any]:
    written, value = _required(keys, key)
    try:
        found = json.loads(value)
        plain = [kind(item) for item in found if isinstance(item, str | int)]
    except (ValueError, TypeError):
        found, plain = None, []
    if not isinstance(found, list) or len(plain) != len(found) or not plain:
        example = '["22WEV"]' if kind is str else "[2016, 2017]"
        raise BadSetting(f"The template says {written} is '{shown(value)}'; expected a list like {example}.")
    return plain


def _number(keys: _Keys, key: str) -> float:
    written, value = _required(keys, key)
    try:
        number = float(value)
    except ValueError as cause:
        raise BadSetting(f"The template says {written} is '{shown(value)}'; expected a number.") from cause
    if not isfinite(number):
        raise BadSetting(f"The template says {written} is {number}; expected a number.")
    return number


def _required(keys: _Keys, key: str) -> tuple[str, str]:
    if key not in keys:
        raise BadSetting(f"The template says nothing about {key}, which a watchlist needs.")
    return keys[key]


def _spans(years: list[int], months: list[int]) -> Iterator[tuple[date, date]]:
    """First and last day of each run of years without a gap."""
    first = date.fromisoformat(FIRST_IMAGE)
    for place, year in enumerate(years):
        if place == 0 or years[place - 1] != year - 1:
            begin = year
        if place + 1 == len(years) or years[place + 1] != year + 1:
            try:
                last = max(months)
                yield max(date(begin, min(months), 1), first), date(year, last, monthrange(year, last)[1])
            except (ValueError, OverflowError) as cause:
                raise BadSetting(f"The template says years {years} and months {months}: {cause}.") from cause
