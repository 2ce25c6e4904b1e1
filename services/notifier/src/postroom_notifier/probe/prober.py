"""Sends probes and waits for each until the desk shows it."""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog
from postroom_contracts.configuration import MailAccount
from postroom_contracts.events import Data, decode
from postroom_contracts.facts import MessageReceived
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.topics import CONVERSATION_EVENTS, INBOUND_MESSAGES, Topic
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.records import header_map
from postroom_runtime.tail import follow

from postroom_notifier.domain.outcomes import Accepted
from postroom_notifier.domain.probe_mail import probe_mail, probed
from postroom_notifier.ports import MailSender
from postroom_notifier.probe.metrics import LAST_SUCCESS, OUTCOMES, PROBES, SECONDS, STAGES
from postroom_notifier.probe.settings import ProbeSettings
from postroom_notifier.probe.sightings import Sightings, Underway

log = structlog.get_logger(__name__)
ASK_SECONDS = 0.25
FOLLOWED = (INBOUND_MESSAGES, CONVERSATION_EVENTS)
_MODELS: dict[str, type[Data]] = {m.type_name(): m for m in (InboundReceived, MessageReceived)}


class DeskLook(Protocol):
    """What is asked of the desk; neither raises while it is away."""

    async def position(self) -> str:
        """Return up to where the desk has read now; empty while it does not answer."""
        ...

    async def shows(self, conversation_id: str, message_id: str, since: str) -> bool:
        """Say whether the desk gives this message to whoever was away since that position."""
        ...


@dataclass
class Prober:
    """`follow` one loop per topic, `run` the loop that sends."""

    settings: ProbeSettings
    configurations: Configurations
    mail: MailSender
    desk: DeskLook
    clock: Clock
    keys: Sequence[bytes]
    sightings: Sightings = field(default_factory=Sightings)
    _tasks: set[asyncio.Task[str]] = field(default_factory=set)
    _shown: set[str] = field(default_factory=set)
    _followed: dict[str, asyncio.Event] = field(default_factory=lambda: {t.name: asyncio.Event() for t in FOLLOWED})

    async def follow(self, topic: Topic) -> None:
        """Take what comes on a topic from now on, until cancelled. Types that say nothing of probes are not read."""
        name, begun = self.settings.topic(topic.name), self._followed[topic.name].set
        async for record in follow(self.settings, name, start="end", begun=begun):
            headers = header_map(record)
            if (headers.get("ce_type") or b"").decode("utf-8", "replace") in _MODELS:
                try:
                    self.sightings.take(decode(headers, record.value, _MODELS))
                except ValueError as error:  # a record that others park
                    log.info("a record cannot be read", topic=topic.name, error=type(error).__name__)

    async def run(self) -> None:
        """Send one probe to each account every `probe_seconds`, until cancelled; the first once the topics are followed."""
        for followed in self._followed.values():
            await followed.wait()
        try:
            while True:
                accounts = probed(self.configurations.latest)
                self.forget_others({account.id for account, _ in accounts})
                for account, address in accounts:
                    task = asyncio.create_task(self.probe(account, address), name=f"probe {account.id}")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
                await asyncio.sleep(self.settings.probe_seconds)
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def probe(self, account: MailAccount, address: str) -> str:
        """Send one and return what became of it."""
        now = self.clock.now()
        self._begin_series(account.id, now)
        since = await self.desk.position()
        made = probe_mail(account.id, address, secrets.token_hex(12), now, self.keys)
        underway = self.sightings.expect(made.message_id, account.id)
        try:
            if not isinstance(await self.mail.send(account, made.mail), Accepted):
                return self._ended(account.id, "not_sent")
            async with asyncio.timeout(self.settings.probe_timeout_seconds):
                await self._until_seen(underway, since)
        except TimeoutError:
            return self._ended(account.id, "lost", stored=underway.stored.is_set(), routed=underway.routed.is_set())
        finally:
            self.sightings.forget(made.message_id)
        if account.id in self._shown:  # not taken out meanwhile
            LAST_SUCCESS.labels(account.id).set(now.timestamp())
        return self._ended(account.id, "seen")

    async def _until_seen(self, underway: Underway, since: str) -> None:
        """Return when the desk shows it; never for a desk that was away when it was sent."""
        await underway.stored.wait()
        await underway.routed.wait()
        while not since or not await self.desk.shows(underway.conversation_id, underway.message_id, since):
            await asyncio.sleep(ASK_SECONDS)
        underway.note("seen")

    @staticmethod
    def _ended(account_id: str, outcome: str, **known: bool) -> str:
        PROBES.labels(account_id, outcome).inc()
        if outcome != "seen":
            log.warning("probe failed", account=account_id, outcome=outcome, **known)
        return outcome

    def _begin_series(self, account_id: str, now: datetime) -> None:
        """Show an account from its first probe on: one of which none ever arrives is silent since then."""
        if account_id in self._shown:
            return
        self._shown.add(account_id)
        LAST_SUCCESS.labels(account_id).set(now.timestamp())
        for outcome in OUTCOMES:
            PROBES.labels(account_id, outcome)
        for stage in STAGES:
            SECONDS.labels(account_id, stage)

    def forget_others(self, account_ids: set[str]) -> None:
        """Show accounts no more that are not probed any longer: they would be silent for ever."""
        for account_id in self._shown - account_ids:
            LAST_SUCCESS.remove(account_id)
        self._shown &= account_ids
