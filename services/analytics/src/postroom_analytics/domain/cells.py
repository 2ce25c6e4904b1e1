"""Which rollup documents there are: one per scope and cut, and one that all present counts but those of tags share."""

from typing import NamedTuple

from postroom_analytics.domain.model import Credit

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
_PRIVATE_MARK = f"{PRIVATE}:"


def marked_private(inbox: str) -> str:
    """Return the name under which figures know an inbox that was private when the conversation began.

    It is part of the name, and not a mark beside it, so that whatever counts in an inbox is taken out of the same one.
    """
    return f"{_PRIVATE_MARK}{inbox}"


def is_private(inbox: str) -> bool:
    return inbox.startswith(_PRIVATE_MARK)


def plain_inbox(inbox: str) -> str:
    """Return the inbox's id."""
    return inbox.removeprefix(_PRIVATE_MARK)


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
