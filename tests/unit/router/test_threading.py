"""Threading: keys, signed ids, chats; and by drawn orders that a thread becomes one conversation however it comes."""

from typing import Any, ClassVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from postroom_contracts.ids import conversation_id
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import signed_message_id
from postroom_contracts.thread_keys import claim_id
from postroom_contracts.values import Channel
from postroom_ingest.domain.mail import parse_mail
from postroom_router.domain.threading import Merge, Placed, Placing, Row, names_of, person

from tests.unit.router.build import CONVERSATION, KEYS, company, inbound


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
        assert placed == Placed(proposal("child"), (Merge(proposal("child"), CONVERSATION, apart=True),))


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


@pytest.mark.parametrize("folds", [" ", "\r\n ", "\r\n\t"], ids=["one line", "folded", "folded by tabs"])
def test_two_hundred_references_still_lead_to_the_first_and_the_nearest(folds: str) -> None:
    ids = folds.join(f"<r{n}@example.test>" for n in range(200))
    mail = parse_mail(f"From: c@example.test\r\nReferences: {ids}\r\n\r\nx".encode())
    names = names_of(inbound("late", references=list(mail.references)), KEYS)
    assert len(names.links) == 50
    assert {row("r0"), row("r199"), row("r152")} <= set(names.links)
    for known in ("r0", "r199"):
        store = Store()
        store.batch(inbound(known))
        (placed,) = store.batch(inbound("late", minutes=1, references=list(mail.references)))
        assert placed.home == proposal(known)


