"""Each receiver has connections of its own; what is not in use is not kept without bound, nor for ever."""

import pytest
from postroom_notifier.adapters import webhook_client
from postroom_notifier.adapters.webhook_client import Pools


async def test_a_receiver_finds_its_own_connections_again_and_no_others() -> None:
    pools = Pools((), kept=2)
    async with pools.of("a") as first, pools.of("b") as other:
        assert first is not other
    async with pools.of("a") as again:
        assert again is first
    await pools.close()


async def test_of_those_that_are_idle_only_the_last_used_are_kept_and_none_that_is_in_use_is_closed() -> None:
    pools = Pools((), kept=2)
    async with pools.of("hangs") as hanging:
        for name in ("a", "b", "c", "d"):
            async with pools.of(name):
                pass
        assert pools.names == ["hangs", "d"]
        async with pools.of("hangs") as same:
            assert same is hanging
    await pools.close()


async def test_what_was_not_used_for_half_a_minute_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(webhook_client, "monotonic", lambda: now)
    pools = Pools((), kept=10)
    async with pools.of("a"):
        pass
    now += 29
    async with pools.of("b"):
        pass
    assert pools.names == ["a", "b"]
    now += 2
    async with pools.of("b"):
        pass
    assert pools.names == ["b"]
    await pools.close()
