"""Health: each part says "ok" or a sentence."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from shared.messages import BLOB_TRIGGER_POISON, PRODUCTS, poison_of
from shared.pipeline.runs import TIMERS, note
from tests.api.conftest import World


def parts(client: TestClient) -> dict[str, str]:
    return dict(client.get("/api/health").json()["parts"])


@pytest.mark.parametrize("queue", [poison_of(PRODUCTS), BLOB_TRIGGER_POISON])
def test_messages_that_every_try_failed_for_are_trouble_whoevers_queue_they_lie_in(world: World, queue: str):
    with world.client() as client:
        assert parts(client)["queues"] == "ok"
        world.queues.send(queue, "{}")
        assert queue in parts(client)["queues"]
        assert client.get("/api/health").json()["queues"][queue] == 1


def test_timers_that_run_no_more_are_trouble(world: World, client: TestClient):
    assert parts(client)["timers"] == "Not run for twice as long as usual, or never: schedule, watch."
    for step in TIMERS:
        note(step, world.store, world.clock)
    assert parts(client)["timers"] == "ok"
    for _ in range(4):
        world.clock.advance(minutes=15)
        note("watch", world.store, world.clock)
    world.clock.advance(hours=1)
    assert parts(client)["timers"].endswith(": watch.")
    assert client.get("/api/health").json()["status"] == "trouble"


def test_a_timer_that_waits_for_its_first_run_is_no_trouble(world: World, client: TestClient):
    note("watch", world.store, world.clock)
    due = world.clock() + timedelta(hours=6)
    vars(world.outside)["first_due"] = {"schedule": due}.get
    told = client.get("/api/health").json()
    assert told["parts"]["timers"] == "ok"
    assert told["last_runs"]["schedule"] is None
    assert datetime.fromisoformat(told["first_runs"].pop("schedule")) == due
    assert told["first_runs"] == {}
    world.clock.advance(hours=6, minutes=31)
    told = client.get("/api/health").json()
    assert told["parts"]["timers"].endswith(": schedule.")
    assert told["first_runs"] == {}