class TestStrangers:
    """Who neither wrote nor got a mail may join its conversation, marked, and changes nothing for anybody else."""

    MALLORY: ClassVar[dict[str, Any]] = {"sender": "mallory@evil.test", "to": [{"address": "cleo@example.test"}]}

    def two_threads(self) -> Store:
        store = Store()
        store.batch(inbound("a", minutes=0), inbound("b", minutes=1, sender="dora@example.test"))
        return store

    def test_naming_two_conversations_brings_them_not_together_and_leads_nobody_away(self) -> None:
        store = self.two_threads()
        (placed,) = store.batch(inbound("x", minutes=2, **parents("a", "b"), **self.MALLORY))
        assert placed == Placed(proposal("b"))
        after = store.batch(
            inbound("a2", minutes=3, **parents("a")),
            inbound("b2", minutes=4, sender="dora@example.test", **parents("b")),
        )
        assert after == [Placed(proposal("a")), Placed(proposal("b"))]
        assert store.merges == []

    def test_own_conversation_goes_into_the_one_that_is_answered_without_its_people(self) -> None:
        store = Store()
        store.batch(inbound("bait", minutes=0, **parents("hook"), **self.MALLORY))
        store.batch(inbound("a", minutes=1))
        (placed,) = store.batch(inbound("hook", minutes=2, **parents("a"), **self.MALLORY))
        assert placed == Placed(proposal("bait"), (Merge(proposal("bait"), proposal("a"), apart=True),))

    def test_what_came_before_an_answer_to_us_comes_without_its_people(self) -> None:
        store = Store()
        store.batch(inbound("bait", **parents("hook"), **self.MALLORY))
        (placed,) = store.batch(inbound("hook", minutes=2, in_reply_to=[TestSigned.SIGNED], **self.MALLORY))
        assert placed == Placed(proposal("bait"), (Merge(proposal("bait"), CONVERSATION, apart=True),))

    @pytest.mark.parametrize("signed", [True, False])
    def test_an_id_that_is_taken_is_no_way_in_for_another_conversation(self, signed: bool) -> None:
        store = self.two_threads()
        named = {"in_reply_to": [TestSigned.SIGNED]} if signed else parents("b")
        (placed,) = store.batch(inbound("a", minutes=2, **named, **self.MALLORY))
        assert placed == Placed(CONVERSATION if signed else proposal("a"))
        assert store.merges == []

    def test_an_id_that_was_foretold_draws_nobody_in(self) -> None:
        """Mallory names the next mail's id before it comes: her mail goes to it, as an answer does, and not the other way."""
        store = Store()
        store.batch(inbound("bait", minutes=0, **parents("next"), **self.MALLORY | {"to": []}))
        mail = inbound("next", minutes=1)
        for _ in range(2):
            (placed,) = store.batch(mail, moved=False)  # who died before the claims were moved does the same again
            assert placed == Placed(proposal("next"), (Merge(proposal("bait"), proposal("next"), apart=True),))
        assert store.batch(mail)[0] == placed
        assert store.batch(mail) == [Placed(proposal("next"))]
        (after,) = store.batch(inbound("reply", minutes=2, **parents("next")))
        assert after == Placed(proposal("next"))
        (stranger,) = store.batch(inbound("x", minutes=3, **parents("next", "bait"), **self.MALLORY | {"to": []}))
        assert stranger.home in {proposal("next"), proposal("bait")}
        assert all(m.target != proposal("bait") for m in store.merges)

    def test_an_id_that_was_foretold_of_an_answer_leaves_it_in_its_thread(self) -> None:
        store = Store()
        store.batch(inbound("one", minutes=0))
        store.batch(inbound("bait", minutes=1, **parents("two"), **self.MALLORY | {"to": []}))
        (placed,) = store.batch(inbound("two", minutes=2, **parents("one")))
        assert placed.home == proposal("two")
        assert set(placed.merges) == {
            Merge(proposal("two"), proposal("one")),
            Merge(proposal("bait"), proposal("one"), apart=True),
        }
        (after,) = store.batch(inbound("three", minutes=3, **parents("two")))
        assert after == Placed(proposal("one"))

    @pytest.mark.parametrize("known", ["one", "two"], ids=["a mail that came", "a mail that is awaited"])
    def test_a_stranger_s_own_answer_ties_nothing_to_what_it_answers(self, known: str) -> None:
        store = Store()
        store.batch(inbound("theirs", minutes=-5, **self.MALLORY | {"to": []}))
        store.batch(inbound("one", minutes=0))
        (stranger,) = store.batch(inbound("bait", minutes=1, **parents("two", "one"), **self.MALLORY | {"to": []}))
        assert stranger.home == proposal("one")
        tie = inbound(
            "tie", minutes=2, **parents("theirs", "bait" if known == "one" else "two"), **self.MALLORY | {"to": []}
        )
        assert store.batch(tie) == [Placed(proposal("theirs"))]
        (after,) = store.batch(inbound("after", minutes=3, **parents("bait"), **self.MALLORY | {"to": []}))
        assert after == Placed(proposal("one")), "and what goes on with it goes where it is"
        assert store.batch(tie) == [Placed(proposal("theirs"))]
        assert store.merges == []

    def test_whoever_has_an_answer_of_ours_ties_nothing_to_its_conversation_by_it(self) -> None:
        store = Store()
        store.batch(inbound("theirs", minutes=-5, **self.MALLORY | {"to": []}))
        ours = signed_message_id(CONVERSATION, "m1", "acme.test", KEYS[0])
        known = inbound("known", references=[ours], **self.MALLORY | {"to": []})
        assert store.batch(known) == [Placed(CONVERSATION)]
        tie = inbound("tie", minutes=2, **parents("theirs", "known"), **self.MALLORY | {"to": []})
        assert store.batch(tie, known) == [Placed(proposal("theirs")), Placed(CONVERSATION)]
        assert store.merges == []

    def test_who_wrote_to_the_author_may_await_a_mail(self) -> None:
        store = Store()
        reply = inbound("two", sender="dora@example.test", to=[{"address": "cleo@example.test"}], **parents("one"))
        store.batch(reply)
        (placed,) = store.batch(inbound("one", minutes=1, to=[{"address": "dora@example.test"}]))
        assert placed == Placed(proposal("two"))
        assert store.merges == []

    def test_a_foretold_id_that_is_claimed_meanwhile_draws_nobody_in(self) -> None:
        names = names_of(inbound("next", minutes=5), KEYS)
        placing = Placing({})
        placed = placing.place(names)
        mallory = person("mallory@evil.test")
        theirs = Row(proposal("bait"), proposal("bait"), names.born - 1, awaited_by=mallory)
        tied = Merge(proposal("bait"), proposal("next"), apart=True)
        assert placing.lost(names, placed, {row("next"): theirs}) == Placed(proposal("next"), (tied,))

    def test_who_got_both_brings_them_together(self) -> None:
        store = Store()
        copy: dict[str, Any] = {"cc": [{"address": "Eve@example.test"}]}
        store.batch(inbound("a", **copy), inbound("b", minutes=1, sender="dora@example.test", **copy))
        (placed,) = store.batch(inbound("x", minutes=2, sender="eve@example.test", **parents("a", "b")))
        assert placed == Placed(proposal("a"), (Merge(proposal("b"), proposal("a")),))

    def test_row_that_somebody_else_made_meanwhile_is_asked_too(self) -> None:
        names = names_of(inbound("x", minutes=5, **parents("a"), **self.MALLORY), KEYS)
        placing = Placing({})
        placed = placing.place(names)
        theirs = Row(proposal("a"), proposal("a"), names.born - 1, (person("cleo@example.test"),))
        tied = Merge(proposal("x"), proposal("a"), apart=True)
        assert placing.lost(names, placed, {row("a"): theirs}) == Placed(proposal("x"), (tied,))
        assert placing.moved == {}

    def test_a_stranger_s_row_that_was_made_meanwhile_ties_nothing(self) -> None:
        mallory = person("mallory@evil.test")
        names = names_of(inbound("x", minutes=5, **parents("a", "c"), **self.MALLORY), KEYS)
        theirs = Row(proposal("a"), proposal("a"), names.born - 1, (mallory,), apart=True)
        alone, within = Placing({}), Placing({row("c"): Row(proposal("c"), proposal("c"), 1, (mallory,))})
        tied = Merge(proposal("x"), proposal("a"), apart=True)
        assert alone.lost(names, alone.place(names), {row("a"): theirs}) == Placed(proposal("x"), (tied,))
        assert within.lost(names, within.place(names), {row("a"): theirs}) == Placed(proposal("c"))
        assert alone.moved == within.moved == {}

    def test_the_same_mail_that_was_placed_meanwhile_by_who_knew_more_stays_a_stranger_s(self) -> None:
        names = names_of(inbound("x", minutes=5, **parents("a"), **self.MALLORY), KEYS)
        theirs = Row(proposal("a"), proposal("a"), names.born + 1, (person("mallory@evil.test"),), apart=True)
        placing = Placing({})
        placed = placing.place(names)
        tied = Merge(proposal("x"), proposal("a"), apart=True)
        assert placing.lost(names, placed, {row("x"): theirs}) == Placed(proposal("a"), (tied,))
        assert placing.moved == {}


