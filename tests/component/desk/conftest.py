"""Clients of Ana and Ben, for modules whose `desk` knows their tokens."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.component.desk.doubles import DeskBench
from tests.component.desk.writers import ANAS, BENS


@pytest.fixture
async def ana(desk: DeskBench) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(ANAS) as client:
        yield client


@pytest.fixture
async def ben(desk: DeskBench) -> AsyncIterator[httpx.AsyncClient]:
    async with desk.client(BENS) as client:
        yield client
