# ruff: noqa: E501 - tables of commands read better in long lines
"""The SMTP and LMTP door on real sockets: what it takes, what it turns away, and that 250 means safe."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_contracts.signed_ids import PROBE_HEADER, probe_mark
from postroom_ingest.domain.mail import ParsedMail
from postroom_ingest.door import take
from postroom_ingest.door.settings import DoorSettings
from postroom_ingest.keeping import ATTEMPTS
from pydantic import ValidationError

from tests.component.ingest.doorway import MAIL, NINE, Doorway, certificate, company

OK = "250 2.0.0 OK, it is safe"
LATER = "451 4.3.0 it could not be stored, come again"
UNKNOWN = "550 5.1.1 there is no such address here"
UNREADABLE = "[This mail could not be read. It is kept as it came, as the original mail.]"
BUSY = "452 4.3.1 too much is on its way, come again"


async def test_mail_is_stored_with_its_envelope_before_it_is_answered() -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        assert await client.mail("Support+shop@acme.test") == ["250 2.1.5 OK", OK]
        (record,) = doorway.intake.records
        assert (record.inbox_id, record.account_id) == ("support", "door")
        assert record.envelope_recipients == ["Support+shop@acme.test", "support@acme.test"]
        assert doorway.intake.raw == [b"Return-Path: <cleo@example.test>\r\n" + MAIL]
        assert doorway.intake.published == ["door"]


async def test_a_probe_is_known_at_the_door_and_nobody_elses_mail_is_one() -> None:
    key, message_id = b"a key that signs", "probe.door.1@acme.test"
    mark = probe_mark("support@acme.test", message_id, NINE, key)
    probe = f"{PROBE_HEADER}: {mark}\r\nMessage-ID: <{message_id}>\r\nTo: support@acme.test\r\n\r\nProbe\r\n".encode()
    async with Doorway(None, [key]) as doorway:
        client = await doorway.client()
        assert await client.mail("support@acme.test", content=probe) == ["250 2.1.5 OK", OK]
        forged = probe.replace(message_id.encode(), b"probe.door.2@acme.test")
        assert await client.mail("support@acme.test", content=forged) == ["250 2.1.5 OK", OK]
        assert [record.probe for record in doorway.intake.records] == [True, False]


@pytest.mark.parametrize(
    ("recipient", "answer"),
    [
        pytest.param("help@acme.test", "250 2.1.5 OK", id="alias"),
        pytest.param("HELP@ACME.test", "250 2.1.5 OK", id="capitals"),
        pytest.param("büro@acme.test", "250 2.1.5 OK", id="UTF-8"),
        pytest.param("answers+abc@acme.test", "250 2.1.5 OK", id="answer address"),
        pytest.param("nobody@acme.test", UNKNOWN, id="unknown"),
        pytest.param("victim@elsewhere.test", UNKNOWN, id="relay"),
        pytest.param("victim%elsewhere.test@acme.test", UNKNOWN, id="relay by percent"),
        pytest.param("@acme.test:victim@elsewhere.test", UNKNOWN, id="relay by source route"),
        pytest.param("boxed@acme.test", UNKNOWN, id="inbox of an account that is read"),
        pytest.param("far@acme.test", UNKNOWN, id="account that takes from another network"),
        pytest.param("ann@acme.test", UNKNOWN, id="agent"),
        pytest.param("door", UNKNOWN, id="no domain"),
    ],
)
async def test_recipients_are_checked_before_the_mail_comes(recipient: str, answer: str) -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        assert (await client.says("MAIL FROM:<cleo@example.test> SMTPUTF8"))[:3] == "250"
        assert await client.says(f"RCPT TO:<{recipient}>") == answer
        if answer == UNKNOWN:
            assert (await client.says("DATA"))[:3] == "503"
            assert doorway.intake.ledger == {}


@pytest.mark.parametrize(
    ("content", "kept"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(b"\r\n", b"\r\n", id="an empty line"),
        pytest.param(b"a\r\n..\r\n..b\r\n", b"a\r\n.\r\n.b\r\n", id="dots"),
        pytest.param(b"..\r\n", b".\r\n", id="a dot first of all"),
        pytest.param(b"a\n.\nb\r\n", b"a\n.\nb\r\n", id="bare line feeds end no mail"),
        pytest.param(b"a\r.\r\r\n", b"a\r.\r\r\n", id="nor do bare returns"),
        pytest.param(b"x" * 300_000 + b"\r\n", b"x" * 300_000 + b"\r\n", id="a line of 300 kB"),
        pytest.param(b"Subject: \xe9\xff\x00\r\n\r\n\xc3\x28\r\n", b"Subject: \xe9\xff\x00\r\n\r\n\xc3\x28\r\n", id="any bytes"),
    ],
)  # fmt: skip
async def test_content_is_kept_to_the_byte(content: bytes, kept: bytes) -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        assert (await client.mail("support@acme.test", content=content))[-1] == OK
        assert doorway.intake.raw == [b"Return-Path: <cleo@example.test>\r\n" + kept]


@settings(max_examples=40, deadline=None)
@given(
    tokens=st.lists(st.sampled_from([b"\r\n", b".", b"\n", b"\r", b"x", b"\r\n.", b"y" * 70_000]), max_size=12),
    cuts=st.lists(st.integers(0, 200), max_size=6),
)
def test_whatever_is_sent_in_whatever_pieces_is_what_is_kept(tokens: list[bytes], cuts: list[int]) -> None:
    content = b"".join(tokens) + b"\r\n"
    stuffed = (b"\r\n" + content).replace(b"\r\n.", b"\r\n..")[2:] + b".\r\n"  # RFC 5321 section 4.5.2

    async def kept() -> list[bytes]:
        async with Doorway() as doorway:
            client = await doorway.client()
            for command in ("MAIL FROM:<>", "RCPT TO:<support@acme.test>", "DATA"):
                await client.says(command)
            rest = stuffed
            for cut in cuts:
                client.send(rest[:cut])
                rest = rest[cut:]
                await client.writer.drain()
                await asyncio.sleep(0)
            client.send(rest)
            assert await client.answer() == OK
            assert (await client.says("NOOP"))[:3] == "250", "nothing of the mail was taken for a command"
            return doorway.intake.raw

    assert asyncio.run(kept()) == [b"Return-Path: <>\r\n" + content]


async def test_commands_may_come_in_one_go_and_cut_anywhere() -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        client.send(
            b"MAIL FROM:<> SIZE=100 BODY=8BITMIME\r\nRCPT TO:<support@acme.test>\r\nRCPT TO:<no@acme.test>\r\nDATA\r\n"
        )
        assert [(await client.answer())[:3] for _ in range(4)] == ["250", "250", "550", "354"]
        for byte in MAIL + b".\r\nQUIT\r\n":
            client.send(bytes([byte]))
            await client.writer.drain()
        assert [await client.answer(), await client.answer()] == [OK, "221 2.0.0 Bye"]
        assert doorway.intake.raw == [b"Return-Path: <>\r\n" + MAIL]


async def test_own_return_path_counts_over_one_that_came_with_the_mail() -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        forged = b"Return-Path: <>\r\nAuto-Submitted: no\r\n" + MAIL
        await client.mail("support@acme.test", content=forged)
        assert doorway.intake.records[0].message_kind == "message"
        await client.mail("support@acme.test", content=MAIL.replace(b"cleo@", b"mailer-daemon@"), sender="")
        assert doorway.intake.records[1].message_kind == "bounce"


async def test_each_inbox_gets_its_message_once_and_in_lmtp_each_recipient_its_answer() -> None:
    async with Doorway() as doorway:
        client = await doorway.client("lmtp")
        named = ("support@acme.test", "no@acme.test", "help@acme.test", "sales@acme.test")
        answers = await client.mail(*named)
        assert [a[:3] for a in answers] == ["250", "550", "250", "250", "250"]
        assert [await client.answer(), await client.answer()] == [OK, OK]
        assert sorted(r.inbox_id for r in doorway.intake.records) == ["sales", "support"]


async def test_the_same_mail_that_comes_once_for_each_inbox_is_in_both() -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        for recipient in ("support@acme.test", "sales@acme.test", "support@acme.test"):
            assert (await client.mail(recipient))[-1] == OK
        assert sorted(r.inbox_id for r in doorway.intake.records) == ["sales", "support"]


async def test_copies_become_one_message_where_the_company_wants_that() -> None:
    async with Doorway(company(company={"copies": "first_inbox"})) as doorway:
        client = await doorway.client()
        for recipient in ("sales@acme.test", "support@acme.test"):
            assert (await client.mail(recipient))[-1] == OK
        assert [r.inbox_id for r in doorway.intake.records] == ["sales"]


async def test_storage_away_asks_to_come_again_and_the_repeat_makes_one() -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        doorway.intake.away = True
        assert (await client.mail("support@acme.test"))[-1] == LATER
        doorway.intake.away = False
        for _ in range(2):  # the answer to the first may have been lost on its way
            assert (await client.mail("support@acme.test"))[-1] == OK
        assert len(doorway.intake.ledger) == 1


@pytest.mark.parametrize(("protocol", "expected"), [("smtp", [LATER]), ("lmtp", [OK, LATER])])
async def test_half_stored_is_not_stored_for_the_other_half(protocol: str, expected: list[str]) -> None:
    async with Doorway() as doorway:
        client = await doorway.client(protocol)
        doorway.intake.broken_after = 1
        answers = await client.mail("support@acme.test", "sales@acme.test")
        answers += [await client.answer() for _ in expected[1:]]
        assert answers[2:] == expected
        doorway.intake.broken_after = None
        await client.mail("support@acme.test", "sales@acme.test")
        assert sorted(r.inbox_id for r in doorway.intake.records) == ["sales", "support"]


async def test_a_mail_that_our_code_cannot_read_is_taken_and_kept_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(raw: bytes) -> ParsedMail:
        raise LookupError(f"a fault of ours in {len(raw)} bytes")

    monkeypatch.setattr(take, "parse_mail", fails)
    async with Doorway() as doorway:
        client = await doorway.client()
        assert (await client.mail("support@acme.test", "sales@acme.test"))[-1] == OK
        one, other = doorway.intake.ledger.values()
        assert {one.quarantined, other.quarantined} == {"LookupError"}
        assert {r.text for r in doorway.intake.records} == {UNREADABLE}
        assert {r.inbox_id for r in doorway.intake.records} == {"support", "sales"}
        assert all(raw.endswith(MAIL) for raw in doorway.intake.raw)


async def test_a_mail_that_cannot_be_stored_by_our_fault_is_kept_whole_under_a_note_after_some_tries() -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        doorway.intake.chokes_on = "Hello"
        for _ in range(2):  # the answer to the first may have been lost on its way
            assert (await client.mail("support@acme.test"))[-1] == OK
        [kept] = doorway.intake.ledger.values()
        assert (kept.quarantined, doorway.intake.choked) == ("ValueError", 2 * (1 + ATTEMPTS))
        assert [r.text for r in doorway.intake.records] == [UNREADABLE]
        assert doorway.intake.raw[0].endswith(MAIL)
        doorway.intake.chokes_on = None
        assert (await client.mail("support@acme.test", content=MAIL.replace(b"one@", b"two@")))[-1] == OK
        assert len(doorway.intake.ledger) == 2


async def test_storage_that_hangs_is_given_up() -> None:
    async with Doorway(store_seconds=0.1) as doorway:
        doorway.intake.gate = asyncio.Event()
        assert (await (await doorway.client()).mail("support@acme.test"))[-1] == LATER


class TestGuards:
    async def test_too_large_is_refused_by_its_announced_and_by_its_real_size(self) -> None:
        async with Doorway(mail_bytes=64 * 1024) as doorway:
            client = await doorway.client()
            assert (await client.says("MAIL FROM:<a@b.test> SIZE=70000"))[:3] == "552"
            large = await client.mail("support@acme.test", content=b"x" * 70_000 + b"\r\n")
            assert large[-1] == "552 5.3.4 more than 65536 bytes"
            exact = b"y" * (64 * 1024 - 2) + b"\r\n"
            assert (await client.mail("support@acme.test", content=exact))[-1] == OK
            assert len(doorway.intake.ledger) == 1

    async def test_bytes_in_flight_are_bounded_and_given_back(self) -> None:
        async with Doorway(in_flight_bytes=64 * 1024) as doorway:
            first, second = await doorway.client(), await doorway.client()
            doorway.intake.gate = asyncio.Event()
            mail = MAIL + b"x" * 40_000 + b"\r\n"
            storing = asyncio.create_task(first.mail("support@acme.test", content=mail))
            await doorway.intake.waiting.wait()
            assert await second.says("MAIL FROM:<a@b.test> SIZE=40000") == BUSY
            assert (await second.mail("support@acme.test", content=mail))[-1] == BUSY
            doorway.intake.gate.set()
            assert (await storing)[-1] == OK
            assert (await second.mail("support@acme.test", content=mail))[-1] == OK

    @pytest.mark.parametrize("limit", ["connections", "connections_per_host"])
    async def test_connections_are_bounded(self, limit: str) -> None:
        one: dict[str, Any] = {limit: 1}
        async with Doorway(None, **one) as doorway:
            first = await doorway.client()
            crowded = await doorway.client(hello=False)
            assert await crowded.closed() == "421 4.7.0 too many connections, come again\r\n"
            await first.says("QUIT")
            await first.closed()
            assert (await (await doorway.client()).mail("support@acme.test"))[-1] == OK

    async def test_hosts_outside_of_the_networks_are_turned_away(self) -> None:
        async with Doorway(networks="192.0.2.0/24") as doorway:
            client = await doorway.client(hello=False)
            client.send(b"EHLO me\r\n")
            assert await client.closed() == "554 5.7.1 this host may not hand mail to us\r\n"

    async def test_who_says_nothing_is_sent_away(self) -> None:
        async with Doorway(idle_seconds=0.5) as doorway:
            greeting, bye = (await (await doorway.client(hello=False)).closed()).splitlines()
            assert greeting.startswith("220 ")
            assert bye == "421 4.4.2 that took too long"

    async def test_mail_that_drips_is_cut_off(self) -> None:
        async with Doorway(data_seconds=0.3) as doorway:
            client = await doorway.client()
            for command in ("MAIL FROM:<a@b.test>", "RCPT TO:<support@acme.test>", "DATA"):
                await client.says(command)

            async def drip() -> None:
                while True:
                    client.send(b"x")
                    await asyncio.sleep(0.02)

            dripping = asyncio.create_task(drip())
            assert await client.closed() == "421 4.4.2 that took too long\r\n"
            dripping.cancel()
            assert doorway.intake.ledger == {}

    async def test_recipients_and_idle_talk_are_bounded(self) -> None:
        async with Doorway() as doorway:
            client = await doorway.client()
            await client.says("MAIL FROM:<a@b.test>")
            for n in range(100):
                assert (await client.says(f"RCPT TO:<support+{n}@acme.test>"))[:3] == "250"
            assert (await client.says("RCPT TO:<support+x@acme.test>"))[:9] == "452 4.5.3"
            for _ in range(50):
                await client.says("NOOP")
            client.send(b"NOOP\r\n")
            assert (await client.closed())[:9] == "421 4.7.0"


class TestTls:
    async def test_mail_comes_encrypted_and_what_was_sent_before_is_thrown_away(self, tmp_path: Path) -> None:
        key = certificate(tmp_path)
        async with Doorway(tls_certificate_file=key, tls_required=True) as doorway:
            client = await doorway.client()
            assert (await client.says("MAIL FROM:<a@b.test>"))[:3] == "530"
            client.send(b"STARTTLS\r\nEHLO injected\r\nMAIL FROM:<injected@b.test>\r\n")
            assert (await client.answer())[:3] == "220"
            await client.start_tls(key)
            assert (await client.says("RCPT TO:<support@acme.test>"))[:3] == "503"
            assert "STARTTLS" not in await client.says("EHLO me")
            assert (await client.mail("support@acme.test"))[-1] == OK

    async def test_a_sender_who_speaks_no_tls_after_all_harms_nobody(self, tmp_path: Path) -> None:
        async with Doorway(tls_certificate_file=certificate(tmp_path)) as doorway:
            client, other = await doorway.client(), await doorway.client()
            await client.says("STARTTLS")
            client.send(b"EHLO me\r\n" * 10)
            assert "250" not in await client.closed()
            assert (await other.mail("support@acme.test"))[-1] == OK

    def test_it_works_on_the_event_loop_of_production_too(self, tmp_path: Path) -> None:
        key = certificate(tmp_path)

        async def encrypted() -> str:
            async with Doorway(tls_certificate_file=key) as doorway:
                client = await doorway.client()
                await client.says("STARTTLS")
                await client.start_tls(key)
                await client.says("EHLO me")
                return (await client.mail("support@acme.test", content=MAIL + b"x" * 200_000 + b"\r\n"))[-1]

        assert uvloop.run(encrypted()) == OK


async def test_who_leaves_while_the_mail_is_stored_leaves_nothing_behind() -> None:
    async with Doorway(connections=1, in_flight_bytes=64 * 1024) as doorway:
        client = await doorway.client()
        doorway.intake.gate = asyncio.Event()
        gone = asyncio.create_task(client.mail("support@acme.test", content=b"x" * 50_000 + b"\r\n"))
        await doorway.intake.waiting.wait()
        client.writer.close()
        gone.cancel()
        doorway.intake.gate = None
        for _ in range(100):  # until the door has seen that it is alone
            other = await doorway.client(hello=False)
            if (await other.answer()).startswith("220"):
                break
        assert (await other.says("EHLO me"))[:3] == "250"
        assert (await other.mail("support@acme.test", content=b"y" * 50_000 + b"\r\n"))[-1] == OK


async def test_a_stop_lets_the_mail_that_is_being_stored_be_answered() -> None:
    async with Doorway() as doorway:
        idle, busy = await doorway.client(), await doorway.client()
        port = doorway.door.ports["smtp"]
        doorway.intake.gate = asyncio.Event()
        storing = asyncio.create_task(busy.mail("support@acme.test"))
        await doorway.intake.waiting.wait()
        stopping = asyncio.create_task(doorway.stop())
        assert await idle.closed() == "421 4.3.2 closing, come again\r\n"
        doorway.intake.gate.set()
        assert (await storing)[-1] == OK
        await stopping
        with pytest.raises(OSError, match="Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(
    "lines",
    [b"\r\n", b"\xff\xfe\r\n", b"x" * 5000 + b"\r\n", b"MAIL FROM:<" + b"(" * 500 + b"\r\n", b"RCPT TO:<support@acme.test>\r\n", b"BDAT 5 LAST\r\n",
     b"AUTH PLAIN AGEAYg==\r\n", b"EXPN all\r\n", b"VRFY support\r\n", b"MAIL FROM:<a@b.test> SIZE=-1\r\n", b"DATA\r\n"],
)  # fmt: skip
async def test_nonsense_gets_an_answer_and_mail_goes_on(lines: bytes) -> None:
    async with Doorway() as doorway:
        client = await doorway.client()
        client.send(lines)
        assert (await client.answer())[0] in "25"
        assert (await client.mail("support@acme.test"))[-1] == OK


@pytest.mark.parametrize(
    "wrong",
    [{"networks": "example.test"}, {"smtp_port": 70000}, {"mail_bytes": 1}, {"recipients": 10}],
    ids=lambda given: next(iter(given)),
)
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        DoorSettings(**wrong)


def test_required_tls_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match="POSTROOM_DOOR_TLS_CERTIFICATE_FILE"):
        DoorSettings(tls_required=True).tls()
