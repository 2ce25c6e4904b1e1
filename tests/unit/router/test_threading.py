"""Threading: keys, signed ids, chats; and by drawn orders that a thread becomes one conversation however it comes."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_contracts.ids import conversation_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import signed_message_id
from postroom_contracts.thread_keys import claim_id
from postroom_contracts.values import Channel
from postroom_router.domain.threading import Merge, Placed, Placing, Row, names_of

from tests.unit.router.build import CONVERSATION, KEYS, inbound


def proposal(name: str) -> str:
    return conversation_id("support", f"{name}@example.test")


def row(name: str) -> str:
    return claim_id("support", f"{name}@example.test")


def parents(*names: str, reply_to: str | None = None) -> dict[str, Any]:
    return {
        "references": [f"{n}@example.test" for n in names],
        "in_reply_to": [f"{reply_to}@example.test"] if reply_to else [],
    }


class Store:
    """What the claims of MongoDB do, batch after batch."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.merges: list[Merge] = []

    def batch(self, *messages: InboundReceived, moved: bool = True) -> list[Placed]:
        names = [names_of(m, KEYS) for m in messages]
        placing = Placing({c: self.rows[c] for n in names for c in n.claims if c in self.rows})
        placed = [placing.place(n) for n in names]
        self.rows |= placing.made
        if moved:
            self.rows |= placing.moved
        self.merges += [m for p in placed for m in p.merges]
        return placed

    def root(self, conversation: str) -> str:
        """Return what a conversation is after all merges, in any order: the smallest of those that hang together."""
        group = {conversation}
        while True:
            more = {c for m in self.merges if {m.source, m.target} & group for c in (m.source, m.target)}
            if more <= group:
                return min(group)
            group |= more


def test_first_mail_proposes_itself() -> None:
    (placed,) = Store().batch(inbound())
    assert placed == Placed(proposal("one"))


def test_mail_without_message_id_is_known_by_its_ledger_entry() -> None:
    mail = inbound(external_id=None)
    names = names_of(mail, KEYS)
    assert names.proposal == conversation_id("support", mail.ledger_id)
    assert names.own == claim_id("support", mail.ledger_id)


def test_angle_brackets_and_blanks_make_no_other_mail() -> None:
    assert names_of(inbound(external_id=" <one@example.test> "), KEYS).own == row("one")


def test_reply_goes_to_its_parents_conversation_and_makes_only_its_own_row() -> None:
    store = Store()
    store.batch(inbound())
    (placed,) = store.batch(inbound("two", **parents("one")))
    assert placed == Placed(proposal("one"))
    assert store.rows[row("two")].home == proposal("one")


def test_the_same_id_in_another_inbox_is_another_thread() -> None:
    store = Store()
    store.batch(inbound())
    (placed,) = store.batch(inbound("two", inbox_id="sales", **parents("one")))
    assert placed.home == conversation_id("sales", "two@example.test")


@pytest.mark.parametrize("together", [True, False], ids=["one batch", "two batches"])
def test_reply_with_cut_references_that_comes_before_its_parent(together: bool) -> None:
    store = Store()
    reply, parent = inbound("two", minutes=1, **parents(reply_to="one")), inbound("one", minutes=2)
    placed = store.batch(reply, parent) if together else [*store.batch(reply), *store.batch(parent)]
    assert [p.home for p in placed] == [proposal("two")] * 2
    assert store.merges == []


def test_late_parent_joins_two_conversations_the_older_one_stays() -> None:
    store = Store()
    store.batch(inbound("one", minutes=0))
    store.batch(inbound("three", minutes=1, **parents(reply_to="two")))
    (placed,) = store.batch(inbound("two", minutes=2, **parents(reply_to="one")))
    assert placed == Placed(proposal("three"), (Merge(proposal("three"), proposal("one")),))
    (after,) = store.batch(inbound("four", minutes=3, **parents(reply_to="two")))
    assert after == Placed(proposal("one"))


def test_message_that_comes_again_keeps_its_home_after_a_merge() -> None:
    store = Store()
    store.batch(inbound("one", minutes=0))
    store.batch(inbound("three", minutes=1, **parents(reply_to="two")))
    late = inbound("two", minutes=2, **parents(reply_to="one"))
    first = store.batch(late)
    again = store.batch(late)
    assert [p.home for p in again] == [p.home for p in first] == [proposal("three")]
    assert again[0].merges == ()


def test_who_died_before_the_claims_were_moved_merges_again() -> None:
    store = Store()
    store.batch(inbound("one", minutes=0), inbound("three", minutes=1, **parents(reply_to="two")), moved=False)
    late = inbound("two", minutes=2, **parents(reply_to="one"))
    first = store.batch(late, moved=False)
    assert store.batch(late, moved=False) == first
    assert first[0].merges == (Merge(proposal("three"), proposal("one")),)


def test_rows_made_and_united_in_one_batch_are_stored_as_they_were_made() -> None:
    store = Store()
    store.batch(
        inbound("one", minutes=0),
        inbound("three", minutes=1, **parents(reply_to="two")),
        inbound("two", minutes=2, **parents(reply_to="one")),
        moved=False,
    )
    assert store.rows[row("two")].leads_to == proposal("three")


