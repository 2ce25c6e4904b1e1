"""DKIM signatures (RFC 6376) with the key of the account, over all headers that a reader or a filter looks at."""

import asyncio
from dataclasses import replace

import dkim  # type: ignore[import-untyped]  # the library has no annotations
from postroom_contracts.configuration import DkimSigning
from postroom_runtime.secrets import MissingSecretError, resolve

from postroom_notifier.domain.mime import OutgoingMail

SIGNED = (
    "from", "sender", "to", "cc", "subject", "date", "message-id", "in-reply-to", "references", "reply-to", "mime-version",
    "content-type", "content-transfer-encoding", "list-id", "list-unsubscribe", "list-unsubscribe-post", "auto-submitted",
)  # fmt: skip
"""Also those that a mail does not have: nobody can add them (RFC 6376 section 5.4.2). RFC 8058 section 4 asks for the
two of List-Unsubscribe. From stands twice, so that no second one can be put before it."""


class SigningError(Exception):
    """The key is missing or is none; the message names where it should lie, never what is there."""


async def signed(mail: OutgoingMail, signing: DkimSigning) -> OutgoingMail:
    """Return the mail with a signature. Raises SigningError. In a thread: it takes some milliseconds of arithmetic."""
    try:
        key = resolve(signing.key).encode("ascii")
        header = await asyncio.to_thread(_header, mail.body, signing, key)
    except MissingSecretError as error:
        raise SigningError(str(error)) from error
    except (dkim.DKIMException, ValueError) as error:
        raise SigningError(f"the DKIM key of {signing.domain} is no private RSA key in PEM form") from error
    return replace(mail, body=header + mail.body)


def _header(body: bytes, signing: DkimSigning, key: bytes) -> bytes:
    made: bytes = dkim.sign(
        body,
        signing.selector.encode("ascii"),
        signing.domain.encode("ascii"),
        key,
        canonicalize=(b"relaxed", b"relaxed"),
        include_headers=[name.encode() for name in (*SIGNED, "from")],
    )
    return made
