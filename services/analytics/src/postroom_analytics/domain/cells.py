"""Which rollup documents there are: one per scope and cut, and one that all present counts but those of tags share."""

from typing import NamedTuple

from postroom_contracts.response_times.model import Credit, is_private, plain_inbox

TOTAL = "total"
NOW = "now"


class Cell(NamedTuple):
    """One rollup document: `scope` is `total` or a day such as `2026-03-06`, `value` is empty for the cut `all`.

    NOW_CELL is the one that all cuts but `tag` share.
    """

    scope: str
    cut: str
    value: str

    @property
    def id(self) -> str:
        return f"{self.scope}:{self.cut}:{self.value}"


NOW_CELL = Cell(NOW, "", "")

Increments = dict[Cell, dict[str, int]]
"""Per document: dotted path to what is added to it. Zeros are left out; adding is order-free."""


PRIVATE = "private"
"""The cut of private inboxes, by inbox: their figures are their owner's alone, so they count in no other cut."""


def cuts_of(inbox: str, channel: str, credit: Credit) -> list[tuple[str, str]]:
    """Return the cut and value of every document that something with these marks counts in."""
    if is_private(inbox):
        return [(PRIVATE, plain_inbox(inbox))]
    cuts = [("all", ""), ("inbox", inbox), ("channel", channel), *(("tag", tag) for tag in credit.tags)]
    if credit.team is not None:
        cuts.append(("team", credit.team))
    if credit.agent is not None:
        cuts.append(("agent", credit.agent))
    return cuts
