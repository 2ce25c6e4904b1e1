"""The answers of search."""

from datetime import datetime

from postroom_desk.api.models import Answer, ConversationRow


class SnippetPiece(Answer):
    """A stretch of plain text as a stranger wrote it: escape it. `marked`: it is what was looked for."""

    text: str
    marked: bool


class SearchRow(ConversationRow):
    """A conversation, and its newest message that was found."""

    message_id: str
    found_at: datetime
    hits: int
    """Messages of it that were found, among those that were looked at."""
    snippet: list[SnippetPiece]


class SearchAnswer(Answer):
    items: list[SearchRow]
    next_cursor: str | None
    ignored: list[str]
    """What was typed and could not be understood."""


class SuggestedContact(Answer):
    address: str
    name: str
    contact_id: str


class SuggestedTag(Answer):
    id: str
    name: str


class Suggestions(Answer):
    contacts: list[SuggestedContact]
    """The last seen first."""
    tags: list[SuggestedTag]
