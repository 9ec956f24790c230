"""The cost model: amounts that follow from the work, prices that are inputs."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from benchmarks.scale import WAYS, dollars, tiles, west_coast
from benchmarks.scale_model import simulate
from infra.check.load import load
from infra.check.names import JOB
from infra.check.values import Fields, Number, every
from local.__main__ import app
from local.cost import CLASSIFY_SECONDS, Line, Plan, Prices, Scene, changed, monthly, thousand, total
from shared.errors import BadSetting
from tests.conftest import ROOT

FREE = {name: 0.0 for name in Prices.__slots__ if "_free_" in name}


def line(lines: list[Line], beginning: str) -> Line:
    (found,) = [one for one in lines if one.what.startswith(beginning)]
    return found


def test_a_correction_costs_its_seconds_times_what_the_job_orders():
    prices = replace(Prices(), **FREE)
    scene = replace(Scene(), correct_seconds=1000.0, start_seconds=200.0)
    paid = line(monthly(3, prices, scene, Plan()), "corrections").usd
    assert paid == pytest.approx(3 * 1200 * (4 * prices.job_vcpu_second + 8 * prices.job_gib_second))


def test_what_is_free_is_not_paid_and_never_pays_back():
    lines = monthly(10, Prices(), Scene(), Plan())
    assert line(lines, "corrections").usd == 0
    assert all(one.usd >= 0 for one in lines)


def test_what_is_kept_grows_with_the_months_and_nothing_else_does():
    first, tenth = (monthly(100, Prices(), Scene(), Plan(), months=months) for months in (1, 10))
    grown = {one.what for one, other in zip(first, tenth, strict=True) if one.usd != other.usd}
    assert grown == {"L2A and results kept"}
    assert line(tenth, "L2A").usd == pytest.approx(10 * line(first, "L2A").usd)


def test_a_thousand_more_leaves_out_what_is_paid_without_any_product():
    fixed = total(monthly(0, Prices(), Scene(), Plan()))
    assert fixed > 0
    dear = replace(Prices(), registry_day=100.0, alert_rule_month=100.0)
    assert thousand(dear, Scene(), Plan()) == pytest.approx(thousand(Prices(), Scene(), Plan()))


def test_the_model_assumes_what_the_templates_order():
    templates = load(ROOT)
    job = [inside for value in templates.files[JOB].expressions() for inside in every(value)]
    (resources,) = [one for one in job if isinstance(one, Fields) and one.get("cpu") is not None]
    cores, memory = resources.get("cpu"), templates.plain(templates.files[JOB], resources.get("memory"))
    assert isinstance(cores, Number)
    assert (cores.number, memory) == (Plan().job_vcpu, f"{Plan().job_gib:g}Gi")
    main = (ROOT / "infra/main.bicep").read_text(encoding="utf-8")
    assert f"param instanceMemoryMB int = {Plan().function_gb * 1024:.0f}\n" in main
    alarms = (ROOT / "infra/alerts.bicep").read_text(encoding="utf-8")
    assert alarms.count("query: loadTextContent(") == Plan().alert_rules
    storage = (ROOT / "infra/storage.bicep").read_text(encoding="utf-8")
    (days,) = re.findall(r"version: \{ delete: \{ daysAfterCreationGreaterThan: (\d+) \} \}", storage)
    waits = int(days) + 1  # more than that many days, seen once a day
    assert f"param restoreDays int = {Plan().staged_days - waits - 1:.0f}\n" in storage


@pytest.mark.parametrize(
    ("given", "says"), [({"beer": 1.0}, "'beer' is no prices value"), ({"log_gb": -1.0}, "log_gb is -1; expected")]
)
def test_a_price_that_is_none_is_refused(given, says):
    with pytest.raises(BadSetting, match=says):
        changed(Prices(), given)


def test_the_command_adds_up_and_says_that_it_is_an_estimate():
    done = CliRunner().invoke(app, ["cost", "--tiles", "10", "--per-month", "25", "--price", "registry_day=2"])
    assert done.exit_code == 0
    assert "250 acquisitions a month" in done.output
    assert "60.88" in done.output  # the registry's line: 30.44 days at 2
    assert "Estimated, not measured on a bill" in done.output


def test_official_products_cost_no_correction():
    done = CliRunner().invoke(app, ["cost", "--tiles", "10", "--per-month", "25", "--official"])
    assert "0 h of 4 vCPU" in done.output


def table(page: str, heading: str) -> dict[str, list[str]]:
    """The rows of the first table below ``heading`` of a page, by their first column."""
    below = (ROOT / page).read_text(encoding="utf-8").partition(heading)[2]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in re.findall(r"(?m)^\|.*\|$", below)]
    return {name: cells for name, *cells in rows[2 : 2 + PAGES[page]]}


PAGES = {"docs/cost.md": 3, "docs/scale.md": 6}  # rows of their first tables


def test_the_page_says_what_the_model_says():
    official = changed(Scene(), {"correct_seconds": 0, "start_seconds": 0, "zip_gb": Scene().l2a_gb})
    for row, shown in table("docs/cost.md", "What comes out").items():
        scenes = 25.0 * int(row.split(" ")[0])
        months = [(scene, kept) for scene in (Scene(), official) for kept in (1, 12)]
        computed = [total(monthly(scenes, Prices(), scene, Plan(), months=kept)) for scene, kept in months]
        assert shown == [f"{usd:.0f}" for usd in computed], row
    text = (ROOT / "docs/cost.md").read_text(encoding="utf-8")
    own, theirs = (thousand(Prices(), scene, Plan()) for scene in (Scene(), official))
    corrected = own - thousand(Prices(), changed(Scene(), {"correct_seconds": 0, "start_seconds": 0}), Plan())
    assert (
        f"**thousand scenes** more: {own:.0f} with Sen2Cor, of which {corrected:.0f} are the corrections; {theirs:.0f}"
    ) in text
    assert f"| `classify_seconds` | {CLASSIFY_SECONDS:g} |" in text


def test_who_follows_the_page_about_deploying_is_told_what_it_costs_before_anything_is_made():
    page = (ROOT / "docs/deploy.md").read_text(encoding="utf-8").partition("\nazd up\n")[0]
    told = " ".join(page.partition("## What it will cost")[2].partition("\n## ")[0].split())
    official = changed(Scene(), {"correct_seconds": 0, "start_seconds": 0, "zip_gb": Scene().l2a_gb})
    (own, later), (theirs, _) = (
        [total(monthly(250, Prices(), scene, Plan(), months=months)) for months in (1, 12)]
        for scene in (Scene(), official)
    )
    fixed = total(monthly(0, Prices(), Scene(), Plan()))
    each, each_official = (thousand(Prices(), scene, Plan()) for scene in (Scene(), official))
    assert f"{fixed:.0f} USD a month while nothing is watched, {own:.0f} a month for 10 tiles" in told
    assert f"({theirs:.0f} with the provider's L2A), and {each:.0f} for every thousand scenes more" in told
    assert f"more ({each_official:.0f})." in told
    assert f"the 10 tiles cost {later:.0f} a month" in told
    assert "(cost.md)" in told


def test_the_page_about_scale_says_what_the_simulation_says():
    case = west_coast(tiles(), 25.0, Scene())
    assert f"| {CLASSIFY_SECONDS:g} s to classify |" in (ROOT / "docs/scale.md").read_text(encoding="utf-8")
    for (name, shown), changes in zip(table("docs/scale.md", "The case").items(), WAYS.values(), strict=True):
        way = replace(case, **changes)
        result = simulate(way)
        work, kept = (float(f"{usd:.3g}") if usd > 1000 else round(usd, -1) for usd in dollars(way, result, Scene()))
        said = [float(cell.replace(" ", "")) for cell in shown[:4]]
        assert said == [round(result.days), round(result.products / result.days), work, kept], name
