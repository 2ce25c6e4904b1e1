"""The hash chain: each entry holds the hash of the one before, so that no entry can be changed, left out or put between
unseen. Who could rewrite the whole chain is found by a head that was noted elsewhere. Pure.

The hash is SHA-256 over the entry's JSON without `hash`: keys in order, no blanks, UTF-8. So any program can check an export.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from postroom_contracts.fields import format_time

from postroom_desk.audit.port import MAX_CHARACTERS, Entry

Link = dict[str, Any]
"""One entry as it is stored and exported: `sequence` from 1, `at`, `id`, the fields of `Entry`, `previous`, `hash`."""
NOTHING_BEFORE = "0" * 64
MAX_DETAILS = 20


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry: what to note elsewhere."""

    sequence: int = 0
    hash: str = NOTHING_BEFORE

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"


def fields_of(entry: Entry, entry_id: str, at: datetime) -> Link:
    """Return the entry's fields, each text cut to what may stand there, and on one line."""
    fields = asdict(entry)
    details = {_cut(str(k)): _cut(str(v)) for k, v in list(fields.pop("details").items())[:MAX_DETAILS]}
    texts = {name: _cut(value) if isinstance(value, str) else value for name, value in fields.items()}
    return {"id": entry_id, "at": format_time(at), **texts, "details": details}


def _cut(value: str) -> str:
    clean = "".join(c if c.isprintable() else " " for c in value[:MAX_CHARACTERS])
    return clean.encode("utf-8", "replace").decode("utf-8")


def linked(head: Head, entries: Sequence[Mapping[str, Any]]) -> list[Link]:
    """Return the entries as the next links behind `head`, in order."""
    links: list[Link] = []
    for fields in entries:
        link: Link = {**fields, "sequence": head.sequence + 1, "previous": head.hash}
        link["hash"] = hash_of(link)
        head = Head(link["sequence"], link["hash"])
        links.append(link)
    return links


def hash_of(link: Mapping[str, Any]) -> str:
    """Return the hash that a link must have."""
    text = json.dumps(
        {k: v for k, v in link.items() if k != "hash"}, sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(slots=True)
class Verification:
    """Looks at links one after another. `head` is the last one in order, `faults` what is not (at most `most`)."""

    head: Head = Head()
    wanted: str | None = None
    """A head that was noted before: `SEQUENCE:HASH`, or the hash alone."""
    found: bool = False

    def check(self, links: Iterable[Mapping[str, Any]]) -> Iterator[str]:
        """Yield what is wrong with these, which follow those that were checked before."""
        for link in links:
            sequence = link.get("sequence")
            if sequence != self.head.sequence + 1:
                yield f"after entry {self.head.sequence} comes {sequence}: what was between is gone"
            elif link.get("previous") != self.head.hash:
                yield f"entry {sequence} does not follow the one before it: one of them was replaced"
            if link.get("hash") != hash_of(link):
                yield f"entry {sequence} is not what was written: it was changed"
            self.head = Head(int(sequence or 0), str(link.get("hash")))
            self.found = self.found or self.wanted in (str(self.head), self.head.hash)

    def end(self) -> Iterator[str]:
        """Yield what is wrong with the whole."""
        if self.wanted is not None and not self.found:
            yield f"the head {self.wanted} that was noted is not in it: the log was cut off or written anew"
