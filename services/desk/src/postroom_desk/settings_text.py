"""The configuration as text that people edit: one section at a time, in the YAML of the configuration file.

A change goes through the same reader as the file, so that every fault is named by its line and field.
"""

import difflib
from collections.abc import Sequence
from typing import Any

import yaml
from postroom_contracts.configuration import Configuration
from postroom_runtime.configuration_file import ConfigurationFileError, Problem, parse_configuration

SECTIONS: tuple[str, ...] = tuple(Configuration.model_fields)
MAX_DIFFERENCE_LINES = 2000
NAME = "settings"


class SectionFaultError(ValueError):
    """The text is no such section, or the configuration would not be in order with it; `problems` in order of lines.

    Lines count within the text; None: the fault lies in another section, which refers to this one.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def as_yaml(configuration: Configuration) -> str:
    """Return the whole configuration as a file that `config apply` takes."""
    return "\n".join(section_yaml(configuration, name) for name in SECTIONS if name in _plain(configuration))


def section_yaml(configuration: Configuration, section: str) -> str:
    """Return one section with its name, as it stands in a file; empty when it holds nothing but defaults."""
    value = _plain(configuration).get(section)
    return "" if value is None else _dump({section: value})


def with_section(configuration: Configuration, section: str, text: str) -> Configuration:
    """Return the configuration with `section` replaced by `text`, which begins with its name. Raises SectionFaultError."""
    others = "\n".join(section_yaml(configuration, s) for s in SECTIONS if s != section and s in _plain(configuration))
    body = text.replace("\r\n", "\n")
    lines = body.count("\n") + 1
    try:
        names = list(yaml.safe_load(body) or {})
    except (yaml.YAMLError, TypeError, ValueError):
        names = [section]  # the reader below says what is wrong with it
    if [n for n in names if n != section]:
        raise SectionFaultError((Problem(NAME, 1, "", f"only the section `{section}` is edited here"),))
    try:
        return parse_configuration(f"{body}\n{others}".encode(), NAME)
    except ConfigurationFileError as error:
        problems = (
            p if p.line is None or p.line <= lines else Problem(NAME, None, p.field, p.message) for p in error.problems
        )
        raise SectionFaultError(list(problems)) from error


def difference(before: Configuration, after: Configuration) -> list[str]:
    """Return the lines of a unified difference of the two as files; empty when they are the same."""
    lines = difflib.unified_diff(
        as_yaml(before).splitlines(), as_yaml(after).splitlines(), "before", "after", lineterm="", n=2
    )
    return list(lines)[2:MAX_DIFFERENCE_LINES]


def _plain(configuration: Configuration) -> dict[str, Any]:
    plain: dict[str, Any] = configuration.model_dump(mode="json", exclude_defaults=True)
    for account, shown in zip(configuration.accounts, plain.get("accounts", ()), strict=True):
        shown["channel"] = account.channel.value  # by it a reader tells the kinds apart, also where it is the default
    return plain


class _Dumper(yaml.SafeDumper):
    """Lists indented below their key, long texts as blocks: as people write such files."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 - YAML's signature
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def _dump(value: Any) -> str:
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
