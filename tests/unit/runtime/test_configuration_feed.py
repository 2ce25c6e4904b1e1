"""Versions of the configuration that a process has read."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import encode_body, encode_headers, new_event
from postroom_runtime import configuration_feed
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.errors import ConfigurationNotYetError
from postroom_runtime.settings import RuntimeSettings

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


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


def record(number: int, *webhooks: str, **changes: Any) -> Any:
    """Return a version as it stands on the topic."""
    hook = {"url": "https://example.com/h", "secrets": [{"env": "S"}]}
    fields = small() | {"webhooks": [{"id": name, **hook} for name in webhooks]} | changes
    applied = ConfigurationApplied.model_validate(
        {"configuration_version": number, "applied_at": "2026-03-02T09:00:00Z", "configuration": fields}
    )
    event = new_event(applied, source="/postroom/desk", cause_id=f"v{number}", subject="configuration", time=NOW)
    headers = tuple(encode_headers(event))
    return ConsumerRecord("t", 0, number, 0, 0, b"configuration", encode_body(applied), None, 0, 0, headers)


def small() -> dict[str, Any]:
    return {
        "company": {"name": "Acme", "default_calendar": "c"},
        "calendars": [{"id": "c", "time_zone": "UTC", "hours": {}}],
        "inboxes": [{"id": "support", "name": "S", "account": "m", "address": "s@acme.test", "teams": ["t"]}],
        "teams": [{"id": "t", "name": "T", "members": ["ann"]}],
        "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@acme.test"}],
    }


def test_since_when_a_section_is_filled_without_a_break() -> None:
    found = Configurations()
    feed = ConfigurationFeed(RuntimeSettings(), found)
    feed._take([record(1, "crm"), record(2), record(4, "crm")])
    feed._take([record(5, "crm")])
    assert found.filled_since("webhooks") == 4
    assert found.filled_since("rules") == 6, "not even of the newest"
    assert found.filled_since("agents") == 1


def test_of_very_many_versions_only_some_are_held_as_models_and_every_one_can_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A start with two thousand versions must not build two thousand companies, nor hold them."""
    built: list[int] = []
    read = configuration_feed.read_applied

    def counted(body: bytes) -> ConfigurationApplied:
        built.append(len(body))
        return read(body)

    monkeypatch.setattr(configuration_feed, "read_applied", counted)
    found = Configurations()
    feed = ConfigurationFeed(RuntimeSettings(), found)
    one = record(1)
    many = [replace(one, value=one.value.replace(b":1,", b":%d," % n, 1), offset=n) for n in range(1, 2001)]
    for start in range(0, 2000, 500):
        feed._take(many[start : start + 500])
    assert (found.latest_version, len(built)) == (2000, 4)
    for number in range(1, 301):
        assert found.at(number).agents[0].id == "ann"
    assert len(found._decoded) == configuration_feed.DECODED
    assert found.latest is found.at(2000), "the newest is never let go"
    assert len(built) == 304


def test_the_newest_that_can_be_read_is_in_use() -> None:
    found = Configurations()
    newer = record(3)
    newer = replace(newer, value=newer.value.replace(b'"company"', b'"no_company"'))
    ConfigurationFeed(RuntimeSettings(), found)._take([record(1), record(2), newer])
    assert found.latest_version == 2
    assert found.at(1).company.name == "Acme"
    with pytest.raises(ConfigurationNotYetError):
        found.at(3)


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

    broken = Record()
    broken.value = value  # type: ignore[attr-defined]
    found = Configurations()
    ConfigurationFeed(RuntimeSettings(), found)._take([broken])
    assert found.latest_version == 0
