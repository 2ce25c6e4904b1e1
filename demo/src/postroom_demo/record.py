"""The topics of a run as JSON lines, for later releases to read. Generated history is left out: it is not what ran."""

import asyncio
import json
from pathlib import Path

from postroom_contracts.events import as_dict, decode
from postroom_contracts.facts import MessageReceived
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import AGENT_PRESENCE, TOPICS
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end

from postroom_demo.company import HISTORY_TAG


async def record(settings: RuntimeSettings, directory: Path, data: Path) -> dict[str, int]:
    """Write one `TOPIC.jsonl` per topic (CloudEvents JSON, partitions in order); return topic -> lines.

    `data` is the demo's directory: where it lies is no business of a reader, so that its name stands for it. Raises
    EnvelopeError or ValidationError for a record that is none of ours: none may be there.
    """
    await asyncio.to_thread(directory.mkdir, parents=True, exist_ok=True)
    written = {}
    for topic in (t for t in TOPICS if t is not AGENT_PRESENCE):  # which nobody keeps
        records = read_to_end(settings, settings.topic(topic.name))
        events = [decode(dict(found.headers), found.value, MODELS) async for found in records]
        generated = {e.subject for e in events if isinstance(e.data, MessageReceived) and HISTORY_TAG in e.data.tags}
        kept = [event for event in events if event.subject not in generated]
        text = "".join(json.dumps(as_dict(event), ensure_ascii=False) + "\n" for event in kept)
        await asyncio.to_thread(
            (directory / f"{topic.name}.jsonl").write_text, _placeless(text, data), encoding="utf-8"
        )
        written[topic.name] = len(kept)
    return written


def _placeless(text: str, data: Path) -> str:
    return text.replace(str(data.absolute()), data.name)
