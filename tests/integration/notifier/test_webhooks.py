"""Webhooks on real Kafka and MongoDB, to a receiver that verifies them by the published library."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from postroom_contracts.configuration import ConfigurationApplied, MailAccount, WebhookSubscription
from postroom_contracts.events import Event
from postroom_contracts.ids import derived_id
from postroom_contracts.signed_ids import service_key
from postroom_notifier.adapters.mongo_webhooks import MongoWebhooks
from postroom_notifier.adapters.webhook_client import HttpWebhookClient
from postroom_notifier.domain.mime import OutgoingMail
from postroom_notifier.domain.outcomes import Accepted
from postroom_notifier.webhooks.api import Webhooks, application
from postroom_notifier.webhooks.sending import WebhookSender
from postroom_notifier.webhooks.taking import TakeEvents
from postroom_notifier.webhooks.telling import TellAdmins
from postroom_runtime import mongo
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.outbound import parse_networks
from postroom_runtime.settings import RuntimeSettings

from tests.deployment import SIGNING_KEY
from tests.integration.notifier.conftest import House
from tests.standins.receiver import Receiver
from tests.unit.notifier.company import Facts, configuration

pytestmark = pytest.mark.connected
SECRET = "whsec_" + base64.b64encode(b"a secret of the tests, 32 bytes.").decode()
OLD_SECRET = "whsec_" + base64.b64encode(b"the secret that was used before.").decode()
LOOPBACK = "127.0.0.0/8"


class RecordingMail:
    """Port MailSender that takes everything."""

    def __init__(self) -> None:
        self.sent: list[OutgoingMail] = []

    async def send(self, account: MailAccount, mail: OutgoingMail) -> Accepted:
        self.sent.append(mail)
        return Accepted()

    async def close(self) -> None: ...


class MovableClock:
    """A clock that a test sets forward."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Bench:
    """Store, client and sender in this process, without Kafka."""

    def __init__(self, database: Any, allowed: str, seconds: float) -> None:
        self.clock = MovableClock()
        self.database = database
        self.store = MongoWebhooks(database)
        self.configurations = Configurations()
        client = HttpWebhookClient(self.clock, seconds, parse_networks(allowed))
        self.sender = WebhookSender(self.store, client, self.configurations, self.clock, 10, seconds)
        self.taking = TakeEvents(self.store, self.configurations, self.clock, self.sender.wake)
        self.loop: asyncio.Task[None] | None = None

    async def open(self, subscriptions: list[WebhookSubscription]) -> None:
        await self.store.prepare()
        shared = configuration()
        ana = shared.agents[0].model_copy(update={"role": "admin"})
        company = shared.model_copy(update={"webhooks": subscriptions, "agents": [ana, *shared.agents[1:]]})
        self.configurations.add(
            ConfigurationApplied(configuration_version=1, applied_at=self.clock.now(), configuration=company)
        )
        self.loop = asyncio.create_task(self.sender.run())

    async def close(self) -> None:
        if self.loop is not None:
            self.loop.cancel()
            await asyncio.gather(self.loop, return_exceptions=True)

    async def happens(self, *events: Event) -> None:
        due = await self.taking.due([(event, n) for n, event in enumerate(events)])
        await self.store.add(due, self.clock.now())
        self.sender.wake()


