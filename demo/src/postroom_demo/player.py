"""Plays people who answer their mail: a process of its own that has nothing but IMAP and SMTP credentials.

It reads the notification mail like a person, writes above the quoted text, signs, and sends by SMTP with a log-in.
"""

import contextlib
import html
import imaplib
import json
import random
import re
import signal
import smtplib
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from postroom_demo.languages import Language, recognise
from postroom_demo.mailbox import Credentials, Mailbox
from postroom_demo.mails import Answer, new_message_id, read_answer
from postroom_demo.people import Client
from postroom_demo.quoting import Draft, Quoted, build

POLL_SECONDS = 0.5
_FROM = re.compile(r"^From: (?:(?P<name>.*?) <)?[^<>\s]+@[^<>\s]+>?$", re.MULTILINE)
_CUSTOMER = "--- The customer ---"
_MINE = ("conversation is yours",)


@dataclass(frozen=True, slots=True)
class Playing:
    """One person as the player knows them: what a mail program has, and how they sign."""

    credentials: Credentials
    name: str
    title: str
    client: Client


def wants_answer(text: str) -> bool:
    """Say whether a person who reads this notification would answer it: it is theirs, and it shows a customer's text."""
    return any(sign in text for sign in _MINE) and _CUSTOMER in text


def customers_part(text: str) -> str:
    """Return what a notification shows of the customer, else all of it."""
    return text.partition(_CUSTOMER)[2] or text


def answer_to(playing: Playing, notification: Answer, at: datetime, rng: random.Random) -> Draft:
    """Return the answer: in the customer's language, above the quoted notification, with the person's signature."""
    shown = customers_part(notification.text)
    language = recognise(shown)
    named = _FROM.search(shown)
    customer = html.unescape((named and named["name"]) or "").strip('" ') or "👋"
    text = rng.choice(language.answers).format(customer=customer)
    signature = f"{playing.name}\n{playing.title}, Velo"
    return Draft(
        sender_name=playing.name,
        sender=playing.credentials.address,
        to=notification.reply_to,
        subject=_answered_subject(notification.subject, language),
        text=f"{text}\n\n-- \n{signature}",
        language=language,
        client=playing.client,
        written_at=at,
        message_id=new_message_id(playing.client, rng),
        in_reply_to=notification.message_id,
        references=(*notification.references, notification.message_id),
        quoted=Quoted(
            text=notification.text,
            name=notification.sender_name or notification.sender,
            address=notification.sender,
            to=notification.to,
            subject=notification.subject,
            written_at=notification.written_at,
        ),
    )


def _answered_subject(subject: str, language: Language) -> str:
    return subject if subject.lower().startswith("re:") else f"{language.reply_prefix}: {subject}"


@dataclass(slots=True)
class Waiting:
    """The newest notification of a conversation, and when the person will have finished the answer."""

    notification: Answer
    due: float


@dataclass(slots=True)
class Person:
    """One played person at work. `think_seconds`: between these two lies how long an answer takes."""

    playing: Playing
    think_seconds: tuple[float, float]
    offset: timedelta
    rng: random.Random
    waiting: dict[str, Waiting] = field(default_factory=dict)

    def work(self, stop: threading.Event) -> None:
        """Read and answer until told to stop; a server that is away is tried again."""
        mailbox = Mailbox(self.playing.credentials)
        while not stop.wait(POLL_SECONDS):
            with contextlib.suppress(OSError, imaplib.IMAP4.error, smtplib.SMTPException):
                for mail in mailbox.new():
                    self.read(mail)
                self.answer_due()
        mailbox.close()

    def read(self, mail: EmailMessage) -> None:
        notification = read_answer(mail)
        if "+" in notification.reply_to and wants_answer(notification.text):
            # All notifications of a conversation refer to one id; only the newest is worth an answer.
            thread = notification.references[0] if notification.references else notification.message_id
            due = time.monotonic() + self.rng.uniform(*self.think_seconds)
            self.waiting[thread] = Waiting(notification, due)

    def answer_due(self) -> None:
        for thread, waiting in list(self.waiting.items()):
            if waiting.due <= time.monotonic():
                at = datetime.now(UTC) + self.offset
                send(self.playing.credentials, answer_to(self.playing, waiting.notification, at, self.rng))
                del self.waiting[thread]


def send(credentials: Credentials, draft: Draft) -> None:
    """Send a mail as its writer, logged in. Raises OSError or smtplib.SMTPException."""
    with smtplib.SMTP(credentials.host, credentials.smtp_port, "client.demo.postroom", timeout=30) as server:
        server.login(credentials.address, credentials.password)
        server.sendmail(draft.sender, [draft.to], build(draft))


def load(text: str) -> tuple[list[Playing], dict[str, Any]]:
    """Return the people, and the other settings, of the player's file."""
    found: dict[str, Any] = json.loads(text)
    people = [
        Playing(Credentials(**one["credentials"]), one["name"], one["title"], one["client"]) for one in found["people"]
    ]
    return people, found


def file_text(people: Sequence[Mapping[str, Any]], offset_seconds: float, think_seconds: tuple[float, float]) -> str:
    return json.dumps({"people": list(people), "offset_seconds": offset_seconds, "think_seconds": think_seconds})


def main() -> None:
    people, settings = load(Path(sys.argv[1]).read_text(encoding="utf-8"))
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    low, high = settings["think_seconds"]
    offset = timedelta(seconds=settings["offset_seconds"])
    threads = [
        threading.Thread(target=Person(one, (low, high), offset, random.Random()).work, args=(stop,), daemon=True)
        for one in people
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
