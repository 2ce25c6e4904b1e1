"""Drawn histories of one conversation: what must hold after each command, whatever came before."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from postroom_contracts.commands import (
    AbsorbConversation,
    AcceptMessage,
    AddNote,
    ArchiveConversation,
    DeleteConversation,
    MarkSpam,
    MergeConversations,
    ReopenConversation,
    ResolveConversation,
    RestoreConversation,
    SendReply,
    SetWaiting,
    SnoozeConversation,
    TagConversation,
    UnmarkSpam,
    WakeConversation,
)
from postroom_contracts.events import Data
from postroom_contracts.facts import MessageReceived, ReplyAccepted, RequestRefused
from postroom_contracts.values import Status
from postroom_router.domain.conversation import ACTIVE, EMPTY, Conversation
from postroom_router.domain.decide import decide
from postroom_router.domain.outcome import Asked

from tests.unit.router.build import ANN, BEN, CONVERSATION, OTHER, TEXT, Played, at, inbound, world

SIMPLE = (ReopenConversation, SetWaiting, RestoreConversation, UnmarkSpam)
COUNTING = (ResolveConversation, ArchiveConversation, DeleteConversation, MarkSpam)
KINDS = ("message", "message", "auto_reply", "bounce", "reaction", "echo")


class OneConversation(RuleBasedStateMachine):
    """Customers write, two agents act on what they last looked at, a timer fires when it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.played = Played()
        self.looked = {"ann": 0, "ben": 0}
        self.customer_sequence = 0
        self.reply_sequences: list[int] = []
        self.mails = 0

    @initialize()
    def opens(self) -> None:
        self.write("message")

    @rule(kind=st.sampled_from(KINDS))
    def write(self, kind: str) -> None:
        self.mails += 1
        facts = self.played.mail(f"mail-{self.mails}", message_kind=kind)
        if kind == "message":
            self.customer_sequence = self.played.seen
            fact = facts[0]
            assert isinstance(fact, MessageReceived)
            assert fact.status not in (Status.RESOLVED, Status.WAITING, Status.SNOOZED)

    @rule(number=st.integers(1, 30))
    def write_again(self, number: int) -> None:
        if number <= self.mails:
            before = self.played.state
            assert self.played.mail(f"mail-{number}") == []
            assert self.played.state == before

    @rule(agent=st.sampled_from([ANN, BEN]))
    def look(self, agent: Any) -> None:
        self.looked[agent.id] = self.played.seen

    @rule(agent=st.sampled_from([ANN, BEN]), command=st.sampled_from(COUNTING))
    def put_away(self, agent: Any, command: type[Any]) -> None:
        """The promise: nobody resolves, archives, deletes or marks over a customer's message that they did not see."""
        seen = self.looked[agent.id]
        fact = self.played.one(command(actor=agent, expected_sequence=seen))
        if not isinstance(fact, RequestRefused):
            assert self.customer_sequence <= seen

    @rule(agent=st.sampled_from([ANN, BEN]), then=st.sampled_from([None, "resolve", "wait"]))
    def answer(self, agent: Any, then: Any) -> None:
        """The promise: nothing is answered twice by people who looked at the same state."""
        seen = self.looked[agent.id]
        name = f"reply-{self.played.seen}"
        fact = self.played.one(SendReply(actor=agent, expected_sequence=seen, message_id=name, content=TEXT, then=then))
        if isinstance(fact, ReplyAccepted):
            assert all(sequence <= seen for sequence in self.reply_sequences)
            assert self.customer_sequence <= seen
            self.reply_sequences.append(self.played.seen)

    @rule(agent=st.sampled_from([ANN, BEN]), command=st.sampled_from(SIMPLE))
    def change(self, agent: Any, command: type[Any]) -> None:
        self.played.one(command(actor=agent, expected_sequence=self.looked[agent.id]))

    @rule(agent=st.sampled_from([ANN, BEN]), minutes=st.integers(1, 50))
    def snooze(self, agent: Any, minutes: int) -> None:
        self.played.play(SnoozeConversation(actor=agent, until=at(self.played.minute + minutes)))

    @rule(generation=st.integers(1, 5))
    def timer(self, generation: int) -> None:
        self.played.play(WakeConversation(generation=generation, due_at=at(0)))

    @rule(agent=st.sampled_from([ANN, BEN]), number=st.integers(0, 1000))
    def note_and_tag(self, agent: Any, number: int) -> None:
        self.played.play(AddNote(actor=agent, message_id=f"note-{number}", content=TEXT))
        self.played.play(TagConversation(actor=agent, add=[f"t{number % 3}"], remove=[f"t{number % 2}"]))

    @rule(number=st.integers(0, 5), turn=st.one_of(st.none(), st.integers(0, 100)))
    def absorb(self, number: int, turn: int | None) -> None:
        if OTHER + str(number) in self.played.state.absorbed:
            return
        started = None if turn is None else at(turn)
        self.played.play(
            AbsorbConversation(
                source_id=OTHER + str(number), message_ids=[f"m{number}"], open_turn_started_at=started, actor=ANN
            )
        )
        self.customer_sequence = self.played.seen

    @invariant()
    def no_finished_conversation_has_an_open_turn(self) -> None:
        state = self.played.state
        if state.exists and state.status not in ACTIVE:
            assert state.turn_started_at is None

    @invariant()
    def snooze_stands_only_while_snoozed(self) -> None:
        assert (self.played.state.snooze is not None) == (self.played.state.status is Status.SNOOZED)

    @invariant()
    def sequence_counts_the_facts(self) -> None:
        assert self.played.state.sequence == len(self.played.facts)

    @invariant()
    def every_message_stands_once(self) -> None:
        received = [f.message_id for f in self.played.facts if isinstance(f, MessageReceived)]
        assert len(received) == len(set(received)) == self.mails
        assert set(received) <= set(self.played.state.messages)


