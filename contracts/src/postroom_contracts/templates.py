"""Variables in texts that go out, such as `[agent.first_name]` in a signature: found by the checks, filled by the notifier.

A variable is a lower-case name in square brackets; `[[` stands for one bracket. Other brackets are ordinary text.
"""

import re
from collections.abc import Iterator, Mapping

VARIABLES = ("agent.first_name", "agent.last_name", "agent.title", "company")
"""What may be used. `agent` is the one who wrote; of a mail that nobody wrote its variables are empty."""
INTERNAL = ("inbox.name",)
"""Names that exist and must never reach a customer."""
_VARIABLE = re.compile(r"\[\[|\[([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)\]")


def variables_of(template: str) -> Iterator[str]:
    """Yield the names of all variables in a text, known or not, in order."""
    return (name for found in _VARIABLE.finditer(template) if (name := found[1]))


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return the text with its variables replaced; what a value holds is not looked at again.

    A line whose variables are all empty is left out: nobody wants to be greeted by a lone comma. One that is unknown
    (the checks refuse it) counts as empty.
    """
    lines = (_line(line, values) for line in template.split("\n"))
    return "\n".join(line for line in lines if line is not None)


def _line(line: str, values: Mapping[str, str]) -> str | None:
    names = list(variables_of(line))
    if names and not any(values.get(name, "") for name in names):
        return None
    replaced = _VARIABLE.sub(lambda found: values.get(found[1], "") if found[1] else "[", line)
    return _tidy(replaced) if names else replaced


def _tidy(line: str) -> str:
    """Take away what an empty variable leaves: spaces at the ends and in a row."""
    return re.sub(r" {2,}", " ", line).strip(" ")
