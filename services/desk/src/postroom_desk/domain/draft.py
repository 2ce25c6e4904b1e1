"""A draft that several people write, one at a time: who may change it, what becomes of it. Pure.

One open draft for each conversation and kind. Whoever holds its lease writes; saving renews it; it lapses after 30 s, and
anybody may take it over before. Every change of the text is a version; the last 20 are kept.
"""

from datetime import datetime, timedelta
from typing import Any, Literal

from postroom_contracts.fields import UtcTime
from pydantic import BaseModel, ConfigDict, Field

LEASE = timedelta(seconds=30)
SENDING = timedelta(seconds=60)
"""For so long nobody else touches a draft that is being sent and of which no outcome is known."""
MAX_VERSIONS = 20
Kind = Literal["reply", "note"]
State = Literal["open", "awaiting_approval", "sending"]


class DraftPart(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Written(DraftPart):
    """What a draft says. `to`, `cc`, `bcc`: `{address, name}`."""

    mode: Literal["reply", "reply_all", "forward"] = "reply"
    message_id: str | None = None
    text: str = ""
    html: str = ""
    subject: str = ""
    to: list[dict[str, str]] = Field(default_factory=list)
    cc: list[dict[str, str]] = Field(default_factory=list)
    bcc: list[dict[str, str]] = Field(default_factory=list)
    attachments: list[str] = Field(default_factory=list)


class Version(DraftPart):
    number: int
    by: str
    at: UtcTime
    text: str
    html: str = ""


class Refused(DraftPart):
    """Why it was not sent; the text is still here."""

    reason: str
    changed: list[str] = Field(default_factory=list)
    router_sequence: int = 0
    at: UtcTime


class Draft(DraftPart):
    """`id` is the cause of the message that it becomes: it is sent once. `number` counts changes of the text, from 1;
    `revision` every write.
    """

    id: str
    conversation_id: str
    kind: Kind
    number: int = 0
    revision: int = 0
    written: Written = Written()
    seen: str = ""
    """The conversation's ETag when the writing began."""
    saved_by: str = ""
    saved_at: UtcTime | None = None
    holder: str | None = None
    held_until: UtcTime | None = None
    handed_by: str | None = None
    """Who gave it to `holder`."""
    state: State = "open"
    state_at: UtcTime | None = None
    author: str | None = None
    """Who asked for approval: the reply is theirs."""
    attempt: int = 1
    refused: Refused | None = None
    versions: list[Version] = Field(default_factory=list)

    def held_by_other(self, agent_id: str, now: datetime) -> str | None:
        """Return who else writes now; None: nobody."""
        if self.holder in (None, agent_id) or self.held_until is None or self.held_until <= now:
            return None
        return self.holder

    def being_sent(self, now: datetime) -> bool:
        return self.state == "sending" and self.state_at is not None and now - self.state_at < SENDING


class LockedError(Exception):
    """Somebody else writes it at the moment, or it is being sent (`holder` None)."""

    def __init__(self, holder: str | None) -> None:
        super().__init__(holder)
        self.holder = holder


def saved(draft: Draft, written: Written, agent_id: str, now: datetime, seen: str = "") -> Draft:
    """Return the draft with a new text, held by who wrote it. Raises LockedError."""
    _free(draft, agent_id, now)
    changes: dict[str, Any] = {"holder": agent_id, "held_until": now + LEASE, "handed_by": None}
    if written != draft.written or draft.number == 0:
        version = Version(number=draft.number + 1, by=agent_id, at=now, text=written.text, html=written.html)
        changes |= {
            "number": version.number,
            "written": written,
            "saved_by": agent_id,
            "saved_at": now,
            "versions": [*draft.versions, version][-MAX_VERSIONS:],
        }
        if draft.state == "sending" or draft.author == agent_id:
            changes |= {"state": "open", "author": None}  # who changes what they asked approval for asks again
    if seen and (not draft.seen or (draft.refused is not None and seen != draft.seen)):
        changes |= {"seen": seen, "refused": None}
    return draft.model_copy(update=changes)


def taken(draft: Draft, agent_id: str, now: datetime, *, over: bool = False) -> Draft:
    """Return the draft held by this agent; `over`: whoever had it. Raises LockedError."""
    if not over:
        _free(draft, agent_id, now)
    elif draft.being_sent(now):
        raise LockedError(None)
    return draft.model_copy(update={"holder": agent_id, "held_until": now + LEASE, "handed_by": None})


def released(draft: Draft, agent_id: str, now: datetime) -> Draft:
    """Return the draft for anybody to take, if this agent has it."""
    if draft.held_by_other(agent_id, now):
        return draft
    return draft.model_copy(update={"holder": None, "held_until": None})


def handed(draft: Draft, by: str, to: str, now: datetime) -> Draft:
    """Return the draft given to a colleague; nobody else has to wait for them. Raises LockedError."""
    _free(draft, by, now)
    return draft.model_copy(update={"holder": to, "held_until": now, "handed_by": by})


def asked(draft: Draft, by: str, now: datetime) -> Draft:
    """Return the draft as it waits for approval. Raises LockedError."""
    _free(draft, by, now)
    waiting = {"state": "awaiting_approval", "state_at": now, "author": by, "holder": None, "held_until": None}
    return draft.model_copy(update=waiting)


def sending(draft: Draft, by: str, now: datetime) -> Draft:
    """Return the draft as it is on its way. Raises LockedError while another writes or sends it."""
    _free(draft, by, now)
    return draft.model_copy(update={"state": "sending", "state_at": now})


def given_back(draft: Draft, refused: Refused) -> Draft:
    """Return a draft that was refused: everything is still there, and it may be sent again as another attempt."""
    state = "awaiting_approval" if draft.author else "open"
    return draft.model_copy(
        update={"state": state, "state_at": refused.at, "refused": refused, "attempt": draft.attempt + 1}
    )


def not_sent(draft: Draft) -> Draft:
    """Return a draft that turned out not to be ready to be sent."""
    return draft.model_copy(update={"state": "awaiting_approval" if draft.author else "open"})


def _free(draft: Draft, agent_id: str, now: datetime) -> None:
    if draft.being_sent(now):
        raise LockedError(None)
    if holder := draft.held_by_other(agent_id, now):
        raise LockedError(holder)
