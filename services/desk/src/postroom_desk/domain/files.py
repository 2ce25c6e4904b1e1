"""Files that people add to what they write: names that are safe everywhere, pictures told by their bytes. Pure."""

import re
import unicodedata

MAX_NAME_BYTES = 200
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+-]{0,60}")
_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
SIGNATURE_BYTES = 12


def clean_name(given: str) -> str:
    """Return the last part of a file's name on one line, without what turns its direction or cannot be seen.

    At most 200 octets, the ending kept; `file` when nothing is left.
    """
    last = unicodedata.normalize("NFC", given).replace("\\", "/").rpartition("/")[2]
    seen = "".join(c if c.isprintable() else " " for c in last if unicodedata.category(c) not in ("Cf", "Cs", "Co"))
    name = " ".join(seen.replace('"', "'").split()).strip(" .")
    if len(name.encode()) > MAX_NAME_BYTES:
        stem, dot, ending = name.rpartition(".")
        ending = f"{dot}{ending}" if dot and len(ending.encode()) <= 20 else ""  # noqa: PLR2004 - longer is no ending
        room = MAX_NAME_BYTES - len(ending.encode())
        name = (stem or name).encode()[:room].decode("utf-8", "ignore").strip(" .") + ending
    return name or "file"


def clean_type(given: str | None) -> str:
    """Return a media type without its parameters; `application/octet-stream` for what is none."""
    kind = (given or "").partition(";")[0].strip().lower()
    return kind if _TYPE.fullmatch(kind) else "application/octet-stream"


def picture_type(beginning: bytes) -> str | None:
    """Return the type of a picture that every mail program shows, by its first 12 bytes; None: it is no such picture."""
    if beginning[:4] == b"RIFF" and beginning[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for signature, kind in _SIGNATURES if beginning.startswith(signature)), None)
