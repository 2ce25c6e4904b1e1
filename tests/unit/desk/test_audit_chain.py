"""The hash chain: whatever is changed, left out, put in or cut off is found."""

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

import pytest
from postroom_desk.audit.chain import NOTHING_BEFORE, Head, Link, Verification, fields_of, hash_of, linked
from postroom_desk.audit.port import Entry
from postroom_desk.audit.trace import Trace
from postroom_desk.identity.principal import Principal

AT = datetime(2026, 3, 6, 15, 30, tzinfo=UTC)


def entries(count: int) -> list[Link]:
    return [fields_of(Entry("answer", person="ana", about=f"request-{n}"), f"id-{n}", AT) for n in range(count)]


def chain(count: int = 5) -> list[Link]:
    first = linked(Head(), entries(2))
    return [*first, *linked(Head(2, first[-1]["hash"]), entries(count - 2))]


def faults(links: list[Link], wanted: str | None = None) -> list[str]:
    verification = Verification(wanted=wanted)
    return [*verification.check(links), *verification.end()]


def test_the_hash_is_that_of_the_json_that_an_export_shows() -> None:
    link: Link = {"sequence": 1, "action": "log-in", "details": {"é": "1"}, "previous": NOTHING_BEFORE}
    # echo -n '{"action":"log-in","details":{"é":"1"},"previous":"000...","sequence":1}' | sha256sum
    assert hash_of({**link, "hash": "of no account"}) == hash_of(link)
    assert hash_of(link) == "c62c71285a239426e00c4f312bea235e38ea5100421be5abd7bf35236310ce97"


def test_a_whole_chain_is_in_order_and_holds_every_head_that_it_had() -> None:
    links = chain()
    assert faults(links) == []
    for link in links:
        assert faults(links, f"{link['sequence']}:{link['hash']}") == faults(links, link["hash"]) == []


def changed(links: list[Link], n: int, **fields: Any) -> list[Link]:
    links[n] = {**links[n], **fields}
    return links


@pytest.mark.parametrize(
    ("tamper", "said"),
    [
        (lambda x: changed(x, 2, person="ben"), "entry 3 is not what was written: it was changed"),
        (lambda x: changed(x, 2, details={"a": "b"}), "entry 3 is not what was written: it was changed"),
        (lambda x: [*x[:2], *x[3:]], "after entry 2 comes 4: what was between is gone"),
        (lambda x: x[1:], "after entry 0 comes 2: what was between is gone"),
        (lambda x: [*x[:2], x[3], x[2], x[4]], "after entry 2 comes 4: what was between is gone"),
        (
            lambda x: [*x[:2], *linked(Head(2, "f" * 64), entries(1)), *x[3:]],
            "entry 3 does not follow the one before it: one of them was replaced",
        ),
    ],
    ids=["field", "details", "left out", "beginning", "order", "replaced"],
)
def test_what_was_tampered_with_is_named(tamper: Any, said: str) -> None:
    assert faults(tamper(deepcopy(chain())))[0] == said


def test_a_chain_that_was_cut_off_or_written_anew_does_not_hold_the_head_that_was_noted() -> None:
    links = chain()
    noted = f"5:{links[4]['hash']}"
    assert faults(links[:4]) == []
    assert faults(links[:4], noted) == [
        f"the head {noted} that was noted is not in it: the log was cut off or written anew"
    ]


def test_an_entry_holds_no_long_or_many_lined_text_and_no_session_id() -> None:
    trace = Trace("answer", Principal("ana", "ana", session_id="secret-session", by="session"))
    trace.touches("a text that somebody typed", None)
    trace.touches("c-2", "support")
    entry = trace.entry(404, ip="10.0.0.1", user_agent="x\r\ny" * 200, request_id="r")
    fields = fields_of(entry, "id", AT)
    assert (fields["conversation_id"], fields["details"], fields["outcome"]) == ("?", {"other_1": "c-2"}, "not_found")
    assert len(fields["user_agent"]) == 200
    assert "\n" not in fields["user_agent"]
    assert "secret-session" not in str(fields)
    assert fields["principal"] == "session:ana:ana"
