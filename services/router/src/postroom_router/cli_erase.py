"""`postroom erase`: who would be erased and of what, the erasure, how far it is, and whether anything is left."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

import typer
from aiokafka.errors import KafkaError
from postroom_contracts.commands import EraseContact
from postroom_contracts.events import decode, new_event
from postroom_contracts.facts import ContentErased
from postroom_contracts.ids import content_id, derived_id
from postroom_contracts.registry import MODELS, source_of
from postroom_contracts.thread_keys import normalised_address
from postroom_contracts.topics import CONVERSATION_COMMANDS, CONVERSATION_EVENTS
from postroom_contracts.values import Actor, Channel
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import SystemClock
from postroom_runtime.content_store import MongoContentStore
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import Publisher
from postroom_runtime.seeking import Seeker, in_databases, in_topics
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.tail import parse_place, read_to_end

from postroom_router.adapters.contacts import MongoContacts
from postroom_router.adapters.erasures import Erasure, MongoAcquaintances, MongoErasures
from postroom_router.domain.conversation import Conversation, written_by
from postroom_router.domain.erasing import is_alone
from postroom_router.domain.outcome import contact_key

erase_app = typer.Typer(no_args_is_help=True, help="Erasing a person, and seeing that nothing of them is left.")
POLL_SECONDS = 0.5
T = TypeVar("T")
Address = Annotated[str, typer.Argument(help="The person's mail address, or handle on another channel.")]
ChannelOption = Annotated[Channel, typer.Option(help="The channel of that address.")]


def register(app: typer.Typer) -> None:
    app.add_typer(erase_app, name="erase")


@dataclass(frozen=True, slots=True)
class Office:
    """What the commands work with."""

    settings: RuntimeSettings
    client: mongo.MongoClient
    database: mongo.Database
    contacts: MongoContacts
    erasures: MongoErasures

    async def contact(self, channel: Channel, address: str) -> str:
        """Return who has this address. Raises typer.Exit when nobody has."""
        key = contact_key(channel, normalised_address(address))
        found = await self.database["contacts"].find_one({"_id": key})
        if found is None:
            raise fail("nobody of this address is known: they never wrote, or were erased")
        return str(found["contact"])

    async def conversations(self, contact_id: str) -> list[Conversation]:
        known = await MongoAcquaintances(self.database["conversations"]).knowing(contact_id)
        wanted = {"_id": {"$in": [k.conversation_id for k in known]}}
        found = await self.database["conversations"].find(wanted, {"state": 1}).to_list(length=None)
        return [Conversation.model_validate(d["state"]) for d in found]


@contextlib.asynccontextmanager
async def office() -> AsyncIterator[Office]:
    settings = RuntimeSettings()
    client = mongo.connect(settings)
    database = mongo.database(client, settings, "router")
    try:
        yield Office(
            settings, client, database, MongoContacts(database["contacts"]), MongoErasures(database["erasures"])
        )
    finally:
        await mongo.close(client)


def _run(work: Callable[[Office], Awaitable[T]]) -> T:
    """Carry out `work`; a server that does not answer is named."""

    async def carry_out() -> T:
        async with office() as here:
            return await work(here)

    try:
        return asyncio.run(carry_out())
    except KeyboardInterrupt:
        raise typer.Exit(130) from None
    except (KafkaError, InfrastructureError, OSError, LookupError, TimeoutError) as error:
        raise fail(str(error) or type(error).__name__) from error


@erase_app.command("plan")
def plan(address: Address, channel: ChannelOption = Channel.EMAIL) -> None:
    """Say what an erasure would take, and change nothing."""

    async def work(here: Office) -> tuple[str, list[Conversation]]:
        contact_id = await here.contact(channel, address)
        return contact_id, await here.conversations(contact_id)

    contact_id, states = _run(work)
    alone = [s for s in states if is_alone(s, contact_id)]
    own = sum(len(written_by(s, contact_id)) for s in states)
    typer.echo(f"contact {contact_id}: {len(states)} conversations, {own} messages by this person")
    typer.echo(
        f"{len(alone)} with nobody else: all {sum(len(s.messages) for s in alone)} messages, replies and notes go"
    )
    typer.echo(f"{len(states) - len(alone)} with others: what this person wrote goes, and what went to them alone")


@erase_app.command("person")
def person(
    address: Address,
    agent: Annotated[
        str, typer.Option(help="Id of the agent who asks for it; stands in the log of each conversation.")
    ],
    channel: ChannelOption = Channel.EMAIL,
    whole: Annotated[bool, typer.Option("--whole", help="Also what others wrote in conversations with them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    wait_seconds: Annotated[float, typer.Option(min=0, help="How long to wait for the end.")] = 300,
) -> None:
    """Erase a person; this cannot be undone. Ends when it is done; until then a running router carries it out."""
    contact_id = _run(lambda here: here.contact(channel, address))
    if not yes and typer.prompt("Type the address again to erase this person for good").strip() != address:
        raise fail("that is another address; nothing was done")

    async def work(here: Office) -> Erasure:
        await _ask(here, contact_id, agent, whole=whole)
        async with asyncio.timeout(wait_seconds):
            while True:
                known = {e.contact_id: e for e in await here.erasures.all()}
                if contact_id in known and known[contact_id].done_at is not None:
                    return known[contact_id]
                await asyncio.sleep(POLL_SECONDS)

    try:
        done = _run(work)
    except typer.Exit:
        typer.echo(f"contact {contact_id}: asked for, not done yet; see `postroom erase status`", err=True)
        raise
    typer.echo(f"contact {contact_id} is erased in {done.conversations} conversations")


async def _ask(here: Office, contact_id: str, agent: str, *, whole: bool) -> None:
    clock, publisher = SystemClock(here.settings.clock_offset_seconds), Publisher(here.settings)
    now = clock.now()
    command = EraseContact(actor=Actor(kind="agent", id=agent), contact_id=contact_id, whole=whole)
    event = new_event(
        command,
        source=source_of("desk"),
        cause_id=derived_id("erase", contact_id, now.isoformat()),
        subject=contact_id,
        time=now,
    )
    await publisher.start()
    try:
        await publisher.publish_events(CONVERSATION_COMMANDS, [event])
    finally:
        await publisher.stop()


@erase_app.command("status")
def status() -> None:
    """List erasures, the latest first: what is known of them afterwards holds nothing of the person."""
    for erasure in _run(lambda here: here.erasures.all()):
        state = (
            f"done {_time(erasure.done_at)}, {erasure.conversations} conversations" if erasure.done_at else "going on"
        )
        by = f"asked {_time(erasure.asked_at)} by {erasure.actor.get('id')}"
        typer.echo(f"{erasure.contact_id}  {by}{', whole' if erasure.whole else ''}: {state}")


def _time(moment: datetime | None) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%SZ") if moment else ""


@erase_app.command("verify")
def verify(
    texts: Annotated[list[str], typer.Argument(help="Texts to look for: an address, a name, a telephone number.")],
    topics: Annotated[bool, typer.Option("--topics", help="Look on the topics, too.")] = False,
) -> None:
    """Look for texts in every document of every database, and in stored mail. Exit status 1 when one is found.

    On the topics a person stands until the retention of work topics and dead letters has passed.
    """

    async def work(here: Office) -> int:
        seeker, count = Seeker(texts), 0
        async for found in in_databases(here.client, here.settings, seeker):
            count += 1
            typer.echo(f"{found.place} {found.at}: {found.text}")
        if topics:
            async for found in in_topics(here.settings, seeker):
                count += 1
                typer.echo(f"{found.place} {found.at}: {found.text}")
        return count

    if count := _run(work):
        typer.echo(f"found {count} times")
        raise typer.Exit(1)
    typer.echo("nothing found")


@erase_app.command("again")
def again(
    since: Annotated[str, typer.Option("--since", help="A time with zone: when the backup was made.")],
    agent: Annotated[str, typer.Option(help="Id of the agent who asks for it.")],
) -> None:
    """Erase once more who was erased since then: after a backup was restored that still had them. The log says who."""
    try:
        place = parse_place(since)
    except ValueError as error:
        raise fail(f"--since: {error}", 2) from error

    async def work(here: Office) -> int:
        content = MongoContentStore(mongo.database(here.client, here.settings, "content"))
        people: set[str] = set()
        async for record in read_to_end(here.settings, here.settings.topic(CONVERSATION_EVENTS.name), start=place):
            if dict(record.headers).get("ce_type") != ContentErased.type_name().encode():
                continue
            fact = decode(dict(record.headers), record.value, MODELS).data
            assert isinstance(fact, ContentErased)
            people.add(fact.contact_id)
            texts = [content_id(m, kind) for m in fact.message_ids for kind in ("content", "answer")]
            await content.delete([*texts, *(content_id(i, "raw") for i in fact.ledger_ids), *fact.blob_ids])
        for contact_id in sorted(people):
            await _ask(here, contact_id, agent, whole=False)
        return len(people)

    typer.echo(f"{_run(work)} people: texts deleted, erasure asked for once more; see `postroom erase status`")
