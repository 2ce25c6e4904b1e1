"""Recorded logs: what is read, what is filled in, what is refused; and the command that folds them."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from postroom_analytics.cli import register
from postroom_analytics.domain.recorded import RecordedLogError, read_log
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.events import Event, as_dict
from typer.testing import CliRunner

DATA = Path(__file__).parents[2] / "data" / "metrics"


def lines(name: str) -> list[str]:
    return (DATA / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", sorted(DATA.glob("*.jsonl")), ids=lambda path: path.stem)
def test_what_is_read_is_the_same_when_written_in_full_and_read_again(path: Path) -> None:
    records = list(read_log(lines(path.stem)))
    written = [
        json.dumps(record.model_dump(mode="json") if isinstance(record, ConfigurationApplied) else as_dict(record))
        for record in records
    ]
    assert list(read_log(written)) == records


def test_ids_and_sequences_are_filled_in_per_conversation_and_source() -> None:
    events = [record for record in read_log(lines("10")) if isinstance(record, Event)]
    assert len({event.id for event in events}) == len(events)
    assert [(e.subject, e.source.rpartition("/")[2], e.sequence) for e in events] == [
        ("a", "router", 1),
        ("a", "router", 2),
        ("a", "notifier", 1),
        ("b", "router", 1),
        ("b", "router", 2),
        ("a", "router", 3),
        ("a", "router", 4),
        ("a", "notifier", 2),
        ("a", "router", 5),
    ]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        pytest.param("{", "line 2: ", id="no-json"),
        pytest.param("[]", "expected a JSON object", id="no-object"),
        pytest.param('{"what": 1}', "expected `configuration`, `type` or `comment`", id="nothing-known"),
        pytest.param(
            '{"type": "Nothing", "time": "2026-03-03T09:00:00Z"}', "'Nothing' is not known", id="unknown-type"
        ),
        pytest.param('{"type": "MessageReceived"}', "time", id="no-time"),
        pytest.param('{"type": "MessageReceived", "time": "2026-03-03T09:00:00"}', "time", id="no-zone"),
        pytest.param(
            '{"type": "ConversationMerged", "time": "2026-03-03T09:00:00Z"}',
            "`data.target_id` is missing",
            id="no-field",
        ),
        pytest.param('{"configuration": {"surprise": 1}}', "surprise", id="unknown-setting"),
    ],
)
def test_a_bad_line_is_named(line: str, problem: str) -> None:
    with pytest.raises(RecordedLogError, match="line 2") as raised:
        list(read_log([lines("01")[1], line]))
    assert problem in str(raised.value)


def test_the_command_is_found_by_its_entry_point() -> None:
    from importlib.metadata import entry_points

    (found,) = entry_points(group="postroom.commands", name="analytics")
    assert found.load() is register


def run(*arguments: str) -> Any:
    app = typer.Typer()
    register(app)
    return CliRunner().invoke(app, ["analytics", *arguments])


def test_fold_prints_json_and_a_table() -> None:
    result = run("fold", "--json", str(DATA / "03.jsonl"))
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    (conversation,) = report["conversations"]
    assert conversation["first_response"]["wall_seconds"] == 237_600
    assert conversation["first_response"]["business_seconds"] == 7_200
    assert report["summary"]["first_response"]["business"]["count"] == 1
    table = run("fold", str(DATA / "03.jsonl"))
    assert table.exit_code == 0
    assert "66h" in table.stdout


def test_fold_names_the_line_it_cannot_read(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text("{}\n", encoding="utf-8")
    result = run("fold", str(tmp_path / "bad.jsonl"))
    assert result.exit_code == 2
    assert "bad.jsonl: line 1: expected" in result.stderr
