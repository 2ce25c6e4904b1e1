"""Codes of authenticators by the vectors of RFC 6238, and recovery codes."""

import base64
from datetime import UTC, datetime

import pytest
from postroom_desk.identity.second_factor import matching_step, new_recovery_codes, recovery_digest

RFC_SECRET = base64.b32encode(b"12345678901234567890").decode()
# RFC 6238 appendix B, SHA1; the last six of its eight digits.
VECTORS = [
    (59, "287082", 1),
    (1111111109, "081804", 37037036),
    (1111111111, "050471", 37037037),
    (1234567890, "005924", 41152263),
    (2000000000, "279037", 66666666),
    (20000000000, "353130", 666666666),
]


@pytest.mark.parametrize(("seconds", "code", "step"), VECTORS)
def test_the_vectors_of_rfc_6238(seconds: int, code: str, step: int) -> None:
    assert matching_step(RFC_SECRET, code, datetime.fromtimestamp(seconds, UTC)) == step


def test_a_clock_may_be_one_step_off_and_no_more() -> None:
    for late, step in ((-31, None), (-1, 37037036), (0, 37037036), (29, 37037036), (59, 37037036), (60, None)):
        moment = datetime.fromtimestamp(1111111080 + late, UTC)
        assert matching_step(RFC_SECRET, "081804", moment) == step


@pytest.mark.parametrize("code", ["", "081805", "81804", "0818040", "０８１８０４", "abcdef", "081 804x"])
def test_what_is_no_code_matches_nothing(code: str) -> None:
    assert matching_step(RFC_SECRET, code, datetime.fromtimestamp(1111111109, UTC)) is None


def test_spaces_within_a_code_do_not_matter() -> None:
    assert matching_step(RFC_SECRET, " 081 804 ", datetime.fromtimestamp(1111111109, UTC)) == 37037036


def test_recovery_codes_are_many_different_and_read_as_people_write_them() -> None:
    codes = new_recovery_codes()
    assert len(set(codes)) == 10
    assert all(len(c) == 17 for c in codes)
    assert recovery_digest("K3M7P x9qwe r2tyu") == recovery_digest("k3m7p-x9qwe-r2tyu") != recovery_digest("k3m7p")
