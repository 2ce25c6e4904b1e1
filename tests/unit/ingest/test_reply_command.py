"""`postroom ingest reply-text`: a line in, a line out, in order; a bad line is named."""

import json

import pytest
from postroom_ingest.cli import app
from typer.testing import CliRunner

GOOD = {"kind": "text", "input": "Yes.\r\n\r\n> ok?\r\n\r\n-- \r\nTom"}


def test_each_line_is_answered_in_order_with_its_own_kind() -> None:
    markup = {"kind": "html", "input": '<p>Sí</p><blockquote type="cite">vale?</blockquote>'}
    given = f"{json.dumps(GOOD)}\n\n{json.dumps(markup)}\n"
    result = CliRunner().invoke(app, ["reply-text", "--jsonl"], input=given)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"visible": "Yes.", "quoted": "> ok?", "signature": "-- \nTom"},
        {"visible": "<p>Sí</p>", "quoted": "vale?", "signature": ""},
    ]


def test_half_a_surrogate_pair_and_bytes_that_are_no_text_are_answered() -> None:
    result = CliRunner().invoke(app, ["reply-text", "--jsonl"], input='{"kind": "text", "input": "a \\ud83d"}')
    assert json.loads(result.stdout)["visible"] == "a \ud83d"
    result = CliRunner().invoke(app, ["reply-text"], input=b"caf\xe9")
    assert json.loads(result.stdout)["visible"] == "caf\ufffd"


@pytest.mark.parametrize(
    "line",
    ["nope", "[]", '{"kind": "rtf", "input": ""}', '{"kind": "text"}', '{"kind": "text", "input": 5}', "[" * 5000],
)
def test_a_line_that_is_no_case_is_named_and_those_before_it_are_answered(line: str) -> None:
    result = CliRunner().invoke(app, ["reply-text", "--jsonl"], input=f"{json.dumps(GOOD)}\n{line}\n")
    assert result.exit_code == 2
    assert "line 2" in result.output
    assert '"visible": "Yes."' in result.stdout