async def until(is_true: Callable[[], bool], what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(0.02)


def subscription(identifier: str, url: str, *secrets: str) -> WebhookSubscription:
    names = [{"env": name} for name in secrets or ("HOOK_SECRET",)]
    return WebhookSubscription.model_validate({"id": identifier, "url": url, "secrets": names})


@pytest.fixture
async def benches(
    mongo_uri: str, database_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[..., Bench]]:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("OLD_HOOK_SECRET", OLD_SECRET)
    settings = RuntimeSettings.model_validate({"mongo_uri": mongo_uri, "database_prefix": database_prefix})
    client = mongo.connect(settings)
    made: list[Bench] = []

    def make(allowed: str = LOOPBACK, seconds: float = 5.0) -> Bench:
        made.append(Bench(mongo.database(client, settings, "notifier"), allowed, seconds))
        return made[-1]

    yield make
    for bench in made:
        await bench.close()
    await mongo.close(client)


async def test_a_request_is_signed_with_every_secret_and_verifies_by_the_published_library(
    benches: Callable[..., Bench],
) -> None:
    bench, facts = benches(), Facts()
    async with Receiver() as receiver:
        await bench.open([subscription("crm", receiver.url(), "HOOK_SECRET", "OLD_HOOK_SECRET")])
        event = facts.received()
        await bench.happens(event)
        await until(lambda: len(receiver.received) == 1, "the webhook")
    (request,) = receiver.received
    assert request.verified(SECRET)
    assert request.verified(OLD_SECRET), "while a secret is rotated both verify"
    assert (request.event["type"], request.event["id"]) == (event.type, event.id)
    assert request.event["data"]["message_id"] == f"{facts.conversation}-m1"
    assert request.headers["content-type"].startswith("application/cloudevents+json")


async def test_a_conversation_keeps_its_order_over_failures_and_what_waits_goes_when_the_receiver_is_back(
    benches: Callable[..., Bench],
) -> None:
    bench, one, other = benches(), Facts(), Facts(derived_id("test", "other"))
    async with Receiver(answer=lambda _: 302, location="http://127.0.0.1:1/") as receiver:
        await bench.open([subscription("crm", receiver.url())])
        await bench.happens(one.received(), one.replied(), other.received())
        await until(lambda: len(receiver.received) == 2, "the first of each conversation")
        assert {r.event["subject"] for r in receiver.received} == {one.conversation, other.conversation}
        receiver.answer = lambda _: 200
        bench.clock.ahead += timedelta(seconds=6)
        await bench.store.wake({"crm"}, bench.clock.now())
        bench.sender.wake()
        await until(lambda: len(receiver.received) == 5, "all of them")
    taken = [r for r in receiver.received[2:] if r.event["subject"] == one.conversation]
    assert [r.event["type"].split(".")[2] for r in taken] == ["message-received", "reply-accepted"]
    first = [r.headers["webhook-id"] for r in receiver.received if r.event["id"] == taken[0].event["id"]]
    assert len(first) == 2
    assert len(set(first)) == 1, "the same webhook id at every attempt"


async def test_a_receiver_is_served_again_as_soon_as_the_database_is_back(
    benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches()
    bench.sender.lease_seconds = 3600.0
    away = asyncio.Event()
    mark, release = bench.store.mark, bench.store.release

    async def unless_away(act: Callable[..., Any], *given: Any) -> Any:
        if away.is_set():
            raise InfrastructureError("mark webhooks")
        return await act(*given)

    monkeypatch.setattr(bench.store, "mark", lambda *given: unless_away(mark, *given))
    monkeypatch.setattr(bench.store, "release", lambda *given: unless_away(release, *given))
    away.set()
    async with Receiver() as receiver:
        await bench.open([subscription("crm", receiver.url())])
        await bench.happens(Facts().received())
        await until(lambda: len(receiver.received) == 1, "sent, and nobody could note that it was taken")
        await until(lambda: bool(bench.sender._owed), "the lease waits to be given back")
        away.clear()
        await until(lambda: len(receiver.received) == 2, "sent again under the same id, long before the lease ends")
    assert len({r.headers["webhook-id"] for r in receiver.received}) == 1
    assert not bench.sender._owed


async def test_a_fault_of_ours_ends_the_sending_only_until_its_loop_is_started_again(
    benches: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = benches()
    lease, faults = bench.store.lease, [ValueError("a receiver that a newer release wrote")]

    async def failing(*args: Any, **options: Any) -> Any:
        if faults:
            raise faults.pop()
        return await lease(*args, **options)

    monkeypatch.setattr(bench.store, "lease", failing)
    async with Receiver() as receiver:
        await bench.open([subscription("crm", receiver.url())])
        assert bench.loop is not None
        await asyncio.wait({bench.loop})
        assert isinstance(bench.loop.exception(), ValueError)
        bench.loop = asyncio.create_task(bench.sender.run())  # as the runtime does
        await bench.happens(Facts().received())
        await until(lambda: len(receiver.received) == 1, "it is sent")


async def test_those_that_hang_delay_nobody_else(benches: Callable[..., Bench]) -> None:
    bench = benches(seconds=3.0)
    async with Receiver(answer=lambda r: None if r.path.startswith("/hangs") else 200) as receiver:
        hanging = [subscription(f"h{n}", receiver.url(f"/hangs/{n}")) for n in range(20)]
        well = [subscription(f"w{n}", receiver.url(f"/well/{n}")) for n in range(20)]
        await bench.open([*hanging, *well])
        await bench.happens(*(Facts(derived_id("many", str(n))).received() for n in range(6)))

        def taken() -> int:
            return sum(1 for r in receiver.received if r.path.startswith("/well"))

        began = time.monotonic()
        await until(lambda: taken() == 120, "what those that are well get", seconds=80)
        took = time.monotonic() - began
        hung = {s.id for s in hanging}
        await until(
            lambda: {f"h{r.path.rpartition('/')[2]}" for r in receiver.received if r.path.startswith("/hangs")} == hung,
            "each of those that hang was tried",
        )
    assert took < 45, "in turn with those that hang they would need more than 90 s"


async def test_no_request_reaches_an_address_that_is_not_public(benches: Callable[..., Bench]) -> None:
    bench = benches(allowed="")
    async with Receiver() as receiver:
        names = {"ip": "127.0.0.1", "name": "localhost", "number": "2130706433"}
        await bench.open([subscription(i, receiver.url(host=host)) for i, host in names.items()])
        await bench.happens(Facts().received())

        async def tried() -> list[str | None]:
            logs = [await bench.store.log(name, None, None, 5) for name in names]
            return [attempt.error for log in logs for d in log for attempt in d.tried]

        deadline = time.monotonic() + 60
        while len(await tried()) < 3:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert set(await tried()) == {"forbidden_address"}
    assert receiver.received == []


async def asked(bench: Bench, path: str) -> int:
    """Return the status with which the notifier answers an operator."""
    parts = Webhooks(
        bench.store, bench.taking, bench.configurations, bench.clock, RuntimeSettings(), [SIGNING_KEY.encode()]
    )
    headers = {"x-postroom-key": service_key(SIGNING_KEY.encode())}
    transport = httpx.ASGITransport(application(parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://t", headers=headers) as client:
        return (await client.post(f"/api/v1/webhooks/{path}")).status_code


async def test_five_days_of_failure_disable_a_subscription_and_enabling_sends_again(
    benches: Callable[..., Bench],
) -> None:
    bench, facts = benches(), Facts()
    async with Receiver(answer=lambda _: 500) as receiver:
        await bench.open([subscription("crm", receiver.url())])
        await bench.happens(facts.received())
        await until(lambda: len(receiver.received) == 1, "the first attempt")
        deadline = time.monotonic() + 60
        while not (known := await bench.store.receivers()) or not known["crm"].failing_since:
            assert time.monotonic() < deadline, "the first attempt is not noted"
            await asyncio.sleep(0.05)
        bench.clock.ahead = timedelta(days=5, minutes=1)
        await bench.store.wake({"crm"}, bench.clock.now())
        bench.sender.wake()
        await until(lambda: len(receiver.received) == 2, "the second attempt")
        deadline = time.monotonic() + 60
        while "crm" not in await bench.store.disabled():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        while (dead := (await bench.store.log("crm", None, None, 10))[0]).state != "dead":
            assert time.monotonic() < deadline, dead
            await asyncio.sleep(0.05)
        mail = RecordingMail()
        telling = TellAdmins(bench.store, mail, bench.configurations, bench.clock, "https://desk.acme.test")
        await telling.tell((await bench.store.disabled())["crm"])
        (told,) = mail.sent
        assert told.recipients == ("ana@staff.acme.test",)
        assert b"https://desk.acme.test/api/v1/webhooks/crm/enable" in told.body
        assert (await bench.store.disabled())["crm"].told_at is not None
        await bench.happens(facts.replied())
        assert [await asked(bench, f"crm/{what}") for what in ("test", f"deliveries/{dead.id}/retry")] == [409, 409]
        assert len(await bench.store.log("crm", None, None, 10)) == 1, "nothing more is due to it"
        await bench.store.mark_receiver((await bench.store.disabled())["crm"].model_copy(update={"disabled_at": None}))
        receiver.answer = lambda _: 200
        assert await bench.store.again(dead.id, "crm", bench.clock.now())
        bench.sender.wake()
        await until(lambda: len(receiver.received) == 3, "the dead letter, tried anew")


async def test_a_younger_subscription_and_the_backlog_by_whose_fault_it_is(benches: Callable[..., Bench]) -> None:
    """The fold met the conversation before there was a subscription; a receiver that hangs makes nobody late but itself."""
    bench, facts = benches(), Facts()
    facts.received()
    await bench.database["conversations"].insert_one({"_id": facts.conversation, "state": {"inbox_id": "support"}})
    async with Receiver(answer=lambda r: 500 if r.path == "/away" else 200) as receiver:
        await bench.open([subscription("well", receiver.url()), subscription("away", receiver.url("/away"))])
        await bench.happens(facts.replied())
        await until(lambda: len(receiver.received) == 2, "both")
        deadline = time.monotonic() + 60
        while not (known := await bench.store.receivers()) or not known["away"].failing_since:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.05)
        assert not known["well"].keeps_waiting
        later = bench.clock.now() + timedelta(minutes=10)
        while (waiting := await bench.store.backlog(later, ["away"])).undone > 1:
            assert time.monotonic() < deadline, "what the one that is well took is not noted"
            await asyncio.sleep(0.05)
        assert (waiting.undone, waiting.dead, waiting.ours_at) == (1, 0, None)
        assert waiting.oldest_at is not None
        await bench.store.give_up("away", later)
        assert (await bench.store.backlog(later, [])).dead == 1


async def _told(receiver: Receiver, count: int) -> list[str]:
    await until(lambda: len({r.event["id"] for r in receiver.received}) >= count, f"{count} events", seconds=60)
    return list(dict.fromkeys(r.event["id"] for r in receiver.received))


async def _log(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await client.get("/api/v1/webhooks/crm/deliveries")).json()["items"]
    return found


async def test_killed_at_each_step_every_event_comes_in_order(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps: webhooks.decided, webhooks.stored, webhooks.sent, webhooks.marked."""
    facts = Facts(start=datetime.now(UTC))
    env = {
        "HOOK_SECRET": SECRET,
        "POSTROOM_WEBHOOK_NETWORKS": LOOPBACK,
    }
    events: list[Event] = []
    async with Receiver() as receiver:
        company = configuration(house.sink.port).model_copy(
            update={"webhooks": [subscription("crm", receiver.url()).model_copy(update={"events": ["note-added"]})]}
        )
        await house.deployment.configure(company)
        await house.publish(facts.received())
        for step in ("webhooks.decided", "webhooks.stored", "webhooks.sent", "webhooks.marked"):
            events.append(facts.noted([], message_id=f"note-{step}"))
            killed = house.deployment.start("notifier", POSTROOM_KILL_AT=step, **env)
            await house.publish(events[-1])
            await house.killed(killed)
        process = await house.notifier(**env)
        assert await _told(receiver, 4) == [e.id for e in events]
        repeated = len(receiver.received) - 4
        assert repeated <= 2, "only what was sent and not marked comes twice"

        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
            assert (await client.get("/api/v1/webhooks")).status_code == 401
            client.headers["x-postroom-key"] = service_key(SIGNING_KEY.encode())
            (shown,) = (await client.get("/api/v1/webhooks")).json()
            assert (shown["state"], shown["receiver"].startswith("http://127.0.0.1:")) == ("ok", True)
            assert "secret" not in str(shown)
            before = len(receiver.received)
            answer = await client.post("/api/v1/webhooks/crm/replay", json={"start": "beginning"})
            assert (answer.status_code, answer.json()) == (202, {"deliveries": 4})
            await until(lambda: len(receiver.received) == before + 4, "the replay")
            again = receiver.received[before:]
            assert [r.event["id"] for r in again] == [e.id for e in events]
            assert {r.headers["webhook-id"] for r in again} == {
                r.headers["webhook-id"] for r in receiver.received[:before]
            }
            assert (await client.post("/api/v1/webhooks/crm/test")).status_code == 202
            await until(lambda: "webhook-test" in receiver.received[-1].event["type"], "the test")
            deadline = time.monotonic() + 60
            while {d["state"] for d in await _log(client)} != {"delivered"}:  # it is noted after it was taken
                assert time.monotonic() < deadline, await _log(client)
                await asyncio.sleep(0.05)
            refused = await client.post("/api/v1/webhooks/crm/replay", json={"start": "yesterday"})
            assert refused.status_code == 422
            assert (await client.post("/api/v1/webhooks/nobody/test")).status_code == 404
