"""Prints each event of a topic once, as JSON, by the CloudEvents SDK of Python: `read.py BOOTSTRAP TOPIC`."""

import asyncio
import sys

from aiokafka import AIOKafkaConsumer
from cloudevents.core.bindings.kafka import KafkaMessage, from_kafka
from cloudevents.core.formats.json import JSONFormat


async def main(bootstrap: str, topic: str) -> None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id="my-team-python", auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        async for record in consumer:
            message = KafkaMessage(headers=dict(record.headers), key=record.key, value=record.value)
            print(JSONFormat().write(from_kafka(message, JSONFormat())).decode(), flush=True)
    finally:
        await consumer.stop()


asyncio.run(main(*sys.argv[1:]))
