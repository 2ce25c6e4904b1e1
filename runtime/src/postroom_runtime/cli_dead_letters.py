"""`postroom dead-letters list|show|replay|discard`: what a group could not handle, and how it goes on."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from aiokafka import ConsumerRecord
from aiokafka.errors import KafkaError
from postroom_contracts.topics import GROUP_BY_NAME, dead_letter_topic, replay_topic

from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import monotonic
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import MAX_LETTER_BYTES, Outgoing, Publisher
from postroom_runtime.records import (
    DETAIL,
    DISCARD,
    HOLD,
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
    """One parked record. `id` is its `partition:offset` on the dead-letter topic, `hold` what it waits behind."""

    id: str
    record: ConsumerRecord
    key: str
    reason: str
    detail: str
    origin_topic: str
    origin_partition: int
    origin_offset: int
    hold: str
    source: str
    sequence: int

    @property
    def origin(self) -> str:
        return f"{self.origin_topic}/{self.origin_partition}/{self.origin_offset}"

    @property
    def origin_order(self) -> tuple[str, int, int]:
        return self.origin_topic, self.origin_partition, self.origin_offset


def read_letter(record: ConsumerRecord) -> DeadLetter:
    """Return the dead letter that a record of a `-dlq` topic is."""
    headers = header_map(record)

    def text(name: str) -> str:
        return (headers.get(name) or b"").decode("utf-8", "replace")

    def number(name: str) -> int:
        found = text(name)
        return int(found) if found.isascii() and found.isdigit() and len(found) < 16 else 0  # noqa: PLR2004

    return DeadLetter(
        id=f"{record.partition}:{record.offset}",
        record=record,
        key=key_text(record),
        reason=text(REASON),
        detail=text(DETAIL),
        origin_topic=text(ORIGIN_TOPIC),
        origin_partition=number(ORIGIN_PARTITION),
        origin_offset=number(ORIGIN_OFFSET),
        hold=text(HOLD),
        source=text("ce_source"),
        sequence=number("ce_sequence"),
    )


async def load_letters(settings: RuntimeSettings, group: str) -> list[DeadLetter]:
    """Return all parked records of a group, in origin order; one parked twice (a repeat) stands once, its latest."""
    found: dict[str, DeadLetter] = {}
    async for record in read_to_end(settings, settings.topic(dead_letter_topic(group).name)):
        letter = read_letter(record)
        found[letter.origin] = letter
    return sorted(found.values(), key=lambda letter: letter.origin_order)


def replay_order(letters: Sequence[DeadLetter]) -> list[DeadLetter]:
    """Return `letters` (of one key, in origin order) as they are to be replayed: each source's facts by their numbers.

    A fact that came too far ahead of a missing one was parked before it, and can be taken only after it.
    """
    by_source: dict[str, list[DeadLetter]] = {}
    for letter in letters:
        if letter.sequence:
            by_source.setdefault(letter.source, []).append(letter)
    facts = {source: iter(sorted(found, key=lambda f: f.sequence)) for source, found in by_source.items()}
    return [next(facts[letter.source]) if letter.sequence else letter for letter in letters]


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
    readable: Annotated[
        bool, typer.Option("--readable", help="Replay all that an earlier release could not read and this one can.")
    ] = False,
) -> None:
    """Give parked records back to the group alone, in order, and lift the key's hold when all are handled."""
    if [bool(key), bool(letter), readable].count(True) != 1:
        raise fail("give exactly one of --key, --letter and --readable", 2)
    settings = RuntimeSettings()
    if readable:
        typer.echo(_guarded(group, _replay_readable(settings, group)))
    else:
        typer.echo(_guarded(group, replay_key(settings, group, key) if key else _replay_one(settings, group, letter)))


@dead_letters_app.command("discard")
def discard(
    group: str,
    letter_id: str,
    sequence: Annotated[int, typer.Option(help="Its number, where its own header cannot be read.")] = 0,
    source: Annotated[str, typer.Option(help="Its source, such as /postroom/router, where that cannot be read.")] = "",
) -> None:
    """Give one parked record up: its number counts as seen, so that what waits behind it can go on."""
    typer.echo(_guarded(group, discard_letter(RuntimeSettings(), group, letter_id, sequence=sequence, source=source)))


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
    except (KafkaError, InfrastructureError, ReplayFailedError, OSError, LookupError) as error:
        raise fail(f"{error or type(error).__name__}") from error


def copy_of(letter: DeadLetter, topic: str, partitions: int, *extra: tuple[str, bytes]) -> Outgoing:
    """Return the replay of a letter: its source's partition, so that the member that holds its key reads it."""
    replaced = {NULL_RECORD, *(name for name, _ in extra)}
    headers = [h for h in letter.record.headers if h[0] not in replaced]
    body = None if NULL_RECORD in header_map(letter.record) and letter.record.key else letter.record.value
    partition = letter.origin_partition if letter.origin_partition < partitions else None
    return Outgoing(topic, letter.record.key, body, [*headers, *extra], partition)


