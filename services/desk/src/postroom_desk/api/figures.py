"""What of analytics' figures somebody may see: its REST API knows no persons, so the desk bounds each question."""

from collections.abc import Mapping

from postroom_desk.api.guard import Asker
from postroom_desk.api.problems import Problem, not_found
from postroom_desk.parts import Parts
from postroom_desk.reading import UnknownConversationError

_BOUNDED = frozenset({"summary", "now", "rows"})
_PASSED_ON = ("cut", "value", "from", "to", "kind", "limit", "cursor")


async def bounded(path: str, asked: Mapping[str, str], parts: Parts, asker: Asker) -> dict[str, str]:
    """Return the query to pass on. Raises Problem 403 or 404, UnknownConversationError.

    Who may read every shared inbox sees the figures of the house, in which private inboxes have no part. Who reads some
    sees those of these: the whole is then their sum, and other cuts, which nothing can bound to inboxes, are refused.
    """
    first, _, rest = path.partition("/")
    if first == "conversations" and rest:
        return await _conversation(rest, parts, asker)
    if path not in _BOUNDED:
        raise not_found("analytics has no such figures")
    question = {name: asked[name] for name in _PASSED_ON if name in asked}
    cut, value = question.get("cut", "all"), question.get("value")
    if cut == "inbox" and value is not None and value not in asker.readable:
        raise not_found("there is no such inbox")
    if path == "rows" or cut == "inbox" or not reads_all(parts, asker):
        question["inboxes"] = inboxes_of(asker)
    if path != "rows" and cut not in ("all", "inbox") and "inboxes" in question:
        detail = f"figures by {cut} are over all inboxes, of which you may read some only"
        raise Problem(403, "forbidden", "Not allowed", detail)
    return question


def reads_all(parts: Parts, asker: Asker) -> bool:
    """Say whether this person may read every inbox that is nobody's private one."""
    shared = {i.id for i in parts.reader.configuration.inboxes if i.owner is None}
    return shared <= asker.readable


def inboxes_of(asker: Asker) -> str:
    """Return the bound of inboxes as analytics takes it; nobody's inbox when they may read none."""
    return ",".join(sorted(asker.readable)) or "-"


def of_the_house(parts: Parts, asker: Asker) -> dict[str, str]:
    """Return the query that bounds figures of all inboxes to what this person may see."""
    return {} if reads_all(parts, asker) else {"inboxes": inboxes_of(asker)}


async def _conversation(conversation_id: str, parts: Parts, asker: Asker) -> dict[str, str]:
    inbox_id = await parts.inboxes.of(conversation_id)
    if inbox_id is None or inbox_id not in asker.readable:
        raise UnknownConversationError(conversation_id)
    return {}
