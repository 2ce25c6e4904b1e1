"""API tokens: how they are written, and that a faulty one is named without being shown."""

import pytest
from postroom_desk.identity.principal import Principal
from postroom_desk.tokens import TokenFormatError, authenticate, parse_tokens

TEXT = "# people\nops=ops-token-0123456789, ana@ana=ana-token-0123456789\n"


def test_tokens_are_recognised_whole_only() -> None:
    tokens = parse_tokens(TEXT)
    assert authenticate("ops-token-0123456789", tokens) == Principal("ops")
    assert authenticate("ana-token-0123456789", tokens) == Principal("ana", "ana")
    assert authenticate("ana-token-012345678", tokens) is None
    assert authenticate("", tokens) is None
    assert authenticate("\udcff", tokens) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no-equals-sign-in-this-secret", "API token 1 is not of the form"),
        ("ops=tiny-secret", r"API token 1 \(ops\) is shorter than 16 characters"),
        ("ops=ops-token-0123456789,ops=ops-token-9876543210", "two API tokens have the same name"),
    ],
)
def test_a_faulty_entry_is_named_but_not_shown(text: str, message: str) -> None:
    with pytest.raises(TokenFormatError, match=message) as caught:
        parse_tokens(text)
    assert text.rpartition("=")[2] not in str(caught.value)
