"""Reads YAML into plain values and remembers the line of each, refusing what only an attacker or a slip would write.

Of YAML 1.1's guesses only null, true, false and decimal numbers are kept: `no` is Norwegian, `17:00` is a time, `0044` a
text. Duplicate keys, merge keys, own tags and deep or multiplied nesting are problems.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from postroom_contracts.configuration_checks import Path

MAX_ALIASES = 100
MAX_DEPTH = 40
MAX_VALUES = 300_000
"""Values after aliases are followed: ten lines of YAML can stand for billions."""
_TAG = "tag:yaml.org,2002:"
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # libyaml's loader where it is built in
    """A safe loader that guesses less."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - PyYAML's class attribute


for _tag, _pattern, _first in (
    ("bool", r"true|false|True|False", "tfTF"),
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("int", r"[-+]?(0|[1-9][0-9]{0,17})", "-+0123456789"),
    ("float", r"[-+]?[0-9]{1,18}\.[0-9]{1,18}([eE][-+]?[0-9]{1,2})?", "-+0123456789"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        _TAG + _tag, re.compile(rf"^(?:{_pattern})$"), [*_first, ""] if _tag == "null" else [*_first]
    )


class YamlProblem(Exception):  # noqa: N818 - a finding about the file, not a failure of ours
    """The text cannot be read; `line` counts from 1, `path` leads to the place as far as it is known."""

    def __init__(self, message: str, line: int | None = None, path: Path = ()) -> None:
        super().__init__(message)
        self.message, self.line, self.path = message, line, path


@dataclass(slots=True)
class YamlDocument:
    """The values of a file. `lines` has the line (from 1) of each path; `problems` what must be mended first."""

    value: Any = None
    lines: dict[Path, int] = field(default_factory=dict)
    problems: list[YamlProblem] = field(default_factory=list)

    def line(self, path: Path) -> int:
        """Return the line of `path`, or of the nearest thing around it that stands in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def read_yaml(text: str) -> YamlDocument:
    """Return values and lines of one YAML document. Raises YamlProblem when it cannot be read at all."""
    try:
        _refuse_floods(text)
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        last = len(text.splitlines())  # the end of the text counts as a line of its own there
        line = min(mark.line + 1, last) if mark else None
        raise YamlProblem(f"not YAML: {error.problem or error.context}", line) from error
    except yaml.reader.ReaderError as error:
        raise YamlProblem(f"not YAML: {error.reason}", text.count("\n", 0, error.position) + 1) from error
    if node is None:
        raise YamlProblem("the file is empty", 1)
    return _Construction().run(node)


def _refuse_floods(text: str) -> None:
    """Look at the events alone, which takes no recursion, before nodes are composed from them, which does."""
    aliases = depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        aliases += isinstance(event, yaml.AliasEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        line = event.start_mark.line + 1 if event.start_mark else None
        if aliases > MAX_ALIASES:
            raise YamlProblem(f"more than {MAX_ALIASES} aliases", line)
        if depth > MAX_DEPTH:
            raise YamlProblem(f"nested more than {MAX_DEPTH} deep", line)


class _Construction:
    """One walk over the nodes."""

    def __init__(self) -> None:
        self._document = YamlDocument()
        self._values = 0
        self._open: set[int] = set()

    def run(self, node: yaml.Node) -> YamlDocument:
        self._document.lines[()] = 1
        self._document.value = self._value(node, ())
        return self._document

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self._values += 1
        line = node.start_mark.line + 1
        if self._values > MAX_VALUES:
            raise YamlProblem(f"more than {MAX_VALUES} values when its aliases are followed", line, path)
        if id(node) in self._open:
            raise YamlProblem("an alias stands within what it names", line, path)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (f"{_TAG}map", f"{_TAG}seq"):
            self._problem(f"the tag {node.tag!r} is not read here", line, path)
        self._open.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return dict(self._entries(node, path))
            return [self._item(item, (*path, n)) for n, item in enumerate(node.value)]
        finally:
            self._open.discard(id(node))

    def _item(self, node: yaml.Node, path: Path) -> Any:
        self._document.lines[path] = node.start_mark.line + 1
        return self._value(node, path)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, Any]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if key_node.tag == f"{_TAG}merge":
                self._problem("merge keys (<<) are not read here", line, path)
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                self._problem("a name must be text", line, path)
                continue
            name = str(key_node.value)
            if name in seen:
                self._problem(f"stands twice; the first is in line {seen[name]}", line, (*path, name))
                continue
            seen[name] = line
            self._document.lines[(*path, name)] = line
            yield name, self._value(value_node, (*path, name))

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        text = str(node.value)
        try:
            match node.tag.removeprefix(_TAG):
                case "str" | "merge":
                    return text
                case "int":
                    return int(text)
                case "float":
                    return float(text)
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "null":
                    return None
        except (ValueError, KeyError):
            pass
        self._problem(f"the tag {node.tag!r} is not read here", node.start_mark.line + 1, path)
        return None

    def _problem(self, message: str, line: int, path: Path) -> None:
        self._document.problems.append(YamlProblem(message, line, path))
