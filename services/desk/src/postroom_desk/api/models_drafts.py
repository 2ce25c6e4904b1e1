"""The bodies of drafts: of replies, of notes, and of conversations that are still to begin."""

from datetime import datetime
from typing import Annotated, Literal

from postroom_contracts.fields import Slug
from pydantic import Field, StringConstraints

from postroom_desk.api.models import MAX_TEXT, Answer, Asked, Contact, LaterTime, Recipients
from postroom_desk.api.models_answering import MAX_HTML, MAX_UNDO_SECONDS, Files, Identifier

OneLine = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\r\n]*$")]
DraftText = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
DraftHtml = Annotated[str, StringConstraints(max_length=MAX_HTML)]


class DraftTextAsked(Asked):
    """What every draft may say; all of it may be missing yet."""

    text: DraftText = ""
    html: DraftHtml = ""
    subject: OneLine = ""
    to: Recipients = Field(default_factory=list)
    cc: Recipients = Field(default_factory=list)
    bcc: Recipients = Field(default_factory=list)
    attachments: Files = Field(default_factory=list)


class DraftAsked(DraftTextAsked):
    """What the draft says now. `seen`: the conversation's ETag when the writing began."""

    mode: Literal["reply", "reply_all", "forward"] = "reply"
    message_id: Identifier | None = None
    seen: Annotated[str, StringConstraints(max_length=40, pattern=r"^(\d{1,15}\.\d{1,15})?$")] = ""


class FirstDraftAsked(DraftTextAsked):
    """What the first message of a new conversation says now, and from which inbox it is to go."""

    inbox_id: Slug


class LeaseAsked(Asked):
    """Take the draft; `take_over`: whoever has it. `release` gives it up instead."""

    take_over: bool = False
    release: bool = False


class HandOverAsked(Asked):
    to: Slug
    """The colleague who goes on with it."""


class SendFirstAsked(Asked):
    """How the first message leaves."""

    send_at: LaterTime | None = None
    undo_seconds: Annotated[int, Field(ge=0, le=MAX_UNDO_SECONDS)] = 0


class SendDraftAsked(SendFirstAsked):
    """How the draft leaves."""

    then: Literal["resolve", "wait"] | None = None
    hold_if_customer_writes: bool = False


class RefusedShown(Answer):
    reason: str
    changed: list[str]
    at: datetime


class DraftFile(Answer):
    upload_id: str
    filename: str
    content_type: str
    body_bytes: int
    content_id: str | None


class DraftShown(Answer):
    """One draft. `number` 0: there is none. Of a `start`, `conversation_id` is the id in the draft's own address."""

    id: str
    conversation_id: str
    kind: Literal["reply", "note", "start"]
    number: int
    mode: Literal["reply", "reply_all", "forward"]
    message_id: str | None
    text: str
    html: str
    subject: str
    inbox_id: str
    """Of a `start`: from which the conversation is to begin."""
    to: list[Contact]
    cc: list[Contact]
    bcc: list[Contact]
    attachments: list[DraftFile]
    seen: str
    people: list[str]
    """Who sees it; empty: whoever may write in the conversation."""
    saved_by: str
    saved_at: datetime | None
    holder: str | None
    """Who writes at the moment, or was given it; null: nobody."""
    holder_name: str
    held_until: datetime | None
    handed_by: str | None
    state: Literal["open", "awaiting_approval", "sending"]
    author: str | None
    refused: RefusedShown | None


class DraftVersion(Answer):
    """`at`: when it was begun; what one person writes within a minute is one version."""

    number: int
    by: str
    by_name: str
    at: datetime
    text: str
    html: str
    subject: str = ""
    to: list[Contact] = Field(default_factory=list)
    cc: list[Contact] = Field(default_factory=list)
    bcc: list[Contact] = Field(default_factory=list)


class DraftVersions(Answer):
    """The newest first: that is the present text."""

    items: list[DraftVersion]


class AwaitsApproval(Answer):
    """It was not sent: an approver has to look at it."""

    state: Literal["awaiting_approval"] = "awaiting_approval"
    approvers: list[str]


class DraftRow(Answer):
    """One of somebody's drafts, in short. `href` is its own address in the API, `page` where it is gone on with."""

    kind: Literal["reply", "note", "start"]
    conversation_id: str
    inbox_id: str
    subject: str
    to: str
    preview: str
    saved_at: datetime | None
    saved_by: str
    handed_by: str | None
    state: Literal["open", "awaiting_approval", "sending"]
    href: str
    page: str


class DraftRows(Answer):
    items: list[DraftRow]
