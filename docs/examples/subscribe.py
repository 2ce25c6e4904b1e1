import asyncio, sqlite3, sys
from aiokafka import AIOKafkaConsumer


async def main(bootstrap, topic, path):
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE IF NOT EXISTS events (source, id, type, conversation, body, PRIMARY KEY (source, id))")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id="my-team", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        while True:
            batches = await consumer.getmany(timeout_ms=1000)
            for record in (r for batch in batches.values() for r in batch):
                ce = {name: value.decode() for name, value in record.headers}
                row = (ce["ce_source"], ce["ce_id"], ce["ce_type"], ce["ce_subject"], record.value.decode())
                db.execute("INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?)", row)  # a repeat is dropped
            db.commit()
            if batches:
                await consumer.commit()  # only what is stored
    finally:
        await consumer.stop()


asyncio.run(main(*sys.argv[1:]))
