"""Secrets by reference: the configuration names an environment variable or a file, never the secret."""

import os
from collections.abc import Mapping
from pathlib import Path

from postroom_contracts.configuration import SecretReference


class MissingSecretError(LookupError):
    """The environment variable is not set or the file cannot be read; the message names it."""


def resolve(reference: SecretReference, environ: Mapping[str, str] | None = None) -> str:
    """Return the secret, without the line end of a file. Raises MissingSecretError."""
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
