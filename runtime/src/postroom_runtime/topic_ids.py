"""Kafka's own ids of topics: a position under an id that we do not know starts anew.

aiokafka 0.14 asks for metadata of version 5 at most, which names no ids; version 10 (KIP-516) does, so that one request
is written out here with aiokafka's own types. Source: Metadata API, versions 10, of the Kafka protocol guide.
"""

import asyncio
import uuid
from io import BytesIO
from typing import Any, ClassVar

from aiokafka import AIOKafkaClient
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Boolean,
    CompactArray,
    CompactString,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from postroom_runtime.errors import InfrastructureError


class _Uuid(AbstractType[bytes]):
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(16)


_NAME = CompactString("utf-8")


class _MetadataResponse(Response):
    API_KEY = 3
    API_VERSION = 10
    SCHEMA: ClassVar[Schema] = Schema(
        ("throttle_time_ms", Int32),
        (
            "brokers",
            CompactArray(("node_id", Int32), ("host", _NAME), ("port", Int32), ("rack", _NAME), ("tags", TaggedFields)),
        ),
        ("cluster_id", _NAME),
        ("controller_id", Int32),
        (
            "topics",
            CompactArray(
                ("error_code", Int16),
                ("name", _NAME),
                ("topic_id", _Uuid),
                ("is_internal", Boolean),
                (
                    "partitions",
                    CompactArray(
                        ("error_code", Int16),
                        ("partition_index", Int32),
                        ("leader_id", Int32),
                        ("leader_epoch", Int32),
                        ("replica_nodes", CompactArray(Int32)),
                        ("isr_nodes", CompactArray(Int32)),
                        ("offline_replicas", CompactArray(Int32)),
                        ("tags", TaggedFields),
                    ),
                ),
                ("topic_authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("cluster_authorized_operations", Int32),
        ("tags", TaggedFields),
    )


class _MetadataRequestStruct(RequestStruct):
    API_KEY = 3
    API_VERSION = 10
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _MetadataResponse
    SCHEMA: ClassVar[Schema] = Schema(
        ("topics", CompactArray(("topic_id", _Uuid), ("name", _NAME), ("tags", TaggedFields))),
        ("allow_auto_topic_creation", Boolean),
        ("include_cluster_authorized_operations", Boolean),
        ("include_topic_authorized_operations", Boolean),
        ("tags", TaggedFields),
    )


class _MetadataRequest(Request[_MetadataRequestStruct]):
    API_KEY = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> _MetadataRequestStruct:
        wanted: list[tuple[bytes, str, dict[int, bytes]]] = [(bytes(16), name, {}) for name in self._topics]
        return request_struct_class(wanted, False, False, False, {})


async def read_topic_ids(
    client_options: dict[str, Any], topics: list[str], timeout_seconds: float = 15
) -> dict[str, str]:
    """Return topic name to Kafka's id of it (32 hexadecimal characters).

    Raises InfrastructureError when the broker does not answer, LookupError naming the topics that do not exist.
    """
    client = AIOKafkaClient(**client_options)
    try:
        async with asyncio.timeout(timeout_seconds):
            await client.bootstrap()
            node = client.get_random_node()
            while not await client.ready(node):
                await asyncio.sleep(0.05)
            response = await client.send(node, _MetadataRequest(topics))
    except (TimeoutError, OSError) as error:
        raise InfrastructureError(f"topic ids: {type(error).__name__}") from error
    finally:
        await client.close()
    found: dict[str, str] = {}
    for topic in response.to_object()["topics"]:
        if topic["error_code"] == 0:
            found[topic["name"]] = uuid.UUID(bytes=topic["topic_id"]).hex
    missing = sorted(set(topics) - set(found))
    if missing:
        raise LookupError(f"topics do not exist: {', '.join(missing)}; create them with `postroom topics apply`")
    return found
