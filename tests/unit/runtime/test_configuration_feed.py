"""Versions of the configuration that a process has read."""

from typing import Any

import pytest
from postroom_contracts.configuration import ConfigurationApplied
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.errors import ConfigurationNotYetError
from postroom_runtime.settings import RuntimeSettings


def version(number: int, snapshot: str = "") -> Any:
    fields: dict[str, Any] = {"configuration_version": number, "configuration": snapshot or f"snapshot {number}"}
    return ConfigurationApplied.model_construct(**fields)


def test_every_version_stays_readable_and_the_newest_is_in_use() -> None:
    found = Configurations()
    for number in (1, 3, 2):
        found.add(version(number))
    assert found.latest_version == 3
    assert found.latest == "snapshot 3"  # type: ignore[comparison-overlap]
    assert found.at(2) == "snapshot 2"  # type: ignore[comparison-overlap]
    assert found.at(0) == found.latest
    assert (found.number(0), found.number(2)) == (3, 2)


def test_since_when_something_holds_without_a_break() -> None:
    found = Configurations()
    for number, snapshot in ((1, "with"), (2, "without"), (4, "with"), (5, "with")):
        found.add(version(number, snapshot))
    assert found.unbroken(lambda c: "without" not in str(c)) == 4
    assert found.unbroken(lambda c: "without" in str(c)) == 6, "not even of the newest"
    assert found.unbroken(lambda _: True) == 1


def test_a_version_that_has_not_come_is_waited_for() -> None:
    found = Configurations()
    with pytest.raises(ConfigurationNotYetError):
        _ = found.latest
    found.add(version(1))
    with pytest.raises(ConfigurationNotYetError):
        found.at(2)


def test_a_version_never_changes() -> None:
    found = Configurations()
    found.add(version(1))
    found.add(version(1, "another"))
    assert found.latest == "snapshot 1"  # type: ignore[comparison-overlap]


def test_a_listener_that_fails_stops_neither_the_others_nor_the_feed() -> None:
    found, told = Configurations(), []

    def bad() -> None:
        raise ZeroDivisionError

    found.on_change += [bad, lambda: told.append(found.latest_version)]
    found.add(version(1))
    found.add(version(1))
    assert told == [1]


@pytest.mark.parametrize("value", [None, b"{", b"\xff"], ids=["null", "broken", "not UTF-8"])
def test_an_unreadable_record_is_passed_over(value: bytes | None) -> None:
    class Record:
        headers = (("ce_type", b"\xff"), ("ce_id", None))
        offset = 1

    record = Record()
    record.value = value  # type: ignore[attr-defined]
    found = Configurations()
    ConfigurationFeed(RuntimeSettings(), found)._take(record)
    assert found.latest_version == 0
