"""How many mails a timed run sends, on a machine that is slow now and then."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest
from postroom_demo.feed import Feed, Pace


@dataclass
class Machine:
    """A clock that moves by what is slept and by what mails cost: `costs` by number, in seconds."""

    costs: dict[int, float]
    now: float = 1000.0
    sent: list[float] = field(default_factory=list)

    def monotonic(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    async def send(self) -> None:
        self.sent.append(self.now - 1000)
        self.now += self.costs.get(len(self.sent), 0.0)


@pytest.mark.parametrize(("costs", "sent"), [({}, 73), ({3: 6.0}, 73), ({3: 6.0, 40: 5.0}, 73), ({3: 30.0}, 49)])
async def test_what_a_slow_moment_held_up_is_caught_up(
    costs: dict[int, float], sent: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """72 pauses of 0.8 s in 58 s; of the half minute the last ten seconds."""
    machine = Machine(costs)
    monkeypatch.setattr("postroom_demo.feed.time.monotonic", machine.monotonic)
    monkeypatch.setattr("postroom_demo.feed.asyncio.sleep", machine.sleep)
    monkeypatch.setattr(Feed, "_send_next", lambda _: machine.send())
    fed = Feed({}, 0, 0, Pace(0.8), lambda: datetime.now(UTC), random.Random(1))
    await fed.write(58)
    assert len(machine.sent) == sent
