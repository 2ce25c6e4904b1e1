"""Logs as in a service's process: without local variables, whose rendering takes a second a time."""

import pytest
import structlog
from postroom_runtime.logging import exception_without_content


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    structlog.configure(processors=[exception_without_content, structlog.processors.LogfmtRenderer()])
