"""Variables in texts that go out."""

import pytest
from postroom_contracts.templates import filled, variables_of

ANA = {"agent.first_name": "Ana", "agent.last_name": "", "agent.title": "Head [company]", "company": "Velo"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("[agent.first_name] [agent.last_name] at [company]", "Ana at Velo"),
        ("[agent.title]", "Head [company]"),
        ("Hello\n[agent.last_name]\nBye", "Hello\nBye"),
        ("Open [[9 to 18], [Mon]", "Open [9 to 18], [Mon]"),
        ("[[company] is [company]", "[company] is Velo"),
        ("  kept   as it is  ", "  kept   as it is  "),
        ("[unknown.thing]", ""),
        ("", ""),
    ],
    ids=["empty-one", "value-is-no-template", "empty-line", "brackets", "escaped", "no-variable", "unknown", "nothing"],
)
def test_filled(template: str, expected: str) -> None:
    assert filled(template, ANA) == expected


def test_variables_are_found_in_order_with_repeats() -> None:
    assert list(variables_of("[a] [[b] [c.d] [E] [a] [1] [a b]")) == ["a", "c.d", "a"]
