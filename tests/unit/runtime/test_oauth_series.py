"""What is shown of grants ends when the trouble does, also at a process that asks for tokens seldom."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postroom_contracts.configuration import MailAccount, OAuth
from postroom_runtime.clock import Clock, ManualClock
from postroom_runtime.oauth import AccessTokens, AuthorisationError, TokenRefusedError
from postroom_runtime.oauth_grants import Grant, Tokens
from prometheus_client import REGISTRY

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


class Grants:
    """One grant, as its store holds it; `loads` are the times that it was asked for."""

    def __init__(self) -> None:
        self.grant: Grant | None = Grant("red", 1, "refresh", None, NOW, NOW + timedelta(hours=1))
        self.loads = 0

    async def load(self, _account_id: str) -> Grant | None:
        self.loads += 1
        return self.grant

    async def claim(self, *_: object) -> bool:
        return True

    async def release(self, _grant: Grant) -> None: ...

    async def refuse(self, grant: Grant, reason: str) -> None:
        self.grant = replace(grant, refused=reason)


def account() -> MailAccount:
    return MailAccount.model_construct(id="red", oauth=OAuth(provider="google", client_id="postroom"))


def tokens(grants: Grants, code: str) -> AccessTokens:
    async def refuses(_oauth: OAuth, _refresh_token: str, _clock: Clock) -> Tokens:
        raise TokenRefusedError(code)

    store: Any = grants
    return AccessTokens(lambda: store, refuses, ManualClock(NOW))


def shown() -> float | None:
    return REGISTRY.get_sample_value("postroom_oauth_grant_refused", {"account": "red"})


async def test_an_account_that_was_connected_anew_elsewhere_is_red_no_more() -> None:
    grants = Grants()
    made = tokens(grants, "invalid_grant")
    with pytest.raises(AuthorisationError):
        await made.token(account())
    await made.look_again({"red"})
    assert shown() == 1, "nobody has connected it"
    assert grants.grant is not None
    grants.grant = replace(grants.grant, refused=None, access_token="new")
    await made.look_again({"red"})
    assert shown() == 0
    asked = grants.loads
    await made.look_again({"red"})
    assert grants.loads == asked, "nothing is asked for while none is red"


async def test_an_account_that_was_taken_out_is_shown_no_more() -> None:
    made = tokens(Grants(), "invalid_grant")
    with pytest.raises(AuthorisationError):
        await made.token(account())
    await made.look_again(set())
    assert shown() is None


async def test_a_refused_client_is_no_matter_of_the_grant() -> None:
    made = tokens(Grants(), "invalid_client")
    with pytest.raises(AuthorisationError):
        await made.token(account())
    await made.look_again({"red"})
    assert shown() == 1
