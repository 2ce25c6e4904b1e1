"""The marker line of notification mail, and what of ours must not stand in a text that leaves the house."""

import re
from typing import Literal

from postroom_contracts.signed_ids import looks_like_answer_key

MARKER = "##- Please type your answer above this line -##"
"""Everything above the first line that holds this is the answer. A text that still holds it is refused."""
Internal = Literal["holds_marker", "holds_link", "holds_key"]

_BLANKS = re.compile(r"\s+")
_LINK = re.compile(r"conversations(?:/|%2f)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""The desk's page of a conversation, at whatever host, also inside the address of a link scanner."""
_ONE_CLICK = re.compile(r"u(?:/|%2f)[a-z]{1,20}\.[a-z0-9-]{1,63}\.[a-z2-7]{26}")
"""The address by which an agent's notifications are muted (`signed_ids.unsubscribe_token`)."""
_KEY = re.compile(r"(?:\+|%2b)([a-z2-7]{50})(?:@|%40)")
_MARKER = _BLANKS.sub("", MARKER).lower()


def internal_matter(text: str) -> Internal | None:
    """Return what of a notification of ours still stands in `text`: marker line, a link of ours, keyed address.

    Links of ours lead to a conversation, or to where notifications are muted.

    Mail clients break lines and put blanks in, so blanks do not count. Linear in the text's length.
    """
    compact = _BLANKS.sub("", text).lower()
    if _MARKER in compact:
        return "holds_marker"
    if _LINK.search(compact) or _ONE_CLICK.search(compact):
        return "holds_link"
    if any(looks_like_answer_key(found) for found in _KEY.findall(compact)):
        return "holds_key"
    return None
