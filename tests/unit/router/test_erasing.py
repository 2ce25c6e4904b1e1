"""Which texts of a conversation go with a person, and that nothing late brings them back."""

from typing import Any

import pytest
from postroom_contracts.commands import AcceptMessage, AddNote, EraseContact, SendReply, SplitConversation
from postroom_contracts.facts import ContentErased, MessageReceived, NoteAdded, ReplyAccepted
from postroom_contracts.ids import content_id
from postroom_contracts.values import Address, ContentReference
from postroom_router.domain.erasing import redacted

from tests.unit.router.build import ANN, Played, at, contact_of, inbound, names, world

CLEO, DORA = contact_of("cleo@example.test"), contact_of("dora@example.test")
ERASE = EraseContact(actor=ANN, contact_id=CLEO)
TEXT = ContentReference(content_id="c", sha256="0" * 64)


def reply(name: str = "reply", *to: str, **fields: Any) -> SendReply:
    people = [Address(address=a) for a in to]
    return SendReply(actor=ANN, message_id=name, content=TEXT, to=people, **fields)


def note(name: str = "note") -> AddNote:
    return AddNote(actor=ANN, message_id=name, content=TEXT)


def texts(**contents: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Content documents by message id."""
    return {content_id(m): content for m, content in contents.items()}


def people(*addresses: str) -> list[dict[str, str]]:
    return [{"address": a, "name": ""} for a in addresses]


class TestWhatGoes:
    def test_everything_where_nobody_else_takes_part(self) -> None:
        played = Played()
        played.mail()
        played.play(reply())
        played.play(note())
        fact = played.one(ERASE)
        assert fact.message_ids == [inbound("one").message_id, "reply", "note"]
        assert fact.ledger_ids == [inbound("one").ledger_id]
        assert played.state.participants == {CLEO: ""}
        assert played.state.erased_messages == fact.message_ids

    def test_what_came_back_by_machine_goes_with_the_conversation(self) -> None:
        played = Played()
        played.mail()
        bounce = "mailer-daemon@example.test"
        played.mail("bounce", sender=bounce, message_kind="bounce")
        assert played.one(ERASE).message_ids == [inbound("one").message_id, inbound("bounce").message_id]

    def test_of_a_shared_conversation_what_is_theirs_or_went_to_them_alone(self) -> None:
        daemon: Any = {"sender": "mailer-daemon@example.test", "message_kind": "bounce"}
        back, other = inbound("back", **daemon).message_id, inbound("other-back", **daemon).message_id
        contents = texts(
            alone={"to": people("Cleo@Example.test")},
            both={"to": people("cleo@example.test"), "cc": people("dora@example.test")},
            **{
                back: {"bounce": {"recipient": "cleo@example.test"}},
                other: {"bounce": {"recipient": "dora@example.test"}},
            },
        )
        played = Played(texts=contents)
        played.mail("dora", sender="dora@example.test")
        played.play(reply("to-dora"))
        played.mail("two", cc=[Address(address="dora@example.test")])
        played.play(reply("to-cleo"))
        played.play(reply("alone", "cleo@example.test"))
        played.play(reply("both", "cleo@example.test"))
        played.mail("back", **daemon)
        played.mail("other-back", **daemon)
        played.play(note())
        played.mail("three")
        fact = played.one(ERASE)
        # `to-cleo` names nobody, and answered what Cleo had written
        expected = [inbound("two").message_id, "to-cleo", "alone", back, inbound("three").message_id]
        assert [m for m in fact.message_ids if m in (*expected, "both", "note", "to-dora", other)] == expected

    def test_everything_also_of_others_when_that_is_asked_for(self) -> None:
        played = Played()
        played.mail()
        played.mail("dora", sender="dora@example.test")
        played.play(note())
        fact = played.one(ERASE.model_copy(update={"whole": True}))
        assert fact.message_ids == [inbound("one").message_id, inbound("dora").message_id, "note"]

    def test_who_only_got_it_forwarded_does_not_count(self) -> None:
        played = Played()
        played.mail()
        played.play(reply("forward", "lawyer@example.test", reply_kind="forward"))
        assert played.one(ERASE).message_ids == [inbound("one").message_id, "forward"]

    def test_second_of_two_takes_the_rest_along(self) -> None:
        played = Played()
        played.mail()
        played.mail("two", cc=[Address(address="dora@example.test")])
        played.play(note())
        played.play(ERASE)
        fact = played.one(EraseContact(actor=ANN, contact_id=DORA))
        assert "note" in fact.message_ids

    def test_an_attachment_that_stays_elsewhere_is_not_named(self) -> None:
        files = [{"blob_id": "theirs"}, {"blob_id": "passed-on"}]
        kept = [{"blob_id": "passed-on"}]
        played = Played(
            texts=texts(**{inbound("one").message_id: {"attachments": files}, "note": {"attachments": kept}})
        )
        played.mail()
        played.mail("dora", sender="dora@example.test")
        played.play(note())
        assert played.one(ERASE).blob_ids == ["theirs"]

    def test_scheduled_reply_is_forgotten_and_takes_nothing_back(self) -> None:
        played = Played()
        played.mail()
        played.play(reply(send_at=at(600)))
        before = played.state
        assert names(played.play(ERASE)) == ["ContentErased"]
        assert played.state.scheduled == {}
        assert (played.state.turn_started_at, played.state.status) == (before.turn_started_at, before.status)

    def test_split_off_part_is_erased_too(self) -> None:
        source = Played()
        source.mail()
        source.mail("two")
        source.play(
            SplitConversation(actor=ANN, message_id=inbound("two").message_id, new_conversation_id="new", answers=TEXT)
        )
        half = source.passed[-1].command
        new = Played(conversation_id="new", addresses={CLEO: "cleo@example.test"})
        new.play(half)
        assert new.one(ERASE).message_ids == [inbound("two").message_id]
        assert new.state.participants == {CLEO: ""}

    def test_asked_of_the_contact_itself_it_says_nothing(self) -> None:
        assert Played(conversation_id=CLEO).play(ERASE) == []


class TestLate:
    """`erased` of the world: whoever was erased after what names them had come in."""

    def late(self, played: Played) -> None:
        played.world = world(erased=frozenset({CLEO}))

    def test_mail_of_an_erased_person_counts_and_its_text_goes(self) -> None:
        played = Played()
        self.late(played)
        received, erased = played.mail()
        assert isinstance(received, MessageReceived)
        assert received.contact_id == CLEO
        assert isinstance(erased, ContentErased)
        assert (erased.message_ids, erased.ledger_ids) == ([inbound("one").message_id], [inbound("one").ledger_id])
        assert played.state.participants == {CLEO: ""}
        assert played.state.erased_messages == [inbound("one").message_id]

    def test_somebody_elses_late_mail_stays_and_names_nobody(self) -> None:
        played = Played()
        self.late(played)
        facts = played.mail(sender="dora@example.test", cc=[Address(address="cleo@example.test")])
        assert names(facts) == ["MessageReceived"]
        assert played.state.participants == {DORA: "dora@example.test", CLEO: ""}

    def test_late_reply_to_them_goes(self) -> None:
        played = Played()
        played.mail(sender="dora@example.test")
        self.late(played)
        accepted, erased = played.play(reply("late", "cleo@example.test"))
        assert isinstance(accepted, ReplyAccepted)
        assert isinstance(erased, ContentErased)
        assert erased.message_ids == ["late"]
        assert names(played.play(reply("to-both", "cleo@example.test", "dora@example.test"))) == ["ReplyAccepted"]

    @pytest.mark.parametrize("late", [reply("late"), note("late")], ids=["reply", "note"])
    def test_what_was_written_before_a_whole_conversation_was_erased_goes_when_it_comes(self, late: Any) -> None:
        played = Played()
        played.mail(minutes=1)
        played.play(ERASE, 10)
        accepted, erased = played.play(late, 9)
        assert isinstance(accepted, ReplyAccepted | NoteAdded)
        assert isinstance(erased, ContentErased)
        assert erased.message_ids == ["late"]

    def test_note_that_is_written_afterwards_stays(self) -> None:
        played = Played()
        played.mail(minutes=1)
        played.play(ERASE, 10)
        assert names(played.play(note(), 11)) == ["NoteAdded"]

    def test_who_writes_again_is_somebody_new(self) -> None:
        played = Played()
        played.mail()
        played.play(ERASE)
        again = "somebody-new"
        played.world = world()
        played.world.contacts["email:cleo@example.test"] = again  # type: ignore[index]
        facts = played.play(AcceptMessage(inbound=inbound("again")))
        assert names(facts) == ["MessageReceived"]
        assert played.state.messages[inbound("again").message_id].startswith(f"{again}/")
        assert "cleo@example.test" not in str(played.state.participants)  # a stranger here


def test_only_the_person_is_taken_out_of_what_others_wrote() -> None:
    content = {
        "text": "stays",
        "to": people("support@acme.test", "CLEO@example.test"),
        "cc": people("dora@example.test"),
        "reply_to": people("cleo@example.test"),
        "forwarded_by": {"address": "cleo@example.test", "name": "Cleo"},
    }
    changes = redacted(content, "cleo@example.test")
    assert changes == {"to": people("support@acme.test"), "reply_to": [], "forwarded_by": None}
    assert redacted({**content, **changes}, "cleo@example.test") == {}