class TestCopies:
    """`company.copies: first_inbox`: a thread is one conversation, whichever inbox its mails come to."""

    COMPANY = company(copies="first_inbox")

    def place(self, store: Store, *mails: InboundReceived) -> list[str]:
        names = [names_of(m, KEYS, self.COMPANY) for m in mails]
        placing = Placing({c: store.rows[c] for n in names for c in n.asked if c in store.rows})
        placed = [placing.place(n) for n in names]
        store.rows |= placing.made | placing.moved
        return [p.home for p in placed]

    def test_answer_at_another_inbox_finds_the_conversation(self) -> None:
        store = Store()
        homes = self.place(store, inbound(), inbound("two", inbox_id="sales", minutes=1, **parents("one")))
        assert homes == [proposal("one")] * 2

    def test_what_came_before_it_was_wanted_is_found(self) -> None:
        store = Store()
        store.batch(inbound())
        assert self.place(store, inbound("two", minutes=1, **parents("one"))) == [proposal("one")]
        assert self.place(store, inbound()) == [proposal("one")]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_mails_are_one_conversation_exactly_if_what_they_name_hangs_together(data: st.DataObject) -> None:
    """Trees of mails that name any of their ancestors and now and then a stranger to them; some never come at all."""
    size = data.draw(st.integers(2, 9))
    named: dict[str, list[str]] = {}
    for n in range(size):
        earlier = [f"m{k}" for k in range(n)]
        named[f"m{n}"] = data.draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
    mails = {name: inbound(name, minutes=n, **parents(*named[name])) for n, name in enumerate(named)}
    coming = data.draw(st.lists(st.sampled_from(sorted(mails)), min_size=1, unique=True))
    order = data.draw(st.permutations([*coming, *data.draw(st.lists(st.sampled_from(coming), max_size=3))]))
    store, homes = Store(), dict[str, str]()
    while order:
        count = data.draw(st.integers(1, len(order)))
        batch, order = order[:count], order[count:]
        placed = store.batch(*(mails[name] for name in batch), moved=data.draw(st.booleans()))
        for name, one in zip(batch, placed, strict=True):
            assert homes.setdefault(name, one.home) == one.home, "a home changed"
    for a in coming:
        for b in coming:
            together = b in _hanging_together(a, {name: named[name] for name in coming})
            assert (store.root(homes[a]) == store.root(homes[b])) is together, (a, b)


