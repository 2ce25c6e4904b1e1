"""What a provocation is, and what it touches, so that several can go on at a time."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from watch.causes import SERVICES

Step = Callable[[], Awaitable[None]]
MAIL = frozenset({"mailboxes"})
OUT = frozenset({"smtp"})
ALL = frozenset({*SERVICES, "probe"}) | MAIL | OUT


def services(*names: str) -> frozenset[str]:
    return frozenset(names)


@dataclass(frozen=True, slots=True)
class Provocation:
    """`begin` makes it go wrong, `mend` ends it. `alerts` must fire within `fires` seconds and be silent within `ends`.

    `after`: alerts that fire when it is mended, and are silent again within `ends`, too. `takes` is what nobody else may use
    meanwhile, `uses` what nobody may take: processes, the mailboxes, the server for mail that leaves.
    """

    name: str
    alerts: tuple[str, ...]
    begin: Step
    mend: Step
    fires: float = 30
    ends: float = 30
    after: tuple[str, ...] = ()
    takes: frozenset[str] = frozenset()
    uses: frozenset[str] = frozenset()

    def disturbs(self, other: "Provocation") -> bool:
        return bool(self.takes & (other.takes | other.uses) or self.uses & other.takes)
