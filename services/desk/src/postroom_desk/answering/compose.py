"""From what somebody wrote to the document that is stored and the files that go along. Pure but for the look-up of files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_contracts.ids import content_id
from postroom_contracts.values import Address, ContentReference
from postroom_runtime.content_store import text_sha256

from postroom_desk.answering.uploads import Upload, as_stored
from postroom_desk.domain.written import clean_html, pictures_in, text_of


@dataclass(frozen=True, slots=True)
class Text:
    """What was written, cleaned; `files` only those that it needs."""

    text: str
    html: str | None
    files: tuple[Upload, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not self.text.strip() and not self.files


def written(text: str, html: str, files: Sequence[Upload]) -> Text:
    """Return text and HTML; pictures that the text does not show any more are left out. Raises TooDeepError."""
    if not html.strip():
        return Text(text, None, tuple(f for f in files if f.content_id is None))
    clean = clean_html(html, [f.content_id for f in files if f.content_id])
    shown = pictures_in(clean)
    kept = tuple(f for f in files if f.content_id is None or f.content_id in shown)
    return Text(text if text.strip() else text_of(clean), clean, kept)


def document(
    kind: str,
    message_id: str,
    inbox_id: str,
    written: Text,
    more_files: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> tuple[ContentReference, dict[str, Any]]:
    """Return how a command names the text, and its content document. `more_files` come from another message."""
    found: dict[str, Any] = {
        "_id": content_id(message_id),
        "kind": kind,
        "inbox_id": inbox_id,
        "text": written.text,
        "html": written.html,
        "sha256": text_sha256(written.text),
        "attachments": [*(as_stored(f) for f in written.files), *(dict(f) for f in more_files)],
    }
    found |= {name: value for name, value in fields.items() if value}
    return ContentReference(content_id=found["_id"], sha256=found["sha256"]), found


def stored_people(people: Sequence[Address]) -> list[dict[str, Any]]:
    return [p.model_dump() for p in people]