def _hanging_together(start: str, named: dict[str, list[str]]) -> set[str]:
    """Return all ids that can be reached over mails that came, each of which ties its own id and those that it names."""
    group = {start}
    while True:
        ties = [{name, *others} for name, others in named.items() if {name, *others} & group]
        more = group.union(*ties)
        if more == group:
            return group
        group = more


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_thread_becomes_one_conversation_in_whatever_order_and_batches_it_comes(data: st.DataObject) -> None:
    """A tree of mails, each naming a drawn part of its ancestors with its parent; and a second, unrelated thread."""
    size = data.draw(st.integers(2, 9))
    mails = []
    everybody = ["cleo@example.test", "dora@example.test", "eve@example.test"]
    for n in range(size):
        parent = data.draw(st.integers(0, n - 1)) if n else None
        links = {} if parent is None else parents(reply_to=f"m{parent}")
        copied = everybody if data.draw(st.booleans()) else []
        links["to"] = [{"address": a} for a in ("support@acme.test", *copied)]
        mails.append(inbound(f"m{n}", minutes=n, sender=data.draw(st.sampled_from(everybody)), **links))
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


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_whatever_ids_a_stranger_foretells_nobody_s_mail_goes_to_the_stranger(data: st.DataObject) -> None:
    """A thread of two people that comes in its order, and a stranger's mails that name any of its ids, in between."""
    people = ["cleo@example.test", "dora@example.test"]
    both: dict[str, Any] = {"to": [{"address": a} for a in ("support@acme.test", *people)]}
    size = data.draw(st.integers(1, 5))
    thread = [
        inbound(
            f"m{n}", minutes=n, sender=data.draw(st.sampled_from(people)), **both, **parents(*[f"m{n - 1}"][: n > 0])
        )
        for n in range(size)
    ]
    mails, known = list(thread), [f"m{k}" for k in range(size)]
    for n in range(data.draw(st.integers(1, 4))):
        named = data.draw(
            st.lists(st.sampled_from([*known, *(f"bait{k}" for k in range(n))]), min_size=1, max_size=3, unique=True)
        )
        age = data.draw(st.sampled_from([-5, n]))
        bait = inbound(f"bait{n}", minutes=age, sender="mallory@evil.test", **parents(*named))
        mails.insert(data.draw(st.integers(0, len(mails))), bait)
    mails += data.draw(st.lists(st.sampled_from(mails), max_size=3))  # some come twice
    store, homes = Store(), dict[str, str]()
    for mail in mails:
        for moved in (False, True) if data.draw(st.booleans()) else (True,):  # who died before the move does it again
            (placed,) = store.batch(mail, moved=moved)
            assert homes.setdefault(mail.message_id, placed.home) == placed.home, "a home changed"
    theirs = {proposal(f"bait{n}") for n in range(4)}
    assert not {homes[m.message_id] for m in thread} & theirs
    assert len({store.root(homes[m.message_id]) for m in thread}) == 1
    assert all(m.apart for m in store.merges if m.source in theirs and m.target not in theirs)  # its own may be one
    assert not [m for m in store.merges if m.target in theirs and m.source not in theirs]
