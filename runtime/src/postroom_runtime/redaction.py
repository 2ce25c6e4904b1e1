"""What must not leave the house in a support bundle: secrets, addresses, names."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from postroom_contracts.configuration import Configuration, SecretReference
from pydantic import SecretStr, ValidationError

from postroom_runtime.secrets import resolve
from postroom_runtime.settings import RuntimeSettings

GONE = "[redacted]"
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]+@(?=[\w.-]*[^\W\d])[\w-]+(?:\.[\w-]+)*", re.UNICODE)
"""What has a letter behind its @: `3@17` is a place on a topic."""
_CREDENTIALS = re.compile(r"(\w[\w+.-]*://)[^/\s@]+@")
_BEARER = re.compile(
    r"(?i)\b(bearer|basic|xoauth2|token|password|passwd|secret|api[-_]?key|authorization)\b"
    r"([\"']?\s*[:=]?\s*)(\"[^\"]*\"|'[^']*'|(?:(?:bearer|basic)\s+)?\S+)"
)
_COOKIE = re.compile(r"(?i)\b((?:set-)?cookie[\"']?\s*[:=]\s*)[^\r\n]+")
_SIGNING = re.compile(r"\bwhsec_[\w+/=-]+")
_LONG = re.compile(r"\b[A-Za-z0-9+/_-]{40,}={0,2}")
"""What is so long and has no blank may be a key; our own ids are shorter or have dashes and dots."""
_IDS = re.compile(r"[0-9a-f-]{32,64}")


NAMES = frozenset({"name", "first_name", "last_name", "user", "signature", "domain"})
"""Fields of the configuration that hold names of people, of the company and its parts, of log-ins."""
_SECRET_NAMES = re.compile(r"(?i)SECRET|TOKEN|PASSWORD|KEYS?$")
_SEVERAL = re.compile(r"[,\n]|(?<=\w)=(?=\w)")
"""Keys stand side by side, tokens as `name=token`, each on its line."""
LEAST_NAME, LEAST_SECRET = 3, 4
"""Shorter ones would take out half of every line."""


def known(settings: RuntimeSettings, configuration: Configuration | None) -> re.Pattern[str]:
    """Return what finds each secret of settings, environment and configuration that can be read here, and each name in that."""
    given = {value.get_secret_value() for _, value in settings if isinstance(value, SecretStr)}
    given |= {value for name, value in os.environ.items() if _SECRET_NAMES.search(name)}
    secrets = {part for value in given for part in _SEVERAL.split(value)}
    secrets |= {part for value in given if "://" in value and (part := urlsplit(value).password)}
    names: set[str] = set()
    for field, value in _strings(configuration.model_dump(mode="json") if configuration else {}):
        (secrets if field == "secret" else names).add(value)
    literal = [re.escape(one) for one in _longest(secrets, LEAST_SECRET)]
    whole = [rf"(?<!\w){re.escape(one)}(?!\w)" for one in _longest(names, LEAST_NAME)]
    return re.compile("|".join([*literal, *whole]) or r"(?!)")


def _longest(values: Iterable[str], least: int) -> list[str]:
    return sorted((value for value in values if len(value) >= least), key=lambda value: (-len(value), value))


def _strings(value: Any) -> Iterator[tuple[str, str]]:
    """Yield names by their fields, and values of secrets that are referred to as `secret`."""
    if isinstance(value, list):
        for one in value:
            yield from _strings(one)
    if not isinstance(value, Mapping):
        return
    with suppress(ValidationError, LookupError, ValueError):
        yield "secret", resolve(SecretReference.model_validate(value))
    for field, inner in value.items():
        if field in NAMES and isinstance(inner, str):
            yield field, inner
        else:
            yield from _strings(inner)


def text(value: str, taken: re.Pattern[str] | None = None) -> str:
    """Return a line of a log without addresses, credentials and what looks like a key. Ids of ours stay.

    `taken` finds what is known to be a secret or name (`known`), however it stands there.
    """
    value = taken.sub(GONE, value) if taken else value
    value = _SIGNING.sub(GONE, _COOKIE.sub(rf"\1{GONE}", value))
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
