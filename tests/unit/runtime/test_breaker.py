"""When the breaker opens."""

from postroom_runtime.breaker import Breaker


def test_opens_when_more_than_half_of_the_last_fifty_fail() -> None:
    breaker = Breaker()
    breaker.succeeded([f"g{n}" for n in range(50)])
    for n in range(25):
        breaker.note(f"c{n}", failed=True)
    assert not breaker.open
    breaker.note("c25", failed=True)
    assert breaker.open


def test_one_conversation_cannot_open_it() -> None:
    breaker = Breaker()
    for n in range(500):
        breaker.note(f"c{n % 9}", failed=True)
    assert not breaker.open


def test_old_failures_are_forgotten() -> None:
    breaker = Breaker()
    for n in range(25):
        breaker.note(f"c{n}", failed=True)
    breaker.succeeded(["g"] * 50)
    for n in range(25):
        breaker.note(f"d{n}", failed=True)
    assert not breaker.open


def test_it_stays_open_whatever_succeeds_afterwards() -> None:
    breaker = Breaker()
    for n in range(26):
        breaker.note(f"c{n}", failed=True)
    assert breaker.open
    breaker.succeeded(["g"] * 50)
    assert breaker.open
