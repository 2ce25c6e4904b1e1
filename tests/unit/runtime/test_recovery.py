"""What a recovery knows of the numbers on the log, and which facts it takes for missing."""

import pytest
from postroom_runtime import cli_recover
from postroom_runtime.recovery import Log, Numbers, fact_of


def numbers(*given: int) -> Numbers:
    found = Numbers()
    for number in given:
        found.add(number)
    return found


def test_numbers_are_complete_in_whatever_order_they_come() -> None:
    assert numbers(3, 1, 2, 2).missing(3) == []
    assert numbers(3, 1, 2).upto == 3


def test_a_gap_is_missing_whether_or_not_something_stands_behind_it() -> None:
    assert numbers(1, 4).missing(2) == [2, 3]
    assert numbers(1, 2).missing(5) == [3, 4, 5]
    assert numbers().missing(2) == [1, 2]
    assert numbers(1, 4).last == 4
    assert 4 in numbers(1, 4)
    assert 3 not in numbers(1, 4)


def test_what_is_no_numbered_fact_is_none() -> None:
    assert fact_of({"ce_type": b"org.postroom.weather-changed.v1"}, b"{}") is None
    assert fact_of({}, None) is None


def test_streams_are_counted_apart() -> None:
    log = Log()
    log.of("a", "/postroom/router").add(1)
    assert log.of("a", "/postroom/assigner").missing(1) == [1]
    assert log.of("b", "/postroom/router").missing(1) == [1]
    assert log.of("a", "/postroom/router").missing(1) == []


def test_every_service_with_a_group_has_its_part_and_the_desk_is_first(monkeypatch: pytest.MonkeyPatch) -> None:
    services = [part.service for part in cli_recover.parts()]
    assert services == ["desk", "analytics", "assigner", "ingest", "notifier", "router"]
    monkeypatch.setattr(cli_recover, "entry_points", lambda **_: [])
    with pytest.raises(LookupError, match="not installed here: analytics, assigner, desk, ingest, notifier, router"):
        cli_recover.parts()
