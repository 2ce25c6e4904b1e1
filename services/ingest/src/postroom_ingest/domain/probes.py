"""Which mails are probes: our own, sent to see that mail gets through (`postroom probe`)."""

import re
from collections.abc import Sequence
from datetime import datetime

from postroom_contracts.signed_ids import PROBE_HEADER, is_probe_mark

from postroom_ingest.domain.mail import ParsedMail

_HEAD_BYTES = 64 * 1024
_FIELD = re.compile(rb"(?im)^" + PROBE_HEADER.encode() + rb":[ \t]*([0-9a-z.]{10,80})[ \t]*\r?$")
_END = re.compile(rb"\r?\n\r?\n")


def is_probe(mail: ParsedMail, raw: bytes, now: datetime, keys: Sequence[bytes]) -> bool:
    """Say whether we signed this mail as a probe. The mark holds for its Message-ID and its one recipient alone.

    Whoever copies a mark to another mail has an ordinary one; a copy of the whole mail is a repeat of it.
    """
    if not keys or mail.message_id is None or len(mail.to) != 1:
        return False
    head = _END.split(raw[:_HEAD_BYTES], 1)[0]
    found = _FIELD.search(head)
    return found is not None and is_probe_mark(found[1].decode(), mail.to[0].email, mail.message_id, now, keys)
