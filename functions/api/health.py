"""health: is it alive? Each part answers "ok" or a sentence, and all of them together within some seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from functools import lru_cache
from time import monotonic

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import PlainTextResponse

from functions.api.access import access
from functions.api.depths import depths
from functions.api.outside import Outside
from functions.api.problems import ALWAYS, answers
from functions.api.snapshot import snapshot
from shared.errors import IceWatchError
from shared.models import WATCHLIST, State
from shared.pipeline.runs import all_runs
from shared.records import REFUSED
from shared.wiring import Services

router = APIRouter(tags=["health"])
_SECONDS = 6.0  # for all parts together
_CATALOGUE_SECONDS = 4.0
_CATALOGUE_EVERY = 60.0  # seconds between two questions to the catalogue, however often health is asked for


class Health(BaseModel):
    """How the app is doing; who does not sign in learns only that it answers."""

    status: str = Field(description="'ok', or 'trouble' where a part is not", examples=["ok"])
    parts: dict[str, str] | None = Field(
        default=None,
        description="Part -> 'ok' or a sentence",
        examples=[{"storage": "ok", "ledger": "ok", "queues": "ok", "timers": "ok", "catalogue": "ok", "model": "ok"}],
    )
    model: str | None = Field(default=None, description="The shipped classifier", examples=["ice_surface 1.0.0"])
    last_runs: dict[str, datetime | None] | None = Field(
        default=None, description="When schedule and watch last ended well; null: never"
    )
    first_runs: dict[str, datetime] | None = Field(
        default=None, description="When a timer that waits for its first run is due; nothing is wrong until then"
    )
    queues: dict[str, int] | None = Field(
        default=None,
        description="About how many messages wait or are in work, per queue",
        examples=[{"products": 3, "products-poison": 0}],
    )
    products: dict[State, int] | None = Field(default=None, description="Products per state")


@router.get("/api/health", response_model_exclude_none=False, responses=answers(429, 500, 503))
def health(request: Request, outside: Outside) -> Health:
    """Whether storage, queues, ledger, catalogue and model answer, and when the timers last ran."""
    found = access()
    if not (found.is_signed_in(request) or found.knows(request)):
        return Health(status="ok")
    seen = _Seen()
    parts = _within(
        {
            "storage": lambda: seen.storage(outside),
            "timers": lambda: seen.timers(outside),
            "ledger": seen.ledger,
            "queues": lambda: seen.depths(outside),
            "catalogue": lambda: _catalogue(outside, int(monotonic() / _CATALOGUE_EVERY)),
            "model": lambda: seen.classifier(outside),
        }
    )
    return Health(
        status="ok" if set(parts.values()) == {"ok"} else "trouble",
        parts=parts,
        model=seen.model,
        last_runs=seen.runs,
        first_runs=seen.first_runs,
        queues=seen.queues,
        products=seen.products,
    )


class _Seen:
    """What the checks have found; each writes its own fields."""

    def __init__(self) -> None:
        self.model: str | None = None
        self.runs: dict[str, datetime | None] = {}
        self.first_runs: dict[str, datetime] = {}
        self.queues: dict[str, int] = {}
        self.products: dict[State, int] = {}

    def storage(self, outside: Services) -> str:
        outside.store.info(WATCHLIST)
        return "ok"

    def timers(self, outside: Services) -> str:
        found, now = all_runs(outside.store, outside.first_due), outside.clock()
        self.runs = {one.step: one.last for one in found}
        self.first_runs = {one.step: one.first_due for one in found if one.first_due and one.is_new(now)}
        late = [one.step for one in found if one.is_late(now)]
        return "ok" if not late else f"Not run for twice as long as usual, or never: {', '.join(late)}."

    def ledger(self) -> str:
        records = snapshot().records
        self.products = dict(Counter(record.state for record in records if record.partition != REFUSED))
        return "ok"

    def depths(self, outside: Services) -> str:
        self.queues = depths(outside.queues)
        full = [name for name, depth in self.queues.items() if depth and name.endswith("-poison")]
        return "ok" if not full else f"Messages that every try failed for lie in {', '.join(full)}."

    def classifier(self, outside: Services) -> str:
        classifier = outside.load_classifier()
        self.model = f"{classifier.name} {classifier.version}"
        return "ok"


@lru_cache(maxsize=4)
def _catalogue(outside: Services, _turn: int) -> str:
    from shared.adapters.reachable import reached

    return reached(outside.settings.copernicus.catalogue_url, seconds=_CATALOGUE_SECONDS)


def _within(checks: dict[str, Callable[[], str]]) -> dict[str, str]:
    """Run all checks at once; one that takes too long is left behind."""
    pool = ThreadPoolExecutor(len(checks), thread_name_prefix="health")
    running = {name: pool.submit(check) for name, check in checks.items()}
    wait(running.values(), timeout=_SECONDS)
    pool.shutdown(wait=False, cancel_futures=True)
    return {name: _said(check) for name, check in running.items()}


def _said(check: Future[str]) -> str:
    if not check.done():
        return f"No answer within {_SECONDS:g} s."
    error = check.exception()
    if error is None:
        return check.result()
    return str(error) if isinstance(error, IceWatchError) else f"Unforeseen {type(error).__name__}; the log says more."


@router.get(
    "/api/metrics",
    response_class=PlainTextResponse,
    responses={**answers(*ALWAYS), 200: {"description": "One line per measurement", "content": {"text/plain": {}}}},
)
def metrics() -> PlainTextResponse:
    """What watch measures, in the text format of Prometheus: queues, products, latencies, costs, what is missing."""
    from functions.measuring import prometheus_text

    return PlainTextResponse(prometheus_text(), media_type="text/plain; version=0.0.4; charset=utf-8")
