"""Dead letters that an earlier release could not read and this one can: given back to their group all at once."""

from collections.abc import Mapping, Sequence

from postroom_contracts.events import Data, decode
from postroom_contracts.registry import MODELS
from postroom_contracts.topics import dead_letter_topic, replay_topic

from postroom_runtime.cli_dead_letters import DeadLetter, connected, copy_of, load_letters, replay_order
from postroom_runtime.dead_letter_watch import Unsettled, origin_of
from postroom_runtime.kafka import MAX_LETTER_BYTES
from postroom_runtime.records import UNREADABLE, header_map
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end


async def replay_readable(
    settings: RuntimeSettings, group: str, models: Mapping[str, type[Data]] = MODELS
) -> tuple[int, int]:
    """Replay what was parked because it could not be read, and can be now; return how many, and how many stay.

    Each key in order, each letter once: what was given back or discarded already is left alone, so a second run does nothing.
    """
    letters = [letter for letter in await _waiting(settings, group) if letter.detail.startswith(UNREADABLE)]
    good = [letter for letter in letters if _is_readable(letter, models)]
    by_key: dict[str, list[DeadLetter]] = {}
    for letter in good:
        by_key.setdefault(letter.key, []).append(letter)
    async with connected(settings, group) as (publisher, _holds, topic, partitions):
        outgoing = [copy_of(letter, topic, partitions) for found in by_key.values() for letter in replay_order(found)]
        await publisher.publish(outgoing, max_bytes=MAX_LETTER_BYTES)
    return len(good), len(letters) - len(good)


async def _waiting(settings: RuntimeSettings, group: str) -> Sequence[DeadLetter]:
    """Return the letters that were parked as permanent and that nobody has dealt with since, in origin order."""
    known = Unsettled()
    for topic, replay in ((dead_letter_topic(group), False), (replay_topic(group), True)):
        async for record in read_to_end(settings, settings.topic(topic.name)):
            if (origin := origin_of(record)) is not None:
                known.take(origin, record.timestamp, replay=replay)
    letters = await load_letters(settings, group)
    return [letter for letter in letters if letter.reason == "permanent" and origin_of(letter.record) in known.parked]


def _is_readable(letter: DeadLetter, models: Mapping[str, type[Data]]) -> bool:
    try:
        decode(header_map(letter.record), letter.record.value, models)
    except Exception:  # noqa: BLE001 - whatever a stranger's bytes raise, it is not readable
        return False
    return bool(letter.key)
