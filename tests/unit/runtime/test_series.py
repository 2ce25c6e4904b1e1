"""Series that no server is needed for: HTTP by route, pending output, published records, overdue timers, lag in an outage."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from httpx import ASGITransport, AsyncClient
from postroom_runtime import publish_metrics
from postroom_runtime.http import Door
from postroom_runtime.kafka import Outgoing
from postroom_runtime.lag import Lag
from postroom_runtime.pending import PendingOutput
from prometheus_client import REGISTRY

from tests.unit.runtime.test_timers import Fixture


def value(name: str, **labels: str) -> float:
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, f"{name}{labels} is not shown"
    return found


def application() -> FastAPI:
    app = FastAPI()

    @app.get("/things/{thing_id}")
    async def thing(thing_id: str) -> dict[str, str]:
        if thing_id == "bad":
            raise RuntimeError("a bug")
        return {"id": thing_id}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        return StreamingResponse(iter(["a", "b"]))

    return app


async def test_requests_are_counted_by_the_pattern_of_their_route_and_never_by_an_id() -> None:
    door = Door(lambda: {"started": True, "polling": False}, "series-http")
    door.inner = application()
    async with AsyncClient(transport=ASGITransport(door, raise_app_exceptions=False), base_url="http://t") as client:
        for path in ("/things/1", "/things/2", "/things/bad", "/stream", "/nowhere/3", "/nowhere/4"):
            await client.get(path)
        await client.request("BREW", "/things/1")
        text = (await client.get("/metrics")).text
    counted = {"service": "series-http", "method": "GET"}
    assert value("postroom_http_requests_total", **counted, route="/things/{thing_id}", status="200") == 2
    assert value("postroom_http_requests_total", **counted, route="/things/{thing_id}", status="500") == 1
    assert value("postroom_http_requests_total", **counted, route="/stream", status="200") == 1
    assert value("postroom_http_requests_total", **counted, route="other", status="404") == 2
    assert value("postroom_http_seconds_count", service="series-http", route="/things/{thing_id}") >= 3
    assert value("postroom_http_requests_open", service="series-http") == 0
    assert "BREW" not in text
    assert 'postroom_ready{condition="started",service="series-http"} 1.0' in text
    assert 'postroom_ready{condition="polling",service="series-http"} 0.0' in text


def test_pending_output_has_an_age_from_its_saving_until_its_publication(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("postroom_runtime.pending.monotonic", lambda: now[0])
    pending = PendingOutput("series-fold")
    pending.saved(0)
    now[0] = 105.0
    assert value("postroom_fold_pending_seconds", service="series-fold") == 0
    pending.saved(3)
    now[0] = 112.0
    pending.saved(3)  # the batch comes again: what waits is as old as before
    assert value("postroom_fold_pending_records", service="series-fold") == 3
    assert value("postroom_fold_pending_seconds", service="series-fold") == 7
    pending.published()
    assert value("postroom_fold_pending_records", service="series-fold") == 0
    assert value("postroom_fold_pending_seconds", service="series-fold") == 0


def test_published_records_are_counted_by_type_and_foreign_types_are_one() -> None:
    def record(kind: bytes) -> Outgoing:
        return Outgoing("series-topic", b"k", b"{}", [("ce_id", b"1"), ("ce_type", kind)])

    ours = b"org.postroom.message-received.v1"
    publish_metrics.published([record(ours), record(ours), record(b"a-stranger's"), record(b"another")], 0.1)
    publish_metrics.published([Outgoing("series-topic", None, b"", [])], 0.1)
    counted = "postroom_published_records_total"
    assert value(counted, topic="series-topic", type="message-received.v1") == 2
    assert value(counted, topic="series-topic", type="other") == 3


async def test_overdue_timers_are_shown_with_their_age_by_the_replica_that_fires_them() -> None:
    f = Fixture()
    f.clock.advance(40)
    f.lag = 6.0
    await f.loop.turn()
    assert value("postroom_timers_overdue", service="router") == 1
    assert value("postroom_timer_overdue_seconds", service="router") == 40
    f.holder = False
    await f.loop.turn()
    assert value("postroom_timers_overdue", service="router") == 0
    assert value("postroom_timer_overdue_seconds", service="router") == 0


def test_lag_grows_older_while_kafka_cannot_be_asked() -> None:
    lag, tp = Lag("series-lag"), TopicPartition("t", 0)
    lag.assigned = frozenset({tp})
    lag.observe({tp: 0}, {}, 0.0)
    lag.observe({tp: 5}, {}, 10.0)
    lag.report(70.0)
    labels: dict[str, Any] = {"group": "series-lag", "topic": "t", "partition": "0"}
    assert value("postroom_consumer_lag_seconds", **labels) == 60


def test_a_backlog_that_is_there_at_the_first_look_is_as_old_as_that_look() -> None:
    lag, tp = Lag("series-watch"), TopicPartition("t", 0)
    assert lag.known_seconds(5.0) == 0
    lag.observe({tp: 10}, {tp: 4}, 100.0)
    assert (lag.known_seconds(100.0), lag.known_seconds(130.0), lag.total()) == (0, 30, 6)
    lag.observe({tp: 10}, {tp: 10}, 140.0)
    assert (lag.known_seconds(150.0), lag.total()) == (0, 0)
