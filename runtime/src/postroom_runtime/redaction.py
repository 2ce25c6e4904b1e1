"""What must not leave the house in a support bundle: secrets, addresses, names."""

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

GONE = "[redacted]"
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@(?=[\w.-]*[^\W\d])[\w-]+(?:\.[\w-]+)*", re.UNICODE)
"""What has a letter behind its @: `3@17` is a place on a topic."""
_CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^/\s@]+@")
_BEARER = re.compile(
    r"(?i)\b(bearer|basic|token|password|passwd|secret|api[-_]?key|authorization)\b"
    r"([\"']?\s*[:=]?\s*)((?:(?:bearer|basic)\s+)?\S+)"
)
_LONG = re.compile(r"\b[A-Za-z0-9+/_-]{40,}={0,2}")
"""What is so long and has no blank may be a key; our own ids are shorter or have dashes and dots."""
_IDS = re.compile(r"[0-9a-f-]{32,64}")


def text(value: str) -> str:
    """Return a line of a log without addresses, credentials and what looks like a key. Ids of ours stay."""
    value = _CREDENTIALS.sub(rf"\1{GONE}@", value)
    value = _ADDRESS.sub(GONE, value)
    value = _BEARER.sub(rf"\1\2{GONE}", value)
    return _LONG.sub(lambda found: found[0] if _IDS.fullmatch(found[0]) else GONE, value)


def setting(value: Any) -> Any:
    """Return what may be shown of a setting: of a secret whether there is one, of an address of a server its host."""
    if isinstance(value, SecretStr):
        return _server(value.get_secret_value())
    if isinstance(value, str) and "://" in value:
        return _server(value)
    return value if isinstance(value, bool | int | float | None) else text(str(value))


def _server(value: str) -> str:
    """Return scheme and hosts of a URL; of any other secret only that it is set."""
    parts = urlsplit(value) if "://" in value else None
    if parts is None or not parts.netloc:
        return "[set]" if value else "[empty]"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def counted(configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Return the form of a configuration: how many of what, which options are set; no value of it."""
    return {name: _form(value) for name, value in configuration.items()}


def _form(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _form(inner) for name, inner in value.items() if isinstance(name, str) and name.isidentifier()}
    if isinstance(value, list | tuple):
        kinds = sorted({",".join(sorted(map(str, one))) for one in value if isinstance(one, Mapping)})
        return {"count": len(value), "with": kinds} if kinds else {"count": len(value)}
    return value if isinstance(value, bool) else type(value).__name__