OneConversation.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOneConversation = OneConversation.TestCase

COMMANDS = st.one_of(
    st.builds(AcceptMessage, inbound=st.sampled_from([inbound(f"m{n}", minutes=n) for n in range(6)])),
    st.builds(
        lambda make, actor, expected: make(actor=actor, expected_sequence=expected),
        st.sampled_from([*SIMPLE, *COUNTING]),
        st.sampled_from([ANN, BEN]),
        st.one_of(st.none(), st.integers(0, 12)),
    ),
    st.builds(
        SendReply,
        actor=st.sampled_from([ANN, BEN]),
        message_id=st.sampled_from(["r1", "r2", "r3"]),
        content=st.just(TEXT),
        then=st.sampled_from([None, "resolve", "wait"]),
        expected_sequence=st.one_of(st.none(), st.integers(0, 12)),
        to=st.just([]),
        cc=st.just([]),
        attachments=st.just([]),
        inbox_id=st.none(),
        send_at=st.none(),
        via=st.just("api"),
        configuration_version=st.just(0),
    ),
    st.just(MergeConversations(actor=ANN, target_id=OTHER)),
    st.just(WakeConversation(generation=1, due_at=at(0))),
    st.just(SnoozeConversation(actor=ANN, until=at(900))),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(COMMANDS, max_size=12))
def test_replay_of_every_prefix_gives_the_same(commands: list[Data]) -> None:
    place = world(targets=frozenset({OTHER}))

    def replay(count: int) -> tuple[Conversation, list[Any]]:
        state, made = EMPTY, []
        for n, command in enumerate(commands[:count]):
            found = decide(state, command, Asked(CONVERSATION, f"request-{n}", at(n)), place)
            if found is not None:
                state = Conversation.model_validate(found.state.model_dump(exclude_defaults=True))
                made += [*found.facts, *found.commands]
        return state, made

    whole_state, whole = replay(len(commands))
    for count in range(len(commands) + 1):
        state, made = replay(count)
        assert (state, made) == replay(count)
        assert made == whole[: len(made)]
    assert replay(len(commands)) == (whole_state, whole)
