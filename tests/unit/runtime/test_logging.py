"""What is logged of an exception."""

import json
from typing import Any

import structlog
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.logging import exception_as_text, exception_without_content


def test_neither_foreign_messages_nor_local_variables_are_logged() -> None:
    address = "customer@example.com"
    try:
        try:
            {}[address]  # type: ignore[index]
        except KeyError as error:
            raise InfrastructureError("mongodb: KeyError") from error
    except InfrastructureError as error:
        event: Any = exception_without_content(None, "error", {"event": "x", "exc_info": error})
    text = json.dumps(event)
    assert address not in text
    assert [found["type"] for found in event["exception"]] == ["InfrastructureError", "KeyError"]
    assert event["exception"][0]["text"] == "mongodb: KeyError"
    assert "test_neither_foreign_messages" in event["exception"][1]["frames"][-1]


def test_an_event_without_exception_is_left_alone() -> None:
    assert exception_without_content(None, "info", {"event": "x"}) == {"event": "x"}


def test_an_exception_is_written_to_the_console_too() -> None:
    try:
        raise InfrastructureError("kafka: away")
    except InfrastructureError as error:
        event: Any = exception_without_content(None, "error", {"event": "batch failed", "exc_info": error})
    said = structlog.dev.ConsoleRenderer(colors=False)(None, "error", exception_as_text(None, "error", event))
    assert "batch failed" in said
    assert "InfrastructureError: kafka: away" in said
    assert "    test_logging.py:" in said
