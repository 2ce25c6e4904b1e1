"""`postroom user ...`: who may log in. People are agents of the configuration; here they get and lose their credentials."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, TypeVar

import typer
from postroom_contracts.configuration import Agent, Configuration
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import SystemClock
from postroom_runtime.errors import InfrastructureError

from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.adapters.identity_stores import identity_stores, prepare_identity
from postroom_desk.audit.command import command_user, record_command
from postroom_desk.identity.administration import Known
from postroom_desk.identity.build import identity_of
from postroom_desk.identity.links import LASTS, Purpose, address
from postroom_desk.identity.parts import Identity
from postroom_desk.settings import DeskSettings

T = TypeVar("T")
Did = Callable[..., Awaitable[None]]
"""Tells the audit: action, whom it concerns, details."""
Made = tuple[Agent, str | None]
"""Whose link it is, and what stands in its address; None: the desk mails it."""
_OUT = frozenset({"disabled", "not_enabled", "gone"})
app = typer.Typer(help="Who may log in to the desk.", no_args_is_help=True)
AgentId = Annotated[
    str, typer.Argument(metavar="AGENT", help="The id or mail address of an agent of the configuration.")
]

PrintIt = Annotated[bool, typer.Option("--print", help="Print the link, also where it could be mailed.")]


def register(parent: typer.Typer) -> None:
    """Hang these commands under the one program."""
    parent.add_typer(app, name="user")


@app.command("add")
def add(agent: AgentId, *, print_it: PrintIt = False) -> None:
    """Let an agent log in, by a link with which they choose a password (7 days, once). Again: a new link."""

    async def work(identity: Identity, configuration: Configuration, did: Did) -> Made:
        found = _agent(configuration, agent)
        await identity.people.add(found.id)
        await did("person-invited", found.id)
        return await _made(identity, configuration, found, "invitation", print_it=print_it)

    _say(_with_identity(work), "invitation")


@app.command("reset")
def reset(
    agent: AgentId,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Also take off the second factor, which was lost.")
    ] = False,
    *,
    print_it: PrintIt = False,
) -> None:
    """Give an agent a link by which they choose another password (24 hours, once). Until then the old one stays."""

    async def work(identity: Identity, configuration: Configuration, did: Did) -> Made:
        found = _agent(configuration, agent)
        person = await identity.people.get(found.id)
        if person is None or person.disabled:
            raise typer.BadParameter(f"{found.id} may not log in; `postroom user add {found.id}` lets them")
        if second_factor:
            await identity.people.set_second_factor(found.id, None, [], 0)
            await identity.sessions.store.remove_of(found.id)
            await did("second-factor-taken-off", found.id)
        await did("reset-link-made", found.id)
        return await _made(identity, configuration, found, "reset", print_it=print_it)

    _say(_with_identity(work), "reset")


@app.command("disable")
def disable(agent: AgentId) -> None:
    """End all sessions, links and API tokens of an agent, and let them log in no more until `add`."""

    async def work(identity: Identity, configuration: Configuration, did: Did) -> str:
        """An agent who is gone from the configuration can still be named by id."""
        known = [a for a in configuration.agents if agent in (a.id, a.email)]
        agent_id = known[0].id if known else agent
        if not await identity.credentials.disable(agent_id):
            raise typer.BadParameter(f"{agent_id} has never been let in")
        await did("person-disabled", agent_id)
        return agent_id

    typer.echo(f"{_with_identity(work)} is out: sessions, links and tokens have ended")


@app.command("list")
def show() -> None:
    """List who may log in: agent, role, state, second factor, what became of the latest mail with a link."""

    async def work(identity: Identity, configuration: Configuration, _did: Did) -> list[str]:
        lines = []
        for known in await identity.administration.all(configuration):
            if known.person is None:
                continue
            role = known.agent.role if known.agent else "-"
            state = "out" if known.state in _OUT else known.state.replace("_", " ")
            factor = "second factor" if known.person.second_factor is not None else "-"
            lines.append(f"{known.agent_id:24} {role:8} {state:14} {factor:13} {_letter(known)}".rstrip())
        return lines

    lines = _with_identity(work)
    typer.echo("\n".join(lines) if lines else "nobody yet: postroom user add AGENT")


def _letter(known: Known) -> str:
    """Return what became of the latest mail with a link."""
    letter = known.letter
    if letter is None:
        return ""
    return f"{letter.purpose} mail {letter.state}{f': {letter.reason}' if letter.reason else ''}"


def _agent(configuration: Configuration, name: str) -> Agent:
    found = [a for a in configuration.agents if name == a.id or name.casefold() == a.email.casefold()]
    if len(found) != 1:
        raise typer.BadParameter(f"{name!r} is no agent of the configuration (or several)")
    if not found[0].enabled:
        raise typer.BadParameter(f"{found[0].id} is not enabled in the configuration")
    return found[0]


async def _made(
    identity: Identity, configuration: Configuration, agent: Agent, purpose: Purpose, *, print_it: bool
) -> Made:
    """Have the link mailed by the desk, or return it where that cannot be, or was not wanted."""
    if identity.letters.can_send(configuration) and not print_it:
        await identity.letters.want(agent, purpose, "", command_user())
        return agent, None
    return agent, await identity.credentials.link(agent.id, purpose, command_user())


def _say(made: Made, purpose: Purpose) -> None:
    agent, token = made
    days = LASTS[purpose].total_seconds() / 86_400
    if token is None:
        typer.echo(f"the desk mails the link to {agent.email}; `postroom user list` says what became of it")
        return
    base = DeskSettings().public_url
    typer.echo(f"{agent.id} chooses a password here, once, within {days:g} day{'s' if days > 1 else ''}:")
    typer.echo(address(base, purpose, token))
    if base is None:
        typer.echo("(behind the desk's address; set POSTROOM_PUBLIC_URL to have it printed whole)", err=True)


def _with_identity(work: Callable[[Identity, Configuration, Did], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_connected(work))
    except InfrastructureError as error:
        raise fail(f"{error} (POSTROOM_MONGO_URI)") from error


async def _connected(work: Callable[[Identity, Configuration, Did], Awaitable[T]]) -> T:
    settings = DeskSettings()
    client = mongo.connect(settings)
    try:
        database = mongo.database(client, settings, "desk")
        latest = await MongoConfigurationStore(database).latest()
        if latest is None:
            raise fail("there is no configuration yet: run `postroom config apply FILE` first")
        configuration = latest.configuration
        clock = SystemClock(settings.clock_offset_seconds)
        await prepare_identity(database)
        did = partial(record_command, database, clock)
        return await work(identity_of(identity_stores(database), settings, clock), configuration, did)
    finally:
        await mongo.close(client)
