"""What IceWatch costs in Azure, by a model: amounts that follow from the work, times prices that are inputs.

Nothing here was measured on a bill. The amounts come from the templates in infra/, from benchmarks and from ESA's
figures for Sen2Cor; each default says which. docs/cost.md explains the model and what it leaves out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TypeVar

from shared.errors import BadSetting
from shared.models import shown

DAYS = 30.44  # of a month
# One full scene of 5490 x 5490 pixels, all layers: `python -m benchmarks.classify` took 31 s on 2 quiet cores with two
# threads, 59 s of processor time. An instance of 2048 MB has one core, so the processor's seconds are what it takes.
CLASSIFY_SECONDS = 59.0


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices in USD. Pay-as-you-go list prices of East US as remembered in late 2025, before tax: check each."""

    job_vcpu_second: float = 0.000024  # Container Apps, Consumption
    job_gib_second: float = 0.000003  # Container Apps, Consumption
    job_free_vcpu_seconds: float = 180_000  # a month and subscription
    job_free_gib_seconds: float = 360_000  # a month and subscription
    function_gb_second: float = 0.000026  # Flex Consumption, on demand
    function_free_gb_seconds: float = 100_000  # a month and subscription
    function_million_calls: float = 0.40  # Flex Consumption
    function_free_calls: float = 250_000  # a month and subscription
    blob_gb_month: float = 0.0184  # hot tier, LRS
    blob_10k_writes: float = 0.05  # hot tier, LRS
    queue_10k_operations: float = 0.004
    log_gb: float = 2.30  # Log Analytics, ingestion, with 31 days kept
    log_free_gb: float = 5.0  # a month and billing account
    registry_day: float = 0.1666  # Basic
    alert_rule_month: float = 0.50  # a log query evaluated hourly


@dataclass(frozen=True, slots=True)
class Scene:
    """What one acquisition takes."""

    zip_gb: float = 0.7  # what is downloaded and staged; L1C are 0.2 to 0.9
    l2a_gb: float = 0.7  # kept; a simulated full tile at 20 m gave 0.35, official ones are about 0.8
    surface_gb: float = 0.13  # five rasters at 20 m and the small files; a simulated full tile gave 0.125
    stage_seconds: float = (
        50.0  # python -m benchmarks.staging: 48 for 700 MB; the provider gives 20 MB/s, so 35 at least
    )
    correct_seconds: float = 1200.0  # Sen2Cor, by ESA and users 300 to 2700; never measured here
    start_seconds: float = 60.0  # image and container, before the correction begins; estimated
    classify_seconds: float = CLASSIFY_SECONDS
    blobs_written: int = 60  # the L2A folder, results, leases
    log_kb: float = 60.0  # own lines of all steps measured, 3; what the host writes of some five invocations estimated
    usable_percent: float = 100.0  # the share that becomes maps; what is rejected early costs less than computed here


@dataclass(frozen=True, slots=True)
class Plan:
    """What infra/ orders; a test compares."""

    job_vcpu: float = 4.0
    job_gib: float = 8.0
    function_gb: float = 2.0
    staged_days: float = 10.0  # hours staged, up to 2 days a version that waits for the policy, 7 days of soft delete
    alert_rules: int = 6
    host_calls_day: float = 1200.0  # timers, polls that find something, poison handlers; estimated
    queue_operations_day: float = 40_000.0  # host and scaler asking empty queues; estimated
    host_log_gb_month: float = 1.0  # the host's and the container environment's own lines; estimated


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the bill."""

    what: str
    amount: str  # for people
    usd: float  # in the month


_T = TypeVar("_T", Prices, Scene, Plan)


def changed(what: _T, given: Mapping[str, float]) -> _T:
    """``what`` with the values ``given``; raises BadSetting for a name it does not have and for what is below zero."""
    known = [field.name for field in fields(what)]
    for name, value in given.items():
        if name not in known:
            raise BadSetting(
                f"'{shown(name)}' is no {type(what).__name__.lower()} value; known are {', '.join(known)}."
            )
        if not 0 <= value < float("inf"):
            raise BadSetting(f"{name} is {value:g}; expected a number that is not negative.")
    return replace(what, **{name: type(getattr(what, name))(value) for name, value in given.items()})


def monthly(scenes: float, prices: Prices, scene: Scene, plan: Plan, *, months: float = 1.0) -> list[Line]:
    """The lines of a month's bill at ``scenes`` acquisitions a month, when ``months`` months of products are kept."""
    job = scenes * (scene.correct_seconds + scene.start_seconds)
    working = scenes * (scene.stage_seconds + scene.classify_seconds * scene.usable_percent / 100)
    calls = scenes * 6 + plan.host_calls_day * DAYS
    # A timer or a poll that finds little runs for about a second; less is billed as one.
    gb_seconds = plan.function_gb * (working + plan.host_calls_day * DAYS)
    kept = scenes * months * (scene.l2a_gb + scene.surface_gb * scene.usable_percent / 100)
    staged = scenes * scene.zip_gb * plan.staged_days / DAYS
    logs = scenes * scene.log_kb / 1e6 + plan.host_log_gb_month
    operations = plan.queue_operations_day * DAYS + scenes * 40
    vcpu, gib = job * plan.job_vcpu, job * plan.job_gib
    compute = prices.job_vcpu_second * _over(vcpu, prices.job_free_vcpu_seconds)
    memory = prices.job_gib_second * _over(gib, prices.job_free_gib_seconds)
    executed = prices.function_gb_second * _over(gb_seconds, prices.function_free_gb_seconds)
    called = prices.function_million_calls * _over(calls, prices.function_free_calls) / 1e6
    written = prices.blob_10k_writes * scenes * scene.blobs_written / 1e4
    asked = prices.queue_10k_operations * operations / 1e4
    return [
        Line("corrections (Container Apps job)", f"{job / 3600:,.0f} h of {plan.job_vcpu:g} vCPU", compute + memory),
        Line("functions (Flex Consumption)", f"{gb_seconds:,.0f} GB-s, {calls:,.0f} calls", executed + called),
        Line("L2A and results kept", f"{kept:,.0f} GB", prices.blob_gb_month * kept),
        Line("staged zips until they are gone", f"{staged:,.0f} GB on average", prices.blob_gb_month * staged),
        Line("blobs written", f"{scenes * scene.blobs_written:,.0f}", written),
        Line("queues and tables asked", f"{operations / 1e6:,.1f} million", asked),
        Line("logs", f"{logs:,.1f} GB", prices.log_gb * _over(logs, prices.log_free_gb)),
        Line("container registry, Basic", f"{DAYS:.0f} days", prices.registry_day * DAYS),
        Line("alarms", f"{plan.alert_rules} rules", prices.alert_rule_month * plan.alert_rules),
    ]


def thousand(prices: Prices, scene: Scene, plan: Plan) -> float:
    """USD that a thousand more acquisitions cost, free amounts used up, kept for one month."""
    paid = replace(prices, **{field.name: 0.0 for field in fields(prices) if "_free_" in field.name})
    return total(monthly(1000, paid, scene, plan)) - total(monthly(0, paid, scene, plan))


def total(lines: list[Line]) -> float:
    """Their sum in USD."""
    return sum(line.usd for line in lines)


def _over(amount: float, free: float) -> float:
    return max(0.0, amount - free)
