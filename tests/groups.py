"""What a broker finds out about killed members when their sessions end, told to it at once: tests of kills need not wait."""

from collections.abc import Iterable

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.group import LeaveGroupRequest
from postroom_contracts.topics import GROUPS
from postroom_runtime.kafka import client_options
from postroom_runtime.settings import RuntimeSettings

SERVICES = tuple(group.name for group in GROUPS)


async def bury(settings: RuntimeSettings, groups: Iterable[str] = SERVICES) -> None:
    """Have all members leave these groups (without prefix), for processes that are dead; those who live would join anew."""
    admin = AIOKafkaAdminClient(**client_options(settings))
    await admin.start()
    try:
        for group in groups:
            name = f"{settings.topic_prefix}{group}"
            coordinator = await admin.find_coordinator(name)
            (described,) = await admin.describe_consumer_groups([name], group_coordinator_id=coordinator)
            for member_id, *_ in described.groups[0][5]:
                await admin._send_request_to_node(coordinator, LeaveGroupRequest(name, member_id))
    finally:
        await admin.close()
