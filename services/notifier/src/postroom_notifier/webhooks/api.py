"""What operators ask of webhooks, on the notifier's own door: the desk passes it on for those who may.

Every request carries a digest made with a signing key of the deployment, so that nobody else in the network can ask.
"""

import hmac
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from postroom_contracts.configuration import WebhookSubscription
from postroom_contracts.events import EnvelopeError, Event, decode
from postroom_contracts.fields import format_time
from postroom_contracts.registry import models_of
from postroom_contracts.signed_ids import service_key
from postroom_contracts.topics import CONVERSATION_EVENTS
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.records import header_map
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import Place, parse_place, read_to_end
from pydantic import BaseModel, ConfigDict, ValidationError

from postroom_notifier.domain.webhooks import Receiver, WebhookDelivery, state_of, test_delivery
from postroom_notifier.webhooks.port import WebhookStore
from postroom_notifier.webhooks.taking import TakeEvents

KEY_HEADER = "x-postroom-key"
BASE = "/api/v1/webhooks"
REPLAY_CHUNK = 200
PAGE = 50


@dataclass(frozen=True)
class Webhooks:
    """What the endpoints work with."""

    store: WebhookStore
    taking: TakeEvents
    configurations: Configurations
    clock: Clock
    settings: RuntimeSettings
    keys: Sequence[bytes]

    def subscription(self, identifier: str) -> WebhookSubscription:
        """Raises HTTPException 404."""
        found = next((s for s in self.configurations.latest.webhooks if s.id == identifier), None)
        if found is None:
            raise HTTPException(404, "there is no webhook of this id in the configuration")
        return found

    async def served(self, identifier: str) -> WebhookSubscription:
        """Return a subscription to which something may be sent. Raises HTTPException 404, 409 for one that is disabled."""
        found = self.subscription(identifier)
        receiver = (await self.store.disabled()).get(identifier)
        if receiver is not None or not found.enabled:
            how = "enable it first" if receiver is not None else "its configuration says so"
            raise HTTPException(409, f"this webhook is disabled, and nothing is sent to it: {how}")
        return found


