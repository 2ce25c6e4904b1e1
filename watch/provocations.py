"""What is made to go wrong, and which alerts must speak of it: each fires, and is silent again when it is mended."""

import asyncio
import functools
import secrets
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from postroom_contracts.commands import AddNote
from postroom_contracts.events import new_event
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS
from postroom_contracts.values import Actor, ContentReference
from postroom_local.smtp_sink import Accept, Reject
from postroom_runtime.cli_dead_letters import replay_key
from postroom_runtime.kafka import Outgoing
from postroom_runtime.tail import read_to_end

from watch import company
from watch.house import House
from watch.neglect import Neglect
from watch.traffic import Traffic
from watch.trouble import ALL, MAIL, OUT, Provocation, services

RESTARTED = ("ingest", "router", "assigner", "analytics", "desk")


@dataclass
class Provocations:
    """All of them over one house; what one of them must remember until it is mended is kept here."""

    house: House
    traffic: Traffic
    _kept: list[dict[str, Any]] = field(default_factory=list)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def every(self) -> list[Provocation]:
        """Return them in the order in which they are to begin: servers first, whose errors burn budgets longest."""
        return [
            *self._of_servers()[:1],
            *self._of_work(),
            *self._of_servers()[1:],
            *self._of_mail(),
            *self._of_processes(),
        ]

    def _of_servers(self) -> list[Provocation]:
        h = self.house
        return [
            Provocation(
                "MongoDB is away",
                (
                    "PostroomMongoDown",
                    "PostroomMongoMemberDown",
                    "PostroomConsumerWaiting",
                    "PostroomAccountsUnheld",
                    "PostroomErrorBudgetBurnsFast:desk",
                ),
                self._mongo_away,
                lambda: asyncio.to_thread(h.mongo.start),
                60,
                120,
                takes=ALL,
            ),
            Provocation(
                "every service is started again, and waits for MongoDB",
                ("PostroomServiceNotStarted",),
                self._roll,
                self._let_start,
                60,
                60,
                takes=ALL,
            ),
            Provocation(
                "Kafka is away",
                ("PostroomKafkaDown", "PostroomOutboxOld"),
                lambda: asyncio.to_thread(h.kafka.kill),
                lambda: asyncio.to_thread(h.kafka.start),
                60,
                120,
                ("PostroomErrorBudgetBurnsFast:routing",),
                takes=ALL,
            ),
            Provocation(
                "Kafka refuses what follows from decisions",
                ("PostroomDecisionsUnpublished", "PostroomResultsUntold", "PostroomTimersOverdue"),
                self._refuse,
                lambda: h.refuse_writes([CONVERSATION_EVENTS, CONVERSATION_COMMANDS], refuse=False),
                60,
                90,
                takes=ALL,
            ),
        ]

    def _of_work(self) -> list[Provocation]:
        """Return what harms nobody else: all of these go wrong at the same time."""
        h, n = self.house, Neglect(self.house, self.traffic)
        folds = services("assigner", "notifier", "desk")
        return [
            Provocation(
                "the ledger forgot a mail and does not take another, somebody removed one, and mails lay at their provider",
                (
                    "PostroomLedgerDifference",
                    "PostroomMailsGone",
                    "PostroomMailsQuarantined",
                    "PostroomErrorBudgetBurnsFast:storing",
                ),
                self._differ,
                self._take_all,
                75,
                120,
                uses=services("ingest") | MAIL,
            ),
            Provocation(
                "nobody takes a letter, and an account is not connected",
                ("PostroomQueueOld", "PostroomOauthGrantRefused"),
                self._letter_and_account,
                self._take_letter,
                60,
                60,
                uses=services("ingest", "router", "assigner") | MAIL,
            ),
            Provocation(
                "a stranger's record, and one that meets a broken document",
                ("PostroomDeadLetters", "PostroomKeysHeld"),
                self._poison,
                self._replay,
                60,
                60,
                uses=folds | services("router"),
            ),
            Provocation(
                "a letter has lain for 26 days",
                ("PostroomDeadLettersExpire",),
                n.old_letter,
                n.discard_letter,
                45,
                45,
                uses=services("desk", "analytics"),
            ),
            Provocation(
                "an event comes before its predecessor",
                ("PostroomEventGap",),
                n.gap,
                n.close_gap,
                45,
                45,
                uses=folds | services("router"),
            ),
            Provocation(
                "a stored secret is gone, another is old",
                ("PostroomSecretsMissing", "PostroomSecretsOld"),
                n.age_secrets,
                n.renew_secrets,
                60,
                45,
                uses=services("notifier"),
            ),
            Provocation(
                "a process of an older release does not know a field of the configuration",
                ("PostroomConfigurationBehind",),
                n.older_probe,
                lambda: h.restart("probe"),
                60,
                45,
                takes=services("probe"),
            ),
            Provocation(
                "a receiver of webhooks is held by nobody who serves it, another takes nothing for days",
                ("PostroomWebhooksLate", "PostroomWebhookDisabled"),
                n.neglect_receivers,
                n.serve_receivers,
                60,
                45,
                uses=services("notifier", "router"),
            ),
        ]

    def _of_mail(self) -> list[Provocation]:
        h = self.house
        return [
            Provocation(
                "the mail server is away",
                ("PostroomMailSessionDown", "PostroomMailAccountSilent", "PostroomProbeFailing", "PostroomProbeSilent"),
                lambda: asyncio.to_thread(h.dovecot.kill),
                lambda: asyncio.to_thread(h.dovecot.start),
                60,
                120,
                takes=MAIL,
                uses=services("ingest", "probe"),
            ),
            Provocation(
                "the SMTP server is away",
                ("PostroomSmtpAccountWaiting", "PostroomDeliveriesStuck"),
                lambda: asyncio.to_thread(h.sink.stop),
                lambda: asyncio.to_thread(h.sink.start),
                60,
                90,
                takes=OUT,
                uses=services("router", "assigner", "notifier"),
            ),
            Provocation(
                "a process is out of breath",
                ("PostroomEventLoopBlocked",),
                self._block,
                self._unblock,
                45,
                45,
                takes=services("analytics"),
            ),
            Provocation(
                "a password was changed",
                ("PostroomMailLoginFailed",),
                self._another_password,
                self._right_password,
                45,
                90,
                takes=MAIL,
                uses=services("ingest"),
            ),
            Provocation(
                "the SMTP server refuses an agent",
                ("PostroomDeliveriesFailing",),
                self._refuse_agent,
                self._accept_agent,
                45,
                45,
                takes=OUT,
                uses=services("router", "assigner", "notifier"),
            ),
        ]

    def _of_processes(self) -> list[Provocation]:
        h = self.house
        notifier = services("notifier")
        return [
            Provocation(
                "a service is gone for a while, and starts with a short memory",
                ("PostroomServiceMissing", "PostroomConsumerLagging"),
                lambda: h.stop_service("notifier"),
                self._start_forgetful_notifier,
                60,
                60,
                takes=notifier,
                uses=services("router", "assigner"),
            ),
            Provocation(
                "what came meanwhile is too old for it",
                ("PostroomDeliveriesTooOld",),
                _nothing,
                lambda: h.restart("notifier"),
                45,
                60,
                takes=notifier,
            ),
            Provocation(
                "a release that fails on everything",
                ("PostroomBreakerOpen", "PostroomServiceNotReady"),
                self._break_notifier,
                self._mend_notifier,
                60,
                75,
                takes=notifier,
                uses=services("router", "assigner", "desk"),
            ),
        ]

    # --- processes ----------------------------------------------------------------------------------------------

    async def _start_forgetful_notifier(self) -> None:
        self.house.start_service("notifier", POSTROOM_TOO_OLD_HOURS="0.001")

    async def _roll(self) -> None:
        for name in RESTARTED:
            await self.house.stop_service(name)
        await asyncio.to_thread(self.house.mongo.kill)
        for name in RESTARTED:
            self.house.start_service(name)
        for name in RESTARTED:
            await self.house.until(functools.partial(self.house.is_alive, name), f"{name} is alive", 30)
        await asyncio.sleep(3)  # three scrapes see that they are not ready

    async def _let_start(self) -> None:
        await asyncio.to_thread(self.house.mongo.start)
        for name in RESTARTED:
            await self.house.until(functools.partial(self.house.is_ready, name), f"{name} is ready", 60)

    async def _block(self) -> None:
        async def breathe() -> None:
            while True:
                self.house.freeze("analytics")
                await asyncio.sleep(1.2)
                self.house.thaw("analytics")
                await asyncio.sleep(0.5)

        self._tasks.append(asyncio.create_task(breathe()))

    async def _unblock(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self.house.thaw("analytics")

    # --- Kafka --------------------------------------------------------------------------------------------------

    async def _mongo_away(self) -> None:
        """Kill it, and give its readers something to do: without mail, which needs MongoDB first, nobody would miss it.

        The router gets a request; those who read facts get one again that they know, which changes nothing.
        """
        topic = self.house.settings.topic(CONVERSATION_EVENTS.name)
        known = [record async for record in read_to_end(self.house.settings, topic)][-1]
        await asyncio.to_thread(self.house.mongo.kill)
        conversation = str(uuid.uuid4())
        content = ContentReference(content_id="none", sha256="0" * 64)
        note = AddNote(actor=Actor(kind="agent", id=company.AGENTS[0]), message_id=conversation, content=content)
        event = new_event(
            note, source="/postroom/desk", cause_id=conversation, subject=conversation, time=datetime.now(UTC)
        )
        async with self.house.publisher() as publisher:
            await publisher.publish_events(CONVERSATION_COMMANDS, [event])
            await publisher.publish([Outgoing(topic, known.key, known.value, list(known.headers))])

    async def _refuse(self) -> None:
        until = (datetime.now(UTC) + timedelta(seconds=3)).isoformat()
        for one in (await self.traffic.open_ones())[:5]:
            await self.traffic.ask(one["id"], "snooze", until=until)
        await self.house.refuse_writes([CONVERSATION_EVENTS, CONVERSATION_COMMANDS], refuse=True)

    async def _poison(self) -> None:
        """Write a record that is none of ours, and break what the notifier knows of one conversation."""
        await self.house.write(CONVERSATION_EVENTS.name, {"ce_type": b"a-stranger"})
        await self._break_documents("notifier", 1)

    async def _replay(self) -> None:
        await self._mend_documents("notifier")
        for document in self._kept:
            await replay_key(self.house.settings, "notifier", document["_id"])
        self._kept.clear()

    async def _break_documents(self, service: str, count: int) -> None:
        """Make documents that their service cannot read any more, then let something happen in each of the conversations."""
        known = [one["id"] for one in (await self.traffic.open_ones(limit="100"))]
        async with self.house.database(service) as database:
            found = database["conversations"].find({"_id": {"$in": known}}).limit(count)
            self._kept = [document async for document in found]
            for document in self._kept:
                await database["conversations"].update_one({"_id": document["_id"]}, {"$set": {"state": "broken"}})
        for document in self._kept:
            await self.traffic.ask(document["_id"], "note", text=f"A note {secrets.token_hex(4)}")

    async def _mend_documents(self, service: str) -> None:
        async with self.house.database(service) as database:
            for document in self._kept:
                state = {"$set": {"state": document["state"]}}
                await database["conversations"].update_one({"_id": document["_id"]}, state)

    async def _break_notifier(self) -> None:
        self.traffic.calm = True
        await asyncio.sleep(2)
        await self._break_documents("notifier", 45)

    async def _mend_notifier(self) -> None:
        await self.house.stop_service("notifier")
        await self._mend_documents("notifier")
        self.house.start_service("notifier")
        async with self.house.database("notifier") as database:
            held = [hold["key"] async for hold in database["holds"].find({})]
        self._kept.clear()
        self.traffic.calm = False
        await asyncio.gather(*(replay_key(self.house.settings, "notifier", key) for key in held))

    # --- mail ---------------------------------------------------------------------------------------------------

    async def _another_password(self) -> None:
        self.house.club_password.write_text("not-the-password")
        await asyncio.to_thread(self.house.dovecot.restart)

    async def _right_password(self) -> None:
        self.house.club_password.write_text(company.PASSWORD)

    async def _differ(self) -> None:
        """Forget one stored mail behind ingest's back, remove another from the server, bring old ones and one that fails."""
        async with self.house.database("ingest") as database:
            await database.command("collMod", "ledger", validator={"key": {"$not": {"$regex": "unfit@"}}})
            place = await database["places"].find_one({"folder_key": {"$regex": "^support/"}}, sort=[("uid", -1)])
            await database["places"].delete_one({"_id": place["_id"]})
            await database["ledger"].delete_one({"_id": place["ledger_id"]})
        folder = self.house.dovecot.maildir(company.address("support"))
        stored = sorted(folder.glob("cur/*"), key=lambda path: path.stat().st_mtime)
        Path(stored[0]).unlink()
        async with self.house.database("assigner") as database:  # a count of slots that is wrong; the sweep mends it
            await database["agent_load"].update_one({"_id": company.AGENTS[0]}, {"$inc": {"load": 5}})
        unfit = f"From: unfit@example.test\r\nMessage-ID: <{uuid.uuid4()}@example.test>\r\n\r\nHello\r\n"
        self.house.dovecot.deliver(company.address("support"), unfit.encode(), datetime.now(UTC))
        for _ in range(6):
            self.traffic.deliver("support", seconds_ago=300)
            await asyncio.sleep(0.5)

    async def _take_all(self) -> None:
        async with self.house.database("ingest") as database:
            await database.command("collMod", "ledger", validator={})

    async def _letter_and_account(self) -> None:
        self.traffic.deliver("club", "letters")
        await self.house.configure(oauth=True)

    async def _take_letter(self) -> None:
        """Have it given out, and seen by Prometheus that it was: whoever comes next may start the assigner again."""
        began = time.time()
        await self.house.configure(oauth=False, by_hand=False)

        async def proposed() -> bool:
            query = "max_over_time(sum(postroom_queue_proposals_total)[30s:1s])"
            lines = await asyncio.to_thread(self.house.prometheus.range, query, began, time.time(), 1.0)
            return any(value > 0 for line in lines for _, value in line.points)

        await self.house.until(proposed, "a waiting conversation is proposed", 30)

    async def _refuse_agent(self) -> None:
        for agent in company.AGENTS[:2]:
            self.house.sink.answer_always(f"{agent}@staff.{company.DOMAIN}", Reject(550, "5.1.1 no such user"))

    async def _accept_agent(self) -> None:
        for agent in company.AGENTS[:2]:
            self.house.sink.answer_always(f"{agent}@staff.{company.DOMAIN}", Accept())


async def _nothing() -> None:
    """It has happened already, or ends by itself."""
