"""What customers write: first mails, replies, reminders, absences; texts by hand, chosen and varied by a given generator."""

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import getaddresses, parsedate_to_datetime

from postroom_demo.files import File, photo, receipt
from postroom_demo.languages import LANGUAGES, Language
from postroom_demo.people import Client, Customer, InboxPlan
from postroom_demo.quoting import Draft, Quoted

_MODELS = ("Velo City 3", "Velo Gravel", "Velo Tour E", "Velo Kids 24", "Velo Cargo")
_ID_DOMAINS = {"gmail": "mail.gmail.example", "outlook": "EURP190.PROD.OUTLOOK.EXAMPLE", "apple": "me.example"}


@dataclass(frozen=True, slots=True)
class Answer:
    """A mail of ours as it lay in a customer's mailbox. Ids are without angle brackets."""

    message_id: str
    in_reply_to: str
    references: tuple[str, ...]
    sender_name: str
    sender: str
    to: str
    reply_to: str
    subject: str
    text: str
    written_at: datetime


def read_answer(mail: EmailMessage) -> Answer:
    """Return what a person sees of a mail, and its ids. Absent headers are empty."""
    body = mail.get_body(("plain", "html"))
    text = body.get_content() if body is not None else ""
    (name, address), *_ = getaddresses([str(mail["From"] or "")]) or [("", "")]
    date = str(mail["Date"] or "")
    reply_to = getaddresses([str(mail["Reply-To"] or "")])
    return Answer(
        message_id=_bare(mail["Message-ID"]),
        in_reply_to=_bare(mail["In-Reply-To"]),
        references=tuple(one.strip("<>") for one in str(mail["References"] or "").split()),
        sender_name=name,
        sender=address,
        to=str(mail["To"] or ""),
        reply_to=reply_to[0][1] if reply_to and reply_to[0][1] else address,
        subject=str(mail["Subject"] or ""),
        text=text.replace("\r\n", "\n"),
        written_at=parsedate_to_datetime(date) if date else datetime.now().astimezone(),
    )


def _bare(value: object) -> str:
    return str(value or "").strip().strip("<>")


def new_message_id(client: Client, rng: random.Random) -> str:
    """Return a Message-ID in the manner of a client; never the same twice."""
    unique = uuid.UUID(int=rng.getrandbits(128), version=4)
    local = {"gmail": f"CA{unique.hex[:28]}=w", "outlook": unique.hex.upper(), "apple": str(unique).upper()}[client]
    return f"{local}@{_ID_DOMAINS[client]}"


def _order(rng: random.Random) -> str:
    return f"V-{rng.randrange(10000, 99999)}"


def _signed(language: Language, customer: Customer, text: str, rng: random.Random) -> str:
    return f"{text}\n\n{rng.choice(language.closings)}\n{customer.name}"


def _opened(language: Language, text: str, rng: random.Random) -> str:
    first = text[0].upper() if language.code in ("en", "es") else text[0]
    return f"{rng.choice(language.greetings)}\n\n{first}{text[1:]}"


def first_mail(
    customer: Customer, inbox: InboxPlan, at: datetime, rng: random.Random, *, with_file: bool = False
) -> Draft:
    """Return a first mail of a customer to an inbox. `at` is its Date."""
    language = LANGUAGES[customer.language]
    order = _order(rng)
    slots = {
        "order": order,
        "model": rng.choice(_MODELS),
        "part": rng.choice(language.parts),
        "days": rng.randrange(3, 12),
    }
    subject, body = (text.format(**slots) for text in rng.choice(language.requests[inbox.id]))
    files: tuple[File, ...] = ()
    if with_file:
        files = (receipt(order),) if inbox.id == "billing" else (photo(rng.randrange(1, 9999)),)
        body = f"{body}\n\n{language.attached}"
    text = _signed(language, customer, _opened(language, body, rng), rng)
    return _draft(customer, inbox.address, subject[0].upper() + subject[1:], text, at, rng, files=files)


def _draft(
    customer: Customer,
    to: str,
    subject: str,
    text: str,
    at: datetime,
    rng: random.Random,
    *,
    files: tuple[File, ...] = (),
) -> Draft:
    return Draft(
        sender_name=customer.name,
        sender=customer.address,
        to=to,
        subject=subject,
        text=text,
        language=LANGUAGES[customer.language],
        client=customer.client,
        written_at=at,
        message_id=new_message_id(customer.client, rng),
        files=files,
    )


def reply(
    customer: Customer,
    answer: Answer,
    at: datetime,
    rng: random.Random,
    *,
    last: bool,
    cut_references: bool = False,
) -> Draft:
    """Return the customer's reply to a mail of ours, quoting it. `cut_references`: only In-Reply-To is left."""
    language = LANGUAGES[customer.language]
    own = rng.choice(language.thanks if last else language.more)
    references = () if cut_references else (*answer.references, answer.message_id)
    return _answering(customer, answer, own, at, rng, references)


def reminder(customer: Customer, own: Draft, at: datetime, rng: random.Random) -> Draft:
    """Return a further mail of a customer in the same matter: a reply to the own mail, as clients make it of Sent."""
    language = LANGUAGES[customer.language]
    assert own.message_id is not None
    sent = Answer(
        message_id=own.message_id,
        in_reply_to=own.in_reply_to or "",
        references=own.references,
        sender_name=own.sender_name,
        sender=own.sender,
        to=own.to,
        reply_to=own.to,
        subject=own.subject,
        text=own.text,
        written_at=own.written_at,
    )
    text = rng.choice(language.reminders)
    return _answering(customer, sent, text[0].upper() + text[1:], at, rng, (*own.references, own.message_id))


def _answering(
    customer: Customer, answer: Answer, text: str, at: datetime, rng: random.Random, references: Sequence[str]
) -> Draft:
    language = LANGUAGES[customer.language]
    subject = answer.subject if _is_reply(answer.subject) else f"{language.reply_prefix}: {answer.subject}"
    return Draft(
        sender_name=customer.name,
        sender=customer.address,
        to=answer.reply_to,
        subject=subject,
        text=f"{text}\n\n{rng.choice(language.closings)}\n{customer.name}",
        language=language,
        client=customer.client,
        written_at=at,
        message_id=new_message_id(customer.client, rng),
        in_reply_to=answer.message_id,
        references=tuple(references),
        quoted=Quoted(
            text=answer.text,
            name=answer.sender_name or answer.sender,
            address=answer.sender,
            to=answer.to,
            subject=answer.subject,
            written_at=answer.written_at,
        ),
    )


def _is_reply(subject: str) -> bool:
    return subject.lower().startswith(("re:", "aw:", "odp:", "r:"))


def absence(customer: Customer, answer: Answer, at: datetime, rng: random.Random) -> Draft:
    """Return the vacation notice that a customer's server sends for a mail of ours (RFC 3834)."""
    language = LANGUAGES[customer.language]
    return Draft(
        sender_name=customer.name,
        sender=customer.address,
        to=answer.reply_to,
        subject=language.absence_subject.format(subject=answer.subject),
        text=f"{language.absence}\n\n{customer.name}",
        language=language,
        client=customer.client,
        written_at=at,
        message_id=new_message_id(customer.client, rng),
        in_reply_to=answer.message_id,
        references=(answer.message_id,),
        headers={"Auto-Submitted": "auto-replied", "X-Auto-Response-Suppress": "All"},
    )