class ReplayAsked(BaseModel):
    """Send events again: `from` and `until` are `beginning`, `end`, a time, or `partition:offset,...`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    start: str
    until: str = "end"


def application(webhooks: Webhooks) -> FastAPI:
    """Return the API over `webhooks`."""

    def known(request: Request) -> None:
        given = request.headers.get(KEY_HEADER, "").encode()
        if not any(hmac.compare_digest(given, service_key(key).encode()) for key in webhooks.keys):
            raise HTTPException(401, "ask the desk")

    app = FastAPI(title="Postroom webhooks", version="1", docs_url=None, redoc_url=None, dependencies=[Depends(known)])
    app.add_exception_handler(InfrastructureError, _unavailable)
    app.add_exception_handler(HTTPException, _problem)
    _reads(app, webhooks)
    _writes(app, webhooks)
    return app


def _reads(app: FastAPI, webhooks: Webhooks) -> None:
    @app.get(BASE)
    async def subscriptions() -> list[dict[str, Any]]:
        receivers = await webhooks.store.receivers()
        return [_subscription(s, receivers.get(s.id)) for s in webhooks.configurations.latest.webhooks]

    @app.get(f"{BASE}/{{identifier}}/deliveries")
    async def deliveries(
        identifier: str,
        state: Literal["due", "delivered", "dead"] | None = None,
        cursor: Annotated[str | None, Query(max_length=200)] = None,
    ) -> dict[str, Any]:
        webhooks.subscription(identifier)
        found = await webhooks.store.log(identifier, state, _before(cursor), PAGE + 1)
        shown = found[:PAGE]
        following = f"{format_time(shown[-1].created_at)} {shown[-1].id}" if len(found) > PAGE else None
        return {"items": [_delivery(d) for d in shown], "next_cursor": following}


def _writes(app: FastAPI, webhooks: Webhooks) -> None:
    @app.post(f"{BASE}/{{identifier}}/test", status_code=202)
    async def test(identifier: str) -> dict[str, str]:
        """Send an event that says nothing; what became of it stands in the deliveries."""
        await webhooks.served(identifier)
        now = webhooks.clock.now()
        delivery = test_delivery(identifier, str(uuid.uuid4()), now)
        await webhooks.store.add([delivery], now)
        webhooks.taking.wake()
        return {"delivery_id": delivery.id}

    @app.post(f"{BASE}/{{identifier}}/enable")
    async def enable(identifier: str) -> dict[str, Any]:
        """Send to it again, what comes from now on; what it missed is given by a replay."""
        subscription = webhooks.subscription(identifier)
        receiver = Receiver(subscription_id=identifier)
        await webhooks.store.mark_receiver(receiver)
        return _subscription(subscription, receiver)

    @app.post(f"{BASE}/{{identifier}}/deliveries/{{delivery_id}}/retry", status_code=202)
    async def retry(identifier: str, delivery_id: str) -> dict[str, str]:
        await webhooks.served(identifier)
        if not await webhooks.store.again(delivery_id, identifier, webhooks.clock.now()):
            raise HTTPException(404, "there is no delivery of this id that is done")
        webhooks.taking.wake()
        return {"delivery_id": delivery_id}

    @app.post(f"{BASE}/{{identifier}}/replay", status_code=202)
    async def replay(identifier: str, asked: ReplayAsked) -> dict[str, int]:
        """Send a range of the log again, with the same webhook ids."""
        await webhooks.served(identifier)
        try:
            start, until = parse_place(asked.start), parse_place(asked.until)
        except ValueError as error:
            raise HTTPException(422, str(error)) from error
        return {"deliveries": await _replay(webhooks, identifier, start, until)}


async def _replay(webhooks: Webhooks, identifier: str, start: Place, until: Place) -> int:
    """Return how many deliveries became due. Reads the log in chunks; a second replay of the same range sends it once more."""
    name, count = str(uuid.uuid4()), 0
    chunk: list[tuple[Event, int]] = []
    models = models_of(CONVERSATION_EVENTS)
    topic = webhooks.settings.topic(CONVERSATION_EVENTS.name)

    async def store() -> int:
        due = await webhooks.taking.again(chunk, identifier, name)
        await webhooks.store.add(due, webhooks.clock.now())
        webhooks.taking.wake()
        chunk.clear()
        return len(due)

    async for record in read_to_end(webhooks.settings, topic, start=start, until=until):
        try:
            event = decode(header_map(record), record.value, models)
        except (EnvelopeError, ValidationError):
            continue  # parked when it was taken in
        chunk.append((event, record.offset))
        if len(chunk) >= REPLAY_CHUNK:
            count += await store()
    return count + (await store() if chunk else 0)


def _subscription(subscription: WebhookSubscription, receiver: Receiver | None) -> dict[str, Any]:
    """Return what may be shown: no secret, and of the address neither path nor query, which may hold one."""
    known = receiver or Receiver(subscription_id=subscription.id)
    host = "/".join(subscription.url.split("/")[:3])
    state = state_of(subscription, receiver)
    times = {
        "failing_since": known.failing_since,
        "last_success_at": known.last_success_at,
        "disabled_at": known.disabled_at,
    }
    return {
        "id": subscription.id,
        "receiver": host,
        "events": subscription.events,
        "inboxes": subscription.inboxes,
        "state": "disabled" if state == "off" else state,
        **{name: format_time(at) if at else None for name, at in times.items()},
    }


def _delivery(delivery: WebhookDelivery) -> dict[str, Any]:
    return delivery.model_dump(mode="json", exclude={"body", "order"})


def _before(cursor: str | None) -> tuple[datetime, str] | None:
    """Raises HTTPException 422 for a cursor that is none of ours."""
    if not cursor:
        return None
    at, _, identifier = cursor.partition(" ")
    try:
        return datetime.fromisoformat(at), identifier
    except ValueError as error:
        raise HTTPException(422, "the cursor is not one that an answer held") from error


async def _unavailable(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse(
        {"detail": f"MongoDB or Kafka does not answer: {type(error).__name__}"}, 503, {"Retry-After": "2"}
    )


async def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    return JSONResponse({"detail": error.detail}, error.status_code)
