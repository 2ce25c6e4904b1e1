"""What of a notification must not stand in a text that goes to a customer."""

from datetime import UTC, datetime

import pytest
from postroom_contracts.answers import MARKER, internal_matter
from postroom_contracts.signed_ids import answer_key, unsubscribe_token

CONVERSATION = "3d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"
KEY = answer_key(CONVERSATION, 7, "ann", datetime(2026, 3, 6, tzinfo=UTC), b"a-signing-key-of-16-bytes")
TOKEN = unsubscribe_token("ann", "replied", b"a-signing-key-of-16-bytes")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (MARKER, "holds_marker"),
        ("> ##- Please type your\n answer above  this line -##", "holds_marker"),
        (f"https://desk.acme.test/conversations/{CONVERSATION}", "holds_link"),
        (f"HTTPS://DESK.ACME.TEST/CONVERSATIONS/{CONVERSATION.upper()}", "holds_link"),
        (f"https://desk.acme.test/conversations/3d1f7c52-8a0b-\n{CONVERSATION[14:]}", "holds_link"),
        (f"https://safe.example/?url=https%3A%2F%2Fdesk%2Fconversations%2F{CONVERSATION}&x=1", "holds_link"),
        (f"No more mails of this kind: https://desk.acme.test/u/{TOKEN[:30]}\n{TOKEN[30:]}", "holds_link"),
        (f"https://safe.example/?url=https%3A%2F%2Fdesk%2Fu%2F{TOKEN}", "holds_link"),
        (f"From: answers+{KEY}@acme.test wrote", "holds_key"),
        (f"mailto:answers%2B{KEY}%40acme.test", "holds_key"),
        (f"answers+{KEY[:20]}\r\n{KEY[20:]}@acme.test", "holds_key"),
    ],
)
def test_what_is_ours_alone_is_found(text: str, expected: str) -> None:
    assert internal_matter(f"It left today.\n{text}\nBye") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Please type your answer above this line, as I said.",
        "All conversations/meetings of Monday are moved.",
        f"Your case is {CONVERSATION}.",
        "Write to ann+orders@acme.test.",
        f"The voucher is {KEY}.",
        "See https://shop.example/u/ann.smith.about and menu/soup.of.the-day",
        "a+" + "a" * 49 + "@acme.test",
    ],
    ids=[
        "empty",
        "words",
        "conversations",
        "an id alone",
        "plus address",
        "letters alone",
        "other addresses",
        "one letter short",
    ],
)
def test_what_people_write_is_left_alone(text: str) -> None:
    assert internal_matter(text) is None
