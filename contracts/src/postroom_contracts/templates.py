"""Variables in texts that go out, such as `[agent.first_name]` in a signature: found by the checks, filled by the notifier.

A variable is a lower-case name in square brackets, `[name|instead]` with what stands there if it is empty; `[[` stands for
one bracket. Other brackets are ordinary text. Saved replies may hold Liquid besides; here only the names that it prints are read.
"""

import re
from collections.abc import Iterator, Mapping

VARIABLES = ("agent.first_name", "agent.last_name", "agent.title", "calendar_link", "company")
"""What may be used. `agent` is the one who wrote, `calendar_link` theirs; of a mail that nobody wrote these are empty."""
REPLY_VARIABLES = (
    "customer.first_name",
    "customer.last_name",
    "customer.name",
    "customer.email",
    *VARIABLES,
    "inbox.address",
    "conversation.subject",
)
"""What may be used in saved replies. `agent` is the one who writes."""
INTERNAL = ("inbox.name",)
"""Names that exist and must never reach a customer."""
_VARIABLE = re.compile(r"\[\[|\[([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*)(?:\|([^\[\]\n]{0,200}))?\]")
_PRINTED = re.compile(r"\{\{-?\s*([a-z][a-z0-9_]*(?:\.[a-z0-9_]+)+)")


def variables_of(template: str) -> Iterator[str]:
    """Yield the names of all variables in a text, known or not, in order."""
    return (name for found in _VARIABLE.finditer(template) if (name := found[1]))


def printed_by_liquid(template: str) -> Iterator[str]:
    """Yield the dotted names that a Liquid text prints at the beginning of `{{ ... }}`."""
    return (found[1] for found in _PRINTED.finditer(template))


def liquid_of(template: str) -> str:
    """Return the text with its bracket variables written in Liquid, which does the rest."""
    return _VARIABLE.sub(_as_liquid, template)


def _as_liquid(found: re.Match[str]) -> str:
    if not found[1]:
        return "["
    instead = (found[2] or "").replace("'", "\u2019")  # Liquid's strings know no escapes
    return f"{{{{ {found[1]} | default: '{instead}' }}}}" if instead else f"{{{{ {found[1]} }}}}"


def filled(template: str, values: Mapping[str, str]) -> str:
    """Return the text with its variables replaced; what a value holds is not looked at again.

    A line whose variables are all empty is left out: nobody wants to be greeted by a lone comma. One that is unknown
    (the checks refuse it) counts as empty.
    """
    lines = (_line(line, values) for line in template.split("\n"))
    return "\n".join(line for line in lines if line is not None)


def _line(line: str, values: Mapping[str, str]) -> str | None:
    found = [match for match in _VARIABLE.finditer(line) if match[1]]
    names = [match[1] for match in found]
    if names and not any(values.get(match[1], "") or match[2] for match in found):
        return None
    replaced = _VARIABLE.sub(lambda m: (values.get(m[1], "") or m[2] or "") if m[1] else "[", line)
    return _tidy(replaced) if names else replaced


def _tidy(line: str) -> str:
    """Take away what an empty variable leaves: spaces at the ends and in a row."""
    return re.sub(r" {2,}", " ", line).strip(" ")
