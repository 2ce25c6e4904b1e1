"""Checks of `postroom doctor` that need no more than the servers: groups, clock, versions."""

import asyncio
import platform
from datetime import UTC, datetime
from importlib.metadata import distributions
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from postroom_contracts.topics import GROUPS

from postroom_runtime import mongo
from postroom_runtime.findings import ANSWER_SECONDS, Finding
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings

CLOCK_SECONDS = 2.0
"""More than so much between our clock and MongoDB's: times in figures, leases and marks would be wrong by it."""


async def versions(_settings: RuntimeSettings) -> Finding:
    """Say which releases are installed here; all packages of Postroom must be of one."""
    ours = {
        d.metadata["Name"]: d.version for d in distributions() if (d.metadata["Name"] or "").startswith("postroom-")
    }
    detail = f"Python {platform.python_version()}, Postroom {', '.join(sorted(set(ours.values())))}"
    apart = ", ".join(f"{name} {found}" for name, found in sorted(ours.items()))
    return Finding("versions", len(set(ours.values())) == 1, detail, f"install packages of one release: {apart}")


async def groups(settings: RuntimeSettings) -> Finding:
    """Say which consumer groups have members: of one without, nobody does the work."""
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=int(ANSWER_SECONDS * 1000))
    names = [group.name for group in GROUPS]
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await admin.start()
            answers = await _described(admin, [f"{settings.topic_prefix}{name}" for name in names])
    except (KafkaError, OSError, TimeoutError) as error:
        return Finding("groups", False, f"not read: {type(error).__name__}", "see kafka")
    finally:
        await admin.close()
    members = {name[len(settings.topic_prefix) :]: len(found) for name, found in _members(answers)}
    idle = [name for name in names if not members.get(name)]
    detail = ", ".join(f"{name} {members.get(name, 0)}" for name in names)
    if len(idle) == len(names):
        return Finding("groups", True, "nothing runs yet")
    services = sorted({group.service for group in GROUPS if group.name in idle})
    return Finding(
        "groups", not idle, f"members: {detail}", f"nobody runs {', '.join(services)}: `postroom run SERVICE`"
    )


async def _described(admin: AIOKafkaAdminClient, groups: list[str]) -> list[Any]:
    """Return the answers of the groups' coordinators; none of a broker at which no group has ever met."""
    try:
        answers: list[Any] = await admin.describe_consumer_groups(groups)
    except KafkaError:  # there is no coordinator yet; whether Kafka answers at all, its own check says
        return []
    return answers


def _members(answers: list[Any]) -> list[tuple[str, Any]]:
    """Return (group, members) of every group in the answers: fields are error, group, state, kinds, protocol, members."""
    return [(found[1], found[5]) for answer in answers for found in answer.groups]


async def clock(settings: RuntimeSettings) -> Finding:
    """Compare our clock with MongoDB's."""
    client = mongo.connect(settings.model_copy(update={"mongo_timeout_seconds": ANSWER_SECONDS}))
    try:
        before = datetime.now(UTC)
        hello = await client.admin.command("hello")
        after = datetime.now(UTC)
    except Exception as error:  # noqa: BLE001 - whatever the driver says, it is shown
        return Finding("clock", False, f"not compared: {type(error).__name__}", "see mongodb")
    finally:
        await mongo.close(client)
    theirs = hello["localTime"]
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=UTC)
    apart = max((before - theirs).total_seconds(), (theirs - after).total_seconds(), 0.0)
    remedy = "set the clocks by NTP on both machines"
    return Finding("clock", apart <= CLOCK_SECONDS, f"{apart:.1f} s from MongoDB's", remedy)