def test_row_that_somebody_else_made_meanwhile_merges_both() -> None:
    names = names_of(inbound("two", minutes=5, **parents(reply_to="one")), KEYS)
    placing = Placing({})
    placed = placing.place(names)
    theirs = Row(proposal("one"), proposal("one"), names.born - 1)
    corrected = placing.lost(names, placed, {row("one"): theirs})
    assert corrected == Placed(proposal("two"), (Merge(proposal("two"), proposal("one")),))


def test_home_row_that_somebody_else_made_decides_the_home() -> None:
    names = names_of(inbound("one", minutes=5), KEYS)
    placing = Placing({})
    placed = placing.place(names)
    theirs = Row(proposal("child"), proposal("child"), names.born - 1)
    corrected = placing.lost(names, placed, {row("one"): theirs})
    assert corrected == Placed(proposal("child"), (Merge(proposal("one"), proposal("child")),))
    same = Row(proposal("one"), proposal("one"), names.born)
    assert placing.lost(names, placed, {row("one"): same}) == Placed(proposal("one"))


class TestSigned:
    SIGNED = signed_message_id(CONVERSATION, "delivery-1", "acme.test", KEYS[0])

    @pytest.mark.parametrize(
        "fields",
        [
            {"in_reply_to": [SIGNED]},
            {"in_reply_to": [f"<{SIGNED}>"]},
            {"references": ["stranger@example.test", SIGNED]},
            {"about_external_id": SIGNED, "message_kind": "bounce"},
        ],
        ids=["In-Reply-To", "brackets", "References", "bounce"],
    )
    def test_decides_at_once_and_asks_no_other_id(self, fields: dict[str, Any]) -> None:
        store = Store()
        store.batch(inbound("stranger"))
        (placed,) = store.batch(inbound("two", **fields))
        assert placed == Placed(CONVERSATION)
        assert names_of(inbound("two", **fields), KEYS).links == ()

    def test_forged_or_foreign_decides_nothing(self) -> None:
        forged = signed_message_id(CONVERSATION, "delivery-1", "acme.test", b"another key of sixteen or more bytes")
        assert names_of(inbound("two", in_reply_to=[forged]), KEYS).decided is None
        assert (
            names_of(inbound("two", in_reply_to=[self.SIGNED.replace(CONVERSATION[:8], "0" * 8)]), KEYS).decided is None
        )

    def test_the_newest_of_several_counts(self) -> None:
        other = signed_message_id("another", "delivery-2", "acme.test", KEYS[0])
        assert names_of(inbound("two", references=[other, self.SIGNED]), KEYS).decided == CONVERSATION

    def test_takes_in_what_a_child_that_came_before_had_begun(self) -> None:
        store = Store()
        store.batch(inbound("child", minutes=-5, **parents(reply_to="two")))
        (placed,) = store.batch(inbound("two", in_reply_to=[self.SIGNED]))
        assert placed == Placed(proposal("child"), (Merge(proposal("child"), CONVERSATION),))


class TestChats:
    def chat(self, name: str, **fields: Any) -> InboundReceived:
        return inbound(name, **{"channel": Channel.CHAT, "to": [], **fields})

    def test_one_sender_is_one_conversation_and_another_is_another(self) -> None:
        store = Store()
        a, b, c = store.batch(self.chat("a"), self.chat("b"), self.chat("c", sender="dora"))
        assert a.home == b.home == conversation_id("support", "a@example.test")
        assert c.home != a.home

    @pytest.mark.parametrize(
        ("channel", "sender", "same"),
        [(Channel.CHAT, "dora", False), (Channel.WEBHOOK, "dora", True), (Channel.CHAT, "cleo@example.test", True)],
    )
    def test_episode(self, channel: Channel, sender: str, same: bool) -> None:
        store = Store()
        a, b, other = store.batch(
            self.chat("a", channel=channel, episode="order-1"),
            self.chat("b", channel=channel, episode="order-1", sender=sender),
            self.chat("c", channel=channel, episode="order-2"),
        )
        assert (a.home == b.home) is same
        assert other.home != a.home

    def test_channels_and_inboxes_are_kept_apart(self) -> None:
        store = Store()
        homes = store.batch(
            self.chat("a"), self.chat("b", channel=Channel.SMS), self.chat("c", inbox_id="sales"), inbound("d")
        )
        assert len({p.home for p in homes}) == 4


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_thread_becomes_one_conversation_in_whatever_order_and_batches_it_comes(data: st.DataObject) -> None:
    """A tree of mails, each naming a drawn part of its ancestors with its parent; and a second, unrelated thread."""
    size = data.draw(st.integers(2, 9))
    mails = []
    for n in range(size):
        parent = data.draw(st.integers(0, n - 1)) if n else None
        links = {} if parent is None else parents(reply_to=f"m{parent}")
        mails.append(inbound(f"m{n}", minutes=n, **links))
    mails += [inbound("x0", minutes=0), inbound("x1", minutes=1, **parents("x0"))]
    order = data.draw(st.permutations(mails))
    order += data.draw(st.lists(st.sampled_from(mails), max_size=4))  # some come twice
    store, homes = Store(), dict[str, str]()
    while order:
        count = data.draw(st.integers(1, len(order)))
        batch, order = order[:count], order[count:]
        for mail, placed in zip(batch, store.batch(*batch, moved=data.draw(st.booleans())), strict=True):
            assert homes.setdefault(mail.message_id, placed.home) == placed.home, "a home changed"
    roots = {m.message_id: store.root(homes[m.message_id]) for m in mails}
    assert len({roots[m.message_id] for m in mails[:size]}) == 1
    assert len(set(roots.values())) == 2
