"""The customers: who writes what and when. They know an SMTP server and their own mailboxes, nothing else."""

import asyncio
import imaplib
import random
import smtplib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from postroom_demo import mails
from postroom_demo.mailbox import Credentials, Mailbox
from postroom_demo.mails import Answer
from postroom_demo.people import CUSTOMERS, GONE, INBOXES, Client, Customer, InboxPlan
from postroom_demo.player import send
from postroom_demo.quoting import Draft
from postroom_demo.tracker import MailKey, mail_key

Kind = Literal["first", "reply", "reminder", "absence"]
REPLIES_PER_CONVERSATION = 2
_REPLIES_WANTED = 18
"""A few more than the 15 that a timed run promises."""
_ABSENCE_AFTER_ANSWERS = 2
_NO_ID_AT, _GONE_AT, _REMINDER_EVERY, _FILE_EVERY = 2, 4, 13, 5
"""Positions in the sequence of mails: the one without Message-ID, the one whose sender is gone, reminders; of first mails
every fifth has an attachment."""


@dataclass(frozen=True, slots=True)
class Sent:
    """One customer's mail that the SMTP server took. `at` is seconds since the feed began."""

    key: MailKey
    at: float
    customer: Customer
    inbox_id: str
    kind: Kind
    client: Client
    files: int
    message_id: str | None
    subject: str

    @property
    def name(self) -> str:
        """How it is called in messages to people."""
        return (
            f"{self.kind} mail {self.message_id or '(no Message-ID)'} of {self.customer.address}, second {self.at:.0f}"
        )


CAUGHT_UP_SECONDS = 10.0
"""A slow machine catches up with so much, and not with the night in which it slept."""


@dataclass(slots=True)
class Pace:
    """How long until the next mail, in seconds. `hurry`: for a timed run, so that its counts are reached."""

    hurry_seconds: float | None = None
    burst: int = 16

    def pause(self, sent: int, rng: random.Random) -> float:
        if self.hurry_seconds is not None:
            return self.hurry_seconds
        return rng.uniform(0.7, 1.3) if sent < self.burst else rng.uniform(3, 9)


