"""How many mails of 8 kB one core parses a second, beside the standard library's two ways to do it.

    python benchmarks/parse_mail.py [--seconds 3]

Variants are interleaved in rounds, the first round is dropped; printed are median (min-max) and CPU per mail.
"""

import argparse
import email
import email.policy
import statistics
import time
from collections.abc import Callable
from email.header import decode_header, make_header
from email.message import EmailMessage, Message
from email.utils import getaddresses

from postroom_ingest.domain.mail import parse_mail
from postroom_ingest.domain.mail.reply_text import visible_reply

FIELDS = ("from", "to", "cc", "subject", "date", "message-id")


def simple_mail() -> bytes:
    """Return 8 kB as a mail program writes them: text with umlauts, quoted-printable, trace headers, references."""
    mail = EmailMessage()
    mail["Received"] = (
        "from mx.example.test (mx.example.test [192.0.2.1]) by mail.acme.test with ESMTPS id 4fX2; Mon, 2 Mar 2026 10:00:01 +0100"
    )
    mail["From"] = "Jürgen Müller <juergen.mueller@example.test>"
    mail["To"] = "Support <support@acme.test>, billing@acme.test"
    mail["Subject"] = "Frage zur Rechnung 2026-117 über 12 Stühle"
    mail["Date"] = "Mon, 02 Mar 2026 10:00:00 +0100"
    mail["Message-ID"] = "<4711@example.test>"
    mail["References"] = "<1@acme.test> <2@example.test>"
    line = "Guten Tag, die Stühle sind angekommen, aber die Rechnung nennt zwölf statt zehn.\n"
    mail.set_content("Hallo,\n\n" + line * 72 + "\nGrüße\nJürgen Müller\n", cte="quoted-printable")
    return mail.as_bytes()


def two_part_mail() -> bytes:
    """Return 8 kB of text with its HTML and a small picture."""
    mail = EmailMessage()
    for name, value in (
        ("From", "a@example.test"),
        ("To", "b@acme.test"),
        ("Subject", "Hello"),
        ("Message-ID", "<1@x.test>"),
    ):
        mail[name] = value
    mail["Date"] = "Mon, 02 Mar 2026 10:00:00 +0100"
    mail.set_content("Two chairs are missing.\n" * 60)
    mail.add_alternative("<p>Two <b>chairs</b> are missing.</p>\n" * 60, subtype="html")
    mail.add_attachment(bytes(range(256)) * 8, maintype="image", subtype="png", filename="chair.png")
    return mail.as_bytes()


def by_policy_default(raw: bytes) -> object:
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    body = mail.get_body(("plain", "html"))
    return (
        [str(mail[name]) for name in FIELDS],
        body.get_content() if body else "",
        [a.get_filename() for a in mail.iter_attachments()],
    )


def by_compat32(raw: bytes) -> object:
    mail: Message = email.message_from_bytes(raw)
    fields = [str(make_header(decode_header(mail[name] or ""))) for name in FIELDS]
    people = getaddresses([str(mail["from"]), str(mail["to"])])
    payload = [part.get_payload(decode=True) for part in mail.walk() if not part.is_multipart()]
    return fields, people, payload


VARIANTS: dict[str, Callable[[bytes], object]] = {
    "parse_mail": parse_mail,
    "parse_mail + visible_reply": lambda raw: visible_reply(parse_mail(raw).text),
    "email, compat32": by_compat32,
    "email, policy.default": by_policy_default,
}


def rate(parse: Callable[[bytes], object], raw: bytes, seconds: float) -> float:
    """Return mails a second of CPU time."""
    count, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        parse(raw)
        count += 1
    return count / spent


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--seconds", type=float, default=3.0, help="of CPU for each variant, over all rounds")
    seconds = arguments.parse_args().seconds
    rounds = 6
    for name, raw in (("simple", simple_mail()), ("two parts and a picture", two_part_mail())):
        print(f"{name}, {len(raw)} bytes, mails a second on one core")
        found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for _ in range(rounds):
            for variant, parse in VARIANTS.items():
                found[variant].append(rate(parse, raw, seconds / rounds))
        for variant, rates in found.items():
            kept = rates[1:]
            middle = statistics.median(kept)
            print(f"  {variant:28} {middle:8,.0f} ({min(kept):,.0f}-{max(kept):,.0f})  {1e6 / middle:6,.0f} us")


if __name__ == "__main__":
    main()
