"""Fixtures of the runtime's tests."""

from collections.abc import AsyncIterator

import pytest
import structlog
from postroom_contracts.topics import GROUP_BY_NAME
from postroom_runtime.logging import exception_without_content

from tests.integration.runtime.support import Bench, settings_for
from tests.integration.runtime.toy import FOLLOWERS, GROUP


@pytest.fixture(autouse=True)
def _known_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy's groups are known to the program."""
    for group in (GROUP, FOLLOWERS):
        monkeypatch.setitem(GROUP_BY_NAME, group.name, group)


@pytest.fixture(autouse=True)
def _plain_logs() -> None:
    """As in a service's process: without local variables, whose rendering stops the loop for a second a time."""
    structlog.configure(processors=[exception_without_content, structlog.processors.LogfmtRenderer()])


@pytest.fixture
async def bench(kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str) -> AsyncIterator[Bench]:
    """Topics and databases of the test's own on the session's servers."""
    made = Bench(settings_for(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix))
    await made.make_topics()
    yield made
    made.close()
