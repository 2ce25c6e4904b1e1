"""`postroom dead-letters list|show|replay|discard`: what a group could not handle, and how it goes on."""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from postroom_contracts.topics import GROUP_BY_NAME, dead_letter_topic, replay_topic

from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import monotonic
from postroom_runtime.kafka import Outgoing, Publisher
from postroom_runtime.records import (
    DETAIL,
    DISCARD,
    MARKER,
    NULL_RECORD,
    ORIGIN_OFFSET,
    ORIGIN_PARTITION,
    ORIGIN_TOPIC,
    REASON,
    header_map,
    key_text,
)
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import read_to_end

dead_letters_app = typer.Typer(no_args_is_help=True, help="Records that a group parked.")
LIFT_SECONDS = 60.0


def register(app: typer.Typer) -> None:
    app.add_typer(dead_letters_app, name="dead-letters")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One parked record. `id` is its `partition:offset` on the dead-letter topic."""

    id: str
    record: ConsumerRecord
    key: str
    reason: str
    detail: str
    origin: str

    @property
    def origin_order(self) -> tuple[str, int, int]:
        topic, partition, offset = self.origin.rsplit("/", 2)
        return topic, int(partition), int(offset)


def read_letter(record: ConsumerRecord) -> DeadLetter:
    """Return the dead letter that a record of a `-dlq` topic is."""
    headers = header_map(record)

    def text(name: str) -> str:
        return (headers.get(name) or b"").decode("utf-8", "replace")

    origin = f"{text(ORIGIN_TOPIC)}/{text(ORIGIN_PARTITION) or 0}/{text(ORIGIN_OFFSET) or 0}"
    return DeadLetter(
        f"{record.partition}:{record.offset}", record, key_text(record), text(REASON), text(DETAIL), origin
    )


async def load_letters(settings: RuntimeSettings, group: str) -> list[DeadLetter]:
    """Return all parked records of a group, in origin order; one parked twice (a repeat) stands once, its latest."""
    found: dict[str, DeadLetter] = {}
    async for record in read_to_end(settings, settings.topic(dead_letter_topic(group).name)):
        letter = read_letter(record)
        found[letter.origin] = letter
    return sorted(found.values(), key=lambda letter: letter.origin_order)


@dead_letters_app.command("list")
def list_letters(group: str) -> None:
    """Print a group's dead letters: id, reason, origin, key, detail."""
    letters = _guarded(group, load_letters(RuntimeSettings(), group))
    for letter in letters:
        typer.echo(f"{letter.id:>8}  {letter.reason:<10} {letter.origin}  key={letter.key}  {letter.detail}")
    if not letters:
        typer.echo("none")


@dead_letters_app.command("show")
def show(group: str, letter_id: str) -> None:
    """Print one dead letter: headers, and the size of its body (bodies may be personal: --body is not offered)."""
    letter = _one(_guarded(group, load_letters(RuntimeSettings(), group)), letter_id)
    for name, value in letter.record.headers:
        typer.echo(f"{name}: {'(null)' if value is None else value.decode('utf-8', 'backslashreplace')}")
    typer.echo(f"body: {len(letter.record.value or b'')} bytes")


@dead_letters_app.command("replay")
def replay(
    group: str,
    key: Annotated[str, typer.Option(help="Replay this key: the record that failed and all held behind it.")] = "",
    letter: Annotated[str, typer.Option(help="Replay one record by its id (one that was parked as permanent).")] = "",
) -> None:
    """Give parked records back to the group alone, in order, and lift the key's hold when all are handled."""
    if bool(key) == bool(letter):
        raise fail("give exactly one of --key and --letter", 2)
    typer.echo(_guarded(group, replay_key(RuntimeSettings(), group, key) if key else _replay_one(group, letter)))


@dead_letters_app.command("discard")
def discard(group: str, letter_id: str) -> None:
    """Give one parked record up: its number counts as seen, so that what waits behind it can go on."""
    typer.echo(_guarded(group, discard_letter(RuntimeSettings(), group, letter_id)))


def _one(letters: list[DeadLetter], letter_id: str) -> DeadLetter:
    found = next((letter for letter in letters if letter.id == letter_id), None)
    if found is None:
        raise fail(f"no dead letter {letter_id}; see `postroom dead-letters list`")
    return found


def _guarded(group: str, work: Any) -> Any:
    if group not in GROUP_BY_NAME:
        work.close()
        raise fail(f"no group {group}; groups: {', '.join(GROUP_BY_NAME)}", 2)
    try:
        return asyncio.run(work)
    except (KafkaError, OSError, LookupError, TimeoutError) as error:
        raise fail(f"{error or type(error).__name__}") from error


def _copy(letter: DeadLetter, topic: str, *extra: tuple[str, bytes]) -> Outgoing:
    headers = [h for h in letter.record.headers if h[0] != NULL_RECORD]
    body = None if NULL_RECORD in header_map(letter.record) else letter.record.value
    return Outgoing(topic, letter.record.key, body, [*headers, *extra])


async def _replay_one(group: str, letter_id: str) -> str:
    settings = RuntimeSettings()
    letter = _one(await load_letters(settings, group), letter_id)
    publisher = Publisher(settings)
    await publisher.start()
    try:
        await publisher.publish([_copy(letter, settings.topic(replay_topic(group).name))])
    finally:
        await publisher.stop()
    return f"replayed {letter.id}"


async def replay_key(settings: RuntimeSettings, group: str, key: str) -> str:
    """Copy the key's parked records to the replay topic in origin order, then a marker; repeat until the hold is lifted."""
    client = mongo.connect(settings)
    holds = mongo.database(client, settings, GROUP_BY_NAME[group].service if group in GROUP_BY_NAME else group)["holds"]
    publisher = Publisher(settings)
    await publisher.start()
    deadline = monotonic() + LIFT_SECONDS
    copied = 0
    try:
        while True:
            hold = await holds.find_one({"_id": f"{group}|{key}"})
            if hold is None:
                return f"replayed {copied} records; the hold is lifted" if copied else f"no hold on {key} in {group}"
            if hold.get("marker_seen", -1) >= hold["parked"] or copied < hold["parked"]:
                copied = await _copy_key(settings, publisher, group, key, hold["parked"])
            await asyncio.sleep(0.3)
            if monotonic() > deadline:
                raise TimeoutError(
                    f"the hold on {key} was not lifted in {LIFT_SECONDS:.0f} s: does a record still fail?"
                )
    finally:
        await publisher.stop()
        await mongo.close(client)


async def _copy_key(settings: RuntimeSettings, publisher: Publisher, group: str, key: str, parked: int) -> int:
    """Copy all of the key's letters and a marker that says how many had been parked when they were read."""
    letters = [
        letter for letter in await load_letters(settings, group) if letter.key == key and letter.reason != "permanent"
    ]
    topic = settings.topic(replay_topic(group).name)
    marker = Outgoing(topic, key.encode(), b"", [(MARKER, b"%d" % parked)])
    await publisher.publish([*(_copy(letter, topic) for letter in letters), marker])
    return parked


async def discard_letter(settings: RuntimeSettings, group: str, letter_id: str) -> str:
    """Publish the discard of one letter on the replay topic; its hold is lifted by a later `replay` of the key."""
    letter = _one(await load_letters(settings, group), letter_id)
    publisher = Publisher(settings)
    await publisher.start()
    try:
        await publisher.publish([_copy(letter, settings.topic(replay_topic(group).name), (DISCARD, b"1"))])
    finally:
        await publisher.stop()
    return f"discarded {letter.id}"
