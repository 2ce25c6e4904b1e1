"""Secrets by reference: the configuration names an environment variable, a file or a stored secret, never the secret."""

import os
from collections.abc import Mapping
from pathlib import Path

from postroom_contracts.configuration import SecretReference

_STORED: dict[str, str] = {}
"""Values of stored secrets that this process has read (`stored_secrets`)."""
_UNUSABLE: dict[str, str] = {}
"""Why one that lies there cannot be used."""


class MissingSecretError(LookupError):
    """The variable is not set, the file cannot be read, nothing is stored; the message names it."""


def resolve(reference: SecretReference, environ: Mapping[str, str] | None = None) -> str:
    """Return the secret, without the line end of a file. Raises MissingSecretError."""
    if reference.stored is not None:
        return _stored(reference.stored)
    if reference.env is not None:
        value = (os.environ if environ is None else environ).get(reference.env)
        if value is None:
            raise MissingSecretError(f"the environment variable {reference.env} is not set")
        return value
    assert reference.file is not None
    try:
        return Path(reference.file).read_text(encoding="utf-8").rstrip("\r\n")
    except OSError as error:
        raise MissingSecretError(f"the secret file {reference.file} cannot be read: {error.strerror}") from error


def _stored(name: str) -> str:
    value = _STORED.get(name)
    if value is None:
        raise MissingSecretError(_UNUSABLE.get(name, f"nothing is stored as {name}: run `postroom secret set {name}`"))
    return value


def named(reference: SecretReference) -> str:
    """Return where a secret lies, for messages."""
    return reference.env or reference.file or f"stored as {reference.stored}"


def keep(name: str, value: str) -> None:
    """Put a stored secret in use in this process."""
    _STORED[name] = value
    _UNUSABLE.pop(name, None)


def unusable(name: str, reason: str) -> None:
    """Note that a stored secret cannot be opened; the value that was in use before stays."""
    _UNUSABLE[name] = reason


def forget(name: str) -> None:
    _STORED.pop(name, None)
    _UNUSABLE.pop(name, None)
