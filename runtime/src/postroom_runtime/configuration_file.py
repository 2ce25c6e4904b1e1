"""Loads the configuration from one YAML file, or says by file, line and field what is wrong with it.

Nothing is half loaded: one problem and there is no configuration. Secrets are only referred to; the file holds none.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path as FilePath
from typing import Any

from postroom_contracts.configuration import NO_PASSWORD, Configuration, SecretReference
from postroom_contracts.configuration_checks import Finding, Path, findings, shown
from postroom_contracts.schemas import CLASS_MARK
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from postroom_runtime.configuration_messages import findings_of
from postroom_runtime.configuration_yaml import YamlDocument, YamlProblem, read_yaml

MAX_FILE_BYTES = 5 * 1000 * 1000
REDACTED = "***"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing to mend. `line` counts from 1 (None: the file as a whole), `field` is such as `inboxes[0].teams[1]`."""

    file: str
    line: int | None
    field: str
    message: str

    def __str__(self) -> str:
        """Return `company.yaml:12: inboxes[0].account: what is wrong`, as editors and CI systems read it."""
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return ": ".join(part for part in (place, self.field, self.message) if part)


class ConfigurationFileError(ValueError):
    """The file is not a configuration; `problems` is not empty and in order of lines."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def load_configuration(path: str | os.PathLike[str]) -> Configuration:
    """Return the checked configuration of the YAML file at `path`. Raises ConfigurationFileError with every problem.

    Problems of form hide those of meaning: references are looked at once every value has its type.
    """
    name = os.fspath(path)
    try:
        raw = FilePath(path).read_bytes()
    except OSError as error:
        raise ConfigurationFileError([Problem(name, None, "", f"cannot be read: {error.strerror}")]) from error
    return parse_configuration(raw, name)


def parse_configuration(raw: bytes, name: str) -> Configuration:
    """Return the checked configuration of a file's bytes; `name` stands in problems. Raises ConfigurationFileError."""
    if len(raw) > MAX_FILE_BYTES:
        message = f"is {len(raw)} bytes large; at most {MAX_FILE_BYTES} are read"
        raise ConfigurationFileError([Problem(name, None, "", message)])
    try:
        document = read_yaml(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigurationFileError([Problem(name, line, "", "is not UTF-8 text")]) from error
    except YamlProblem as problem:
        raise ConfigurationFileError([_from_yaml(problem, name)]) from problem
    if document.problems:
        raise ConfigurationFileError([_from_yaml(problem, name) for problem in document.problems])
    return _checked(document, name)


def _checked(document: YamlDocument, name: str) -> Configuration:
    if not isinstance(document.value, dict):
        raise ConfigurationFileError([Problem(name, 1, "", "expected a mapping of sections such as `company`")])
    try:
        configuration = Configuration.model_validate_json(to_json(document.value))
    except ValidationError as error:
        raise _refused(findings_of(error, document.value), document, name) from error
    found = findings(configuration)
    known = {f.path for f in found}
    found += [f for f in _of_services(configuration) if f.path not in known]
    if found:
        raise _refused(found, document, name)
    return configuration


def _refused(found: list[Finding], document: YamlDocument, name: str) -> ConfigurationFileError:
    problems = [Problem(name, document.line(f.path), shown(f.path), f.message) for f in found]
    return ConfigurationFileError(sorted(problems, key=lambda p: p.line or 0))


def _from_yaml(problem: YamlProblem, name: str) -> Problem:
    return Problem(name, problem.line, shown(problem.path), problem.message)


@dataclass(frozen=True, slots=True)
class UnresolvedSecret:
    """A reference to a secret that is not there. Neither its value nor a part of it is ever held."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def unresolved_secrets(configuration: Configuration, environ: Mapping[str, str]) -> list[UnresolvedSecret]:
    """Return each reference whose environment variable is unset or empty, or whose file cannot be read or is empty.

    Looks at the files of this machine: another one may have them.
    """
    found = []
    for path, reference in secret_references(configuration):
        if reference.env is not None and not environ.get(reference.env):
            found.append(UnresolvedSecret(shown(path), f"the environment has no {reference.env}"))
        elif reference.file is not None and (reason := _unreadable(reference.file)):
            found.append(UnresolvedSecret(shown(path), f"the file {reference.file} {reason}"))
    return found


def _unreadable(file: str) -> str:
    try:
        with FilePath(file).open("rb") as opened:
            return "" if opened.read(1) else "is empty"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def secret_references(value: Any, path: Path = ()) -> Iterator[tuple[Path, SecretReference]]:
    """Yield every reference to a secret within `value` with its path."""
    if isinstance(value, SecretReference):
        if value != NO_PASSWORD:
            yield path, value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from secret_references(getattr(value, name), (*path, name))
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from secret_references(item, (*path, n))


def redacted(configuration: Configuration) -> dict[str, Any]:
    """Return the configuration as JSON values with `***` for what is personal or secret, for logs and `config show`."""
    return _redacted(configuration)  # type: ignore[no-any-return]


def _redacted(value: Any) -> Any:
    if isinstance(value, BaseModel):
        plain = value.model_dump(mode="json")
        for name, field in type(value).model_fields.items():
            extra = field.json_schema_extra
            marked = isinstance(extra, dict) and extra.get(CLASS_MARK, "public") != "public"
            plain[name] = REDACTED if marked and plain[name] else _redacted_part(getattr(value, name), plain[name])
        return plain
    return value


def _redacted_part(value: Any, plain: Any) -> Any:
    if isinstance(value, BaseModel):
        return _redacted(value)
    if isinstance(value, list) and any(isinstance(item, BaseModel) for item in value):
        return [_redacted(item) for item in value]
    return plain


def _of_services(configuration: Configuration) -> Iterator[Finding]:
    """Find what only a service can tell, such as whether its templates can be read: `postroom.configuration_checks`."""
    for entry in sorted(entry_points(group="postroom.configuration_checks"), key=lambda e: e.name):
        yield from entry.load()(configuration)
