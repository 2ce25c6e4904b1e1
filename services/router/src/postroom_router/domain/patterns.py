"""Patterns of rules, and how much of a text each may see, so that no stranger's mail can keep the router busy.

`re` backtracks: searching n characters with k unbounded repetitions takes up to n^(k+1) / (k+1)! steps, about 2 * 10^8 of
them a second (measured: 52 s for `a.*b.*c$` on 4,000 characters of `abab...`). The limits keep the worst pattern under 0.6 s.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_contracts.pattern_parts import constants, parser

CHARACTERS: Sequence[int] = (65_536, 8_000, 500, 120)
"""How many characters of a text are searched by a pattern with 0, 1, 2, 3 unbounded repetitions; more is refused."""
_AS_GOOD_AS_UNBOUNDED = 20
_REPEATS = (constants.MAX_REPEAT, constants.MIN_REPEAT)


class PatternError(ValueError):
    """The pattern does not compile, or could take for ever."""


@dataclass(frozen=True, slots=True)
class Pattern:
    compiled: re.Pattern[str]
    characters: int

    def found_in(self, text: str) -> bool:
        """Say whether the pattern occurs in the part of `text` that it may see, without regard to case."""
        return self.compiled.search(text[: self.characters]) is not None


def compile_pattern(pattern: str) -> Pattern:
    """Return the pattern with its limit. Raises PatternError."""
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
        depths = list(_repetitions(parser.parse(pattern), 0))
    except (re.error, RecursionError, OverflowError) as error:
        raise PatternError(str(error)) from error
    if any(depth > 0 for depth in depths):
        raise PatternError("repeats a repetition")
    if len(depths) >= len(CHARACTERS):
        raise PatternError(f"has more than {len(CHARACTERS) - 1} unbounded repetitions")
    return Pattern(compiled, CHARACTERS[len(depths)])


def _repetitions(tree: Any, depth: int) -> Iterator[int]:
    """Yield, for each unbounded repetition, in how many others it stands."""
    for code, argument in tree:
        if code in _REPEATS:
            unbounded = argument[1] >= _AS_GOOD_AS_UNBOUNDED
            if unbounded:
                yield depth
            yield from _repetitions(argument[2], depth + unbounded)
        else:
            for inner in _inner(argument):
                yield from _repetitions(inner, depth)


def _inner(argument: Any) -> Iterator[Any]:
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from _inner(part)