@dataclass(slots=True)
class Feed:
    """Sends first mails, replies to what comes into the customers' mailboxes, and the odd ones."""

    passwords: Mapping[str, str]
    imap_port: int
    smtp_port: int
    pace: Pace
    now: Callable[[], datetime]
    rng: random.Random
    sent: list[Sent] = field(default_factory=list)
    answers: int = 0
    """Mails of the company that customers have read."""
    began: float = 0.0
    _arrivals: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    _mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    _ready: list[tuple[float, Customer, Answer, int]] = field(default_factory=list)
    _replies: Counter[str] = field(default_factory=Counter)
    _drafts: list[tuple[Customer, Draft]] = field(default_factory=list)
    _round: list[Customer] = field(default_factory=list)
    _mails: int = 0
    _absence_sent: bool = False

    def arrived(self, address: str) -> None:
        """Tell that something was put into a customer's mailbox."""
        self._arrivals.put_nowait(address)

    async def write(self, stop_after_seconds: float | None = None) -> None:
        """Write mails until cancelled, or for so many seconds."""
        self.began = due = time.monotonic()
        while stop_after_seconds is None or self._elapsed() < stop_after_seconds:
            await self._send_next()
            due = max(due + self.pace.pause(len(self.sent), self.rng), time.monotonic() - CAUGHT_UP_SECONDS)
            await asyncio.sleep(max(due - time.monotonic(), 0.01))

    async def read(self) -> None:
        """Read answers as they arrive, until cancelled."""
        known = {customer.address: customer for customer in CUSTOMERS}
        while True:
            customer = known.get(await self._arrivals.get())
            if customer is not None:
                for answer in await asyncio.to_thread(self._read_mailbox, customer):
                    await self._on_answer(customer, answer)

    def _elapsed(self) -> float:
        return time.monotonic() - self.began

    def credentials(self, address: str) -> Credentials:
        return Credentials(address, self.passwords[address], self.imap_port, self.smtp_port)

    def _read_mailbox(self, customer: Customer) -> list[Answer]:
        mailbox = self._mailboxes.setdefault(customer.address, Mailbox(self.credentials(customer.address)))
        try:
            return [mails.read_answer(mail) for mail in mailbox.new()]
        except (OSError, imaplib.IMAP4.error):
            self.arrived(customer.address)  # looked at again with the next arrival
            return []

    async def _on_answer(self, customer: Customer, answer: Answer) -> None:
        self.answers += 1
        if not self._absence_sent and self.answers > _ABSENCE_AFTER_ANSWERS:
            self._absence_sent = True
            await self._send(customer, mails.absence(customer, answer, self.now(), self.rng), "absence")
            return
        thread = answer.references[0] if answer.references else answer.in_reply_to
        if thread and self._replies[thread] < REPLIES_PER_CONVERSATION:
            self._replies[thread] += 1
            due = time.monotonic() + self.rng.uniform(1.0, 3.0)
            self._ready.append((due, customer, answer, self._replies[thread]))

    async def _send_next(self) -> None:
        self._mails += 1
        due = next((one for one in self._ready if one[0] <= time.monotonic()), None)
        if due is not None and self._wants_reply():
            self._ready.remove(due)
            _, customer, answer, number = due
            cut = self.rng.random() < 0.33
            draft = mails.reply(
                customer,
                answer,
                self.now(),
                self.rng,
                last=number >= REPLIES_PER_CONVERSATION,
                cut_references=cut,
            )
            await self._send(customer, draft, "reply")
        elif self._mails % _REMINDER_EVERY == 0 or (self._behind() and self._drafts):
            customer, own = self._drafts[-1]
            await self._send(customer, mails.reminder(customer, own, self.now(), self.rng), "reminder")
        else:
            await self._send_first()

    def _wants_reply(self) -> bool:
        """In a timed run every second mail is a reply as long as they are wanted; else about two of five."""
        if self.pace.hurry_seconds is not None:
            return self._mails % 2 == 0 and self.count("reply") < _REPLIES_WANTED + 6
        return self.rng.random() < 0.4

    def _behind(self) -> bool:
        """A timed run nears its end and still lacks replies: people then write after their own mail."""
        if self.pace.hurry_seconds is None:
            return False
        return self._mails > 50 and self.count("reply") + self.count("reminder") < _REPLIES_WANTED

    def count(self, *kinds: Kind) -> int:
        return sum(one.kind in kinds for one in self.sent)

    async def _send_first(self) -> None:
        if not self._round:
            self._round = list(CUSTOMERS)
            self.rng.shuffle(self._round)
        customer, inbox = self._round.pop(), self._inbox()
        gone, no_id = self._mails == _GONE_AT, self._mails == _NO_ID_AT
        if gone or no_id:
            inbox = INBOXES[0]
        if gone:
            customer = GONE
        with_file = self.count("first") % _FILE_EVERY == _FILE_EVERY - 1
        draft = mails.first_mail(customer, inbox, self.now(), self.rng, with_file=with_file)
        if no_id:
            subject = f"{draft.subject} [{self.rng.randrange(1000, 9999)}]"
            draft = replace(draft, message_id=None, subject=subject)
        elif not gone:
            self._drafts.append((customer, draft))
            del self._drafts[:-8]
        await self._send(customer, draft, "first")

    def _inbox(self) -> InboxPlan:
        return self.rng.choices(INBOXES, [inbox.share for inbox in INBOXES])[0]

    async def _send(self, customer: Customer, draft: Draft, kind: Kind) -> None:
        try:
            await asyncio.to_thread(send, self.credentials(customer.address), draft)
        except (OSError, smtplib.SMTPException):
            return  # the mail server is away: nobody counts what it never took
        self.sent.append(
            Sent(
                key=mail_key(draft.message_id, draft.sender, draft.subject),
                at=self._elapsed(),
                customer=customer,
                inbox_id=draft.to.partition("@")[0],
                kind=kind,
                client=draft.client,
                files=len(draft.files),
                message_id=draft.message_id,
                subject=draft.subject,
            )
        )
