"""The bodies of what is written: replies, forwards, notes, first messages, files."""

from typing import Annotated, Literal, Self

from postroom_contracts.fields import Slug
from pydantic import Field, StringConstraints, model_validator

from postroom_desk.api.models import MAX_TEXT, Answer, Asked, Contact, Done, LaterTime, Recipient, Recipients

Identifier = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Subject = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\r\n]+$")]
Files = Annotated[list[Identifier], Field(max_length=50)]
MAX_HTML = 500_000
MAX_UNDO_SECONDS = 120


class WrittenAsked(Asked):
    """A text, as HTML, as plain text, or both; one is made from the other where it is missing."""

    text: Annotated[str, StringConstraints(max_length=MAX_TEXT)] = ""
    html: Annotated[str, StringConstraints(max_length=MAX_HTML)] = ""
    """Cleaned to a small set of tags. Pictures are those of `attachments`, as `<img src="cid:...">`."""
    attachments: Files = Field(default_factory=list)
    """Ids of uploads, 25 MB in all."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.text.strip() and not self.html.strip():
            raise ValueError("write something in `text` or `html`")
        return self


class SentAsked(WrittenAsked):
    """What leaves the house."""

    to: Recipients = Field(default_factory=list)
    cc: Recipients = Field(default_factory=list)
    bcc: Recipients = Field(default_factory=list)
    send_at: LaterTime | None = None
    undo_seconds: Annotated[int, Field(ge=0, le=MAX_UNDO_SECONDS)] = 0
    """Without `send_at`: for so long it can be cancelled."""
    hold_if_customer_writes: bool = False
    """A scheduled one is held back if a customer writes before its time."""


class StartAsked(SentAsked):
    """An agent writes first."""

    inbox_id: Slug
    to: Annotated[list[Recipient], Field(min_length=1, max_length=50)]
    subject: Subject


class ReplyAsked(SentAsked):
    """Answer the customer. `to` empty: who wrote the message that is answered."""

    message_id: Identifier | None = None
    """The message that is answered; null: the customer's latest."""
    then: Literal["resolve", "wait"] | None = None


class ForwardAsked(SentAsked):
    """Pass a message on to third parties; it stands below the text. `text` and `html` may both be empty."""

    message_id: Identifier
    to: Annotated[list[Recipient], Field(min_length=1, max_length=50)]
    subject: Subject | None = None
    """null: `Fwd:` and that of the message."""
    original_files: bool = True
    """Its files go along."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        return self


class NoteAsked(WrittenAsked):
    """An internal note; never reaches the customer. `@name` with an agent's id mentions them, as `mentions` does."""

    mentions: Annotated[list[Slug], Field(max_length=50, default_factory=list)]
    draft_id: Identifier | None = None
    """The draft of a note that it was, and whose files it may have; with the note the draft is gone."""


class CancelAsked(Asked):
    """Take a scheduled reply back."""


class SplitAsked(Asked):
    """Make a conversation of its own of a message and all that follows it."""

    message_id: Identifier


class Cancelled(Done):
    """`result` is what happened to the mail: `cancelled`, or `too_late` (it was sent), or not known yet."""

    result: Literal["cancelled", "too_late", "pending"]


class SuggestedRecipients(Answer):
    """To whom an answer goes if nobody changes that."""

    mode: Literal["reply", "reply_all", "forward"]
    message_id: str | None
    """The message that is answered."""
    to: list[Contact]
    cc: list[Contact]
    known: list[Contact]
    """Everybody of this conversation, for suggestions."""
    from_name: str
    from_address: str
    signature: str
    """As they stand on what this agent sends."""
    needs_approval: bool


class UploadShown(Answer):
    upload_id: str
    filename: str
    content_type: str
    body_bytes: int
    sha256: str
    content_id: str | None
    """Of a picture in the text: `<img src="cid:...">`."""
    href: str
