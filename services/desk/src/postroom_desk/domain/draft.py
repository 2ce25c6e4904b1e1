"""A draft that several people write, one at a time: who may change it, what becomes of it. Pure.

One open draft of a reply for each conversation, one of a note for each of its people, and any number of conversations that
are still to begin (`start`). Whoever holds its lease writes; saving renews it; it lapses after 30 s, and anybody who sees
the draft may take it over before. Earlier texts are kept as versions, the last 20.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

from postroom_contracts.fields import UtcTime
from pydantic import BaseModel, ConfigDict, Field

LEASE = timedelta(seconds=30)
SENDING = timedelta(seconds=60)
"""For so long nobody else touches a draft that is being sent and of which no outcome is known."""
MAX_VERSIONS = 20
VERSION = timedelta(seconds=60)
"""What one person writes within it is one version: saved every second, twenty of them would go back for a moment only."""
TAKEN_AWAY = 40
"""Characters. Whose text becomes shorter by more begins a version: what was deleted may be wanted back."""
MAX_ADDRESSED = 500
_HEAD = ("subject", "to", "cc", "bcc")
Kind = Literal["reply", "note", "start"]
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
    inbox_id: str = ""
    """From which a conversation is to begin."""

    @property
    def is_empty(self) -> bool:
        return not (self.text.strip() or self.html.strip() or self.attachments)


class Version(DraftPart):
    """`at`: when it was begun. The last one is the present text. `to` None: one of a release that kept no receivers."""

    number: int
    by: str
    at: UtcTime
    text: str
    html: str = ""
    subject: str = ""
    to: list[dict[str, str]] | None = None
    cc: list[dict[str, str]] = Field(default_factory=list)
    bcc: list[dict[str, str]] = Field(default_factory=list)


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
    people: list[str] = Field(default_factory=list)
    """To whom alone it is there; empty, as of replies: to all who may write in its inbox."""
    begun_at: UtcTime | None = None
    addressed: list[str] = Field(default_factory=list)
    """The addresses, in small letters, to which it was ever to go: who is erased is found by them."""
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

    @property
    def listed_for(self) -> list[str]:
        """Whose drafts it is among: of a reply, who wrote it last or was given it; nobody's while reply or note say nothing."""
        if self.kind == "start":
            return self.people
        given = self.holder if self.handed_by else None
        return [] if self.written.is_empty else self.people or [given or self.saved_by]

    def being_sent(self, now: datetime) -> bool:
        return self.state == "sending" and self.state_at is not None and now - self.state_at < SENDING


class LockedError(Exception):
    """Somebody else writes it at the moment, or it is being sent (`holder` None)."""

    def __init__(self, holder: str | None) -> None:
        super().__init__(holder)
        self.holder = holder


class UnknownVersionError(LookupError):
    """The draft has no such version, or not any more."""


def saved(
    draft: Draft, written: Written, agent_id: str, now: datetime, seen: str = "", *, apart: bool = False
) -> Draft:
    """Return the draft with a new text, held by who wrote it; `apart`: in any case a version of its own. Raises LockedError."""
    _free(draft, agent_id, now)
    changes: dict[str, Any] = {"holder": agent_id, "held_until": now + LEASE, "handed_by": None}
    if written != draft.written or draft.number == 0:
        kept = written.model_dump(include={"text", "html", *_HEAD})
        version = Version(number=draft.number + 1, by=agent_id, at=now, **kept)
        changes |= {
            "number": version.number,
            "written": written,
            "saved_by": agent_id,
            "saved_at": now,
            "begun_at": draft.begun_at or now,
            "addressed": _addressed(draft, written),
            "versions": _with(draft.versions, version, apart=apart),
        }
        if draft.state == "sending" or draft.author == agent_id:
            changes |= {"state": "open", "author": None}  # who changes what they asked approval for asks again
    if seen and (not draft.seen or (draft.refused is not None and seen != draft.seen)):
        changes |= {"seen": seen, "refused": None}
    return draft.model_copy(update=changes)


def _with(versions: list[Version], newest: Version, *, apart: bool) -> list[Version]:
    """Return the versions with the newest, which goes on with the last one or stands behind it."""
    last = versions[-1] if versions else None
    goes_on = (
        last is not None
        and not apart
        and last.by == newest.by
        and newest.at - last.at < VERSION
        and len(newest.text) >= len(last.text) - TAKEN_AWAY
        and _receivers(last) <= _receivers(newest)
    )
    if last is not None and goes_on:
        return [*versions[:-1], newest.model_copy(update={"at": last.at})]
    return [*versions, newest][-MAX_VERSIONS:]


def _receivers(version: Version) -> set[str]:
    return {p["address"] for p in (*(version.to or ()), *version.cc, *version.bcc)}


def _addressed(draft: Draft, written: Written) -> list[str]:
    people = [p["address"].lower() for p in (*written.to, *written.cc, *written.bcc)]
    return list(dict.fromkeys([*draft.addressed, *people]))[-MAX_ADDRESSED:]


def version_of(draft: Draft, number: int) -> Version:
    """Return an earlier version. Raises UnknownVersionError."""
    for version in draft.versions:
        if version.number == number:
            return version
    raise UnknownVersionError(number)


def restored(draft: Draft, version: Version, html: str, agent_id: str, now: datetime) -> Draft:
    """Return the draft with an earlier version; the present one becomes a version. `html`: the version's, cleaned.

    A first message gets its subject and receivers back as well; to whom a reply goes stands beside its text, and stays. Raises
    LockedError.
    """
    head = {name: getattr(version, name) for name in _HEAD} if draft.kind == "start" and version.to is not None else {}
    written = draft.written.model_copy(update={"text": version.text, "html": html, **head})
    return saved(draft, written, agent_id, now, apart=True)


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
    changes: dict[str, Any] = {"holder": to, "held_until": now, "handed_by": by}
    return draft.model_copy(update=changes | _seen_by(draft, [to]))


def _seen_by(draft: Draft, more: Iterable[str]) -> dict[str, Any]:
    """Return what lets more people see a draft that not everybody does."""
    return {"people": list(dict.fromkeys([*draft.people, *more]))} if draft.people else {}


def asked(draft: Draft, by: str, now: datetime, approvers: Iterable[str] = ()) -> Draft:
    """Return the draft as it waits for approval, seen by who may give it. Raises LockedError."""
    _free(draft, by, now)
    waiting = {"state": "awaiting_approval", "state_at": now, "author": by, "holder": None, "held_until": None}
    return draft.model_copy(update=waiting | _seen_by(draft, approvers))


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