@asynccontextmanager
async def connected(
    settings: RuntimeSettings, group: str, publisher: Publisher | None = None
) -> AsyncIterator[tuple[Publisher, Any, str, int]]:
    """Give the publisher, the group's holds, its replay topic and that topic's count of partitions."""
    client = mongo.connect(settings)
    service = GROUP_BY_NAME[group].service if group in GROUP_BY_NAME else group
    publisher = publisher or Publisher(settings)
    topic = settings.topic(replay_topic(group).name)
    try:
        await publisher.start()
        yield publisher, mongo.database(client, settings, service)["holds"], topic, await publisher.partitions(topic)
    finally:
        await publisher.stop()
        await mongo.close(client)


async def _replay_one(settings: RuntimeSettings, group: str, letter_id: str) -> str:
    """Replay one letter that was parked as permanent: it is decided now, whatever came after it in the meantime."""
    letter = _one(await load_letters(settings, group), letter_id)
    if letter.reason != "permanent":
        raise fail(f"{letter.id} has its place among the records of its key: replay --key {letter.key}", 2)
    async with connected(settings, group) as (publisher, _holds, topic, partitions):
        await publisher.publish([copy_of(letter, topic, partitions)], max_bytes=MAX_LETTER_BYTES)
    return f"replayed {letter.id}"


async def _replay_readable(settings: RuntimeSettings, group: str) -> str:
    from postroom_runtime.readable_letters import replay_readable  # noqa: PLC0415 - it is made of what stands here

    replayed, left = await replay_readable(settings, group)
    return f"replayed {replayed} records; {left} cannot be read by this release either"


async def replay_key(settings: RuntimeSettings, group: str, key: str) -> str:
    """Copy the parked records of the key's hold to the replay topic in order, then a marker; until the hold is lifted.

    Records that come meanwhile are parked behind and copied before the next marker. Raises ReplayFailedError when one
    fails again: it and those behind it are parked again, in order; TimeoutError when nobody handles them.
    """
    copied: set[str] = set()
    async with connected(settings, group) as (publisher, holds, topic, partitions):
        query = {"_id": f"{group}|{key}"}
        while (hold := await holds.find_one(query)) is not None:
            letters = [letter for letter in await load_letters(settings, group) if letter.hold == hold["hold"]]
            fresh = [i for i in letters if i.origin not in copied and i.origin not in hold.get("discarded", ())]
            if not letters and not hold.get("discarded"):
                raise LookupError(f"no dead letters of the hold on {key}: they expired, or lie on another topic")
            marker = _marker(key, hold, letters, topic, partitions)
            outgoing = [copy_of(letter, topic, partitions) for letter in replay_order(fresh)]
            await publisher.publish([*outgoing, marker], max_bytes=MAX_LETTER_BYTES)
            copied.update(letter.origin for letter in fresh)
            await _wait_for_marker(holds, query, hold)
    return f"replayed {len(copied)} records; the hold is lifted" if copied else f"no hold on {key} in {group}"


class ReplayFailedError(RuntimeError):
    """A replayed record failed again."""


def _marker(key: str, hold: Mapping[str, Any], letters: Sequence[DeadLetter], topic: str, partitions: int) -> Outgoing:
    """Return what lifts the hold when it is handled and nothing was parked since it was read."""
    raw: bytes = letters[0].record.key if letters and letters[0].record.key else key.encode()
    place = int(hold["position"][1])
    headers = [(MARKER, b"%d" % hold["parked"]), (HOLD, hold["hold"].encode())]
    return Outgoing(topic, raw, b"", headers, place if place < partitions else None)


async def _wait_for_marker(holds: Any, query: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Return when the marker was handled."""
    deadline = monotonic() + LIFT_SECONDS
    while True:
        now = await holds.find_one(query)
        if now is None or now["hold"] != before["hold"]:
            return
        if now.get("failures", 0) > before.get("failures", 0):
            raise ReplayFailedError(
                f"a record of {query['_id']} failed again; it and those behind it are parked as before: "
                "see `dead-letters list`, mend or discard it, and replay once more"
            )
        if now.get("markers", 0) > before.get("markers", 0):
            return
        if monotonic() > deadline:
            raise TimeoutError(f"the replay was not handled in {LIFT_SECONDS:.0f} s: does the group run?")
        await asyncio.sleep(0.1)


async def discard_letter(
    settings: RuntimeSettings, group: str, letter_id: str, *, sequence: int = 0, source: str = ""
) -> str:
    """Give one letter up: a replay of its key leaves it out, and its number, if it has one, counts as seen.

    `sequence` and `source` stand in where the letter's own headers cannot be read.
    """
    letter = _one(await load_letters(settings, group), letter_id)
    given = [("ce_sequence", b"%d" % sequence)] if sequence else []
    given += [("ce_source", source.encode())] if source else []
    async with connected(settings, group) as (publisher, holds, topic, partitions):
        await holds.update_one(
            {"_id": f"{group}|{letter.key}", "hold": letter.hold}, {"$addToSet": {"discarded": letter.origin}}
        )
        copy = copy_of(letter, topic, partitions, (DISCARD, b"1"), *given)
        await publisher.publish([copy], max_bytes=MAX_LETTER_BYTES)
    return f"discarded {letter.id}"
