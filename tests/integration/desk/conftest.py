"""The office: one for a module, because three processes start for it; each test has customers of its own."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.deployment import Deployment
from tests.integration.desk.agents import PATIENCE_MS
from tests.integration.desk.office import Office, with_two_in_sales
from tests.servers import _delete_topics, _drop_databases

expect.set_options(timeout=PATIENCE_MS)  # browsers beside other tests on few cores


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def office(kafka_bootstrap: str, mongo_uri: str) -> AsyncIterator[Office]:
    name = f"t{uuid.uuid4().hex[:10]}"
    async with Deployment(kafka_bootstrap, mongo_uri, f"{name}-", f"{name}_") as deployment:
        await deployment.configure(with_two_in_sales())
        office = Office(deployment)
        try:
            await office.open()
            yield office
        finally:
            await office.close()
    await _delete_topics(kafka_bootstrap, f"{name}-")
    await asyncio.to_thread(_drop_databases, mongo_uri, f"{name}_")


@pytest.fixture
def subject() -> str:
    """A subject that no other test's mail has."""
    return f"Squealing brakes {uuid.uuid4().hex[:8]}"
