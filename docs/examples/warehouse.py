import asyncio, json, os, sqlite3, sys
from aiokafka import AIOKafkaConsumer

TABLES = """
CREATE TABLE IF NOT EXISTS events (source, id, type, conversation, sequence INTEGER, at, body, PRIMARY KEY (source, id));
CREATE TABLE IF NOT EXISTS present (conversation, name, value, sequence INTEGER, PRIMARY KEY (conversation, name));
CREATE VIEW IF NOT EXISTS conversations AS SELECT conversation, max(value) FILTER (WHERE name = 'inbox') AS inbox,
  max(value) FILTER (WHERE name = 'team') AS team, max(value) FILTER (WHERE name = 'status') AS status,
  max(value) FILTER (WHERE name = 'opened_at') AS opened_at, max(value) FILTER (WHERE name = 'owner') AS owner
  FROM present GROUP BY conversation;
"""
EVENT = "INSERT OR IGNORE INTO events VALUES (?, ?, ?, ?, ?, ?, ?)"  # a repeat is dropped
UPSERT = """INSERT INTO present VALUES (?, ?, ?, ?) ON CONFLICT (conversation, name) DO UPDATE
  SET value = excluded.value, sequence = excluded.sequence WHERE excluded.sequence > sequence"""  # what is older is not taken
STATUS = {"conversation-resolved": "resolved", "conversation-reopened": "open", "conversation-woken": "open",
          "conversation-snoozed": "snoozed", "conversation-waiting": "waiting", "conversation-deleted": "deleted",
          "conversation-marked-spam": "spam", "conversation-merged": "merged"}  # fmt: skip


def changes(kind, data):
    """Yield what the fact says of its conversation, each name from one service: its sequence tells old from new."""
    if data.get("probe"):  # a mail of Postroom's own, to see that mail gets through
        return
    if kind in ("message-received", "conversation-started", "conversation-split-off"):
        yield from (("inbox", data["inbox_id"]), ("team", data.get("team_id")))
    if data.get("opened"):
        yield "opened_at", data["received_at"]
    if status := data.get("status") or STATUS.get(kind) or (data.get("resolved") and "resolved"):
        yield "status", status
    if kind in ("conversation-assigned", "conversation-unassigned", "conversation-queued"):
        yield "owner", data.get("agent_id")


async def main(bootstrap, topic, group, path):
    db = sqlite3.connect(path)
    db.executescript(TABLES)
    options = json.loads(os.environ.get("KAFKA_OPTIONS", "{}"))  # such as {"security_protocol": "SASL_SSL", ...}
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False,
                                auto_offset_reset="earliest", **options)  # fmt: skip
    async with consumer:
        while True:
            for record in (r for batch in (await consumer.getmany(timeout_ms=1000)).values() for r in batch):
                ce = {name.removeprefix("ce_"): value.decode() for name, value in record.headers}
                kind, number = ce["type"].removeprefix("org.postroom.").rsplit(".", 1)[0], int(ce["sequence"])
                about = (ce["source"], ce["id"], kind, ce["subject"], number, ce["time"])
                db.execute(EVENT, (*about, record.value.decode()))
                db.executemany(UPSERT, [(ce["subject"], *c, number) for c in changes(kind, json.loads(record.value))])
            db.commit()
            await consumer.commit()  # only what is stored: killed before this, the batch comes again and changes nothing


asyncio.run(main(*sys.argv[1:]))
