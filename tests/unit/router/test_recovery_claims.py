"""After a loss of MongoDB a mail goes where it went before, in whatever order the mailboxes are read again."""

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from postroom_contracts.inbound import InboundReceived
from postroom_router import recovery_claims
from postroom_router.adapters.claims import InMemoryClaims
from postroom_router.domain.threading import Names, Placing, names_of
from postroom_router.recovery_claims import place_again
from postroom_runtime.settings import RuntimeSettings

from tests.unit.router.build import inbound

KEYS = [b"k" * 32]


def names(message: InboundReceived) -> Names:
    return names_of(message, KEYS)


def mail(name: str, *references: str) -> InboundReceived:
    return inbound(name, external_id=f"{name}@mail.test", references=list(references))


ORDER = names(mail("order"))
ANSWER = names(mail("answer", "order@mail.test"))
ELSEWHERE = "4f6c2c1e-6a0d-5d3e-8d0f-0a1b2c3d4e5f"


async def home_of(claims: InMemoryClaims, message: Names) -> str:
    """Return where the thread step would put it now."""
    return Placing(await claims.load(message.asked)).place(message).home


async def test_an_answer_that_is_read_again_before_what_it_answers_goes_where_it_went() -> None:
    claims = InMemoryClaims()
    assert await home_of(claims, ANSWER) == ANSWER.proposal, "without its row it would open a conversation of its own"
    assert await place_again(claims, [(ORDER, ORDER.proposal), (ANSWER, ORDER.proposal)]) == 2
    assert await home_of(claims, ANSWER) == ORDER.proposal
    assert await home_of(claims, ORDER) == ORDER.proposal


async def test_what_two_replicas_placed_apart_goes_to_each_one_s_place_again() -> None:
    claims = InMemoryClaims()
    await place_again(claims, [(ORDER, ORDER.proposal), (ANSWER, ELSEWHERE)])
    assert await home_of(claims, ANSWER) == ELSEWHERE, "that was merged then, and passes on"


async def test_what_the_backup_knows_stays_and_a_second_time_changes_nothing() -> None:
    claims = InMemoryClaims()
    await place_again(claims, [(ORDER, ORDER.proposal)])
    known = dict(claims.rows)
    assert await place_again(claims, [(ORDER, ORDER.proposal), (ANSWER, ORDER.proposal)]) == 1
    assert {claim: claims.rows[claim] for claim in known} == known
    after = dict(claims.rows)
    assert await place_again(claims, [(ORDER, ORDER.proposal), (ANSWER, ORDER.proposal)]) == 0
    assert claims.rows == after


async def test_without_signing_keys_nothing_is_placed_and_the_error_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def one(_: Any) -> AsyncIterator[Any]:
        yield None

    monkeypatch.setattr(recovery_claims, "accepted", one)
    for name in ("POSTROOM_SIGNING_KEYS", "POSTROOM_SIGNING_KEYS_FILE"):
        monkeypatch.delenv(name, raising=False)
    recovery: Any = SimpleNamespace(settings=RuntimeSettings(kafka_bootstrap="127.0.0.1:1"))  # and no database
    with pytest.raises(LookupError, match=r"set POSTROOM_SIGNING_KEYS .* and run it again"):
        await recovery_claims.claims_from_log(recovery)
