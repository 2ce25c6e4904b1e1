"""`postroom user ...`: who may log in. People are agents of the configuration; here they get and lose their credentials."""

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from postroom_contracts.configuration import Agent, Configuration
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.clock import SystemClock
from postroom_runtime.errors import InfrastructureError

from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.adapters.identity_stores import identity_stores, prepare_identity
from postroom_desk.identity.build import identity_of
from postroom_desk.identity.links import LASTS, Purpose, address
from postroom_desk.identity.parts import Identity
from postroom_desk.settings import DeskSettings

T = TypeVar("T")
app = typer.Typer(help="Who may log in to the desk.", no_args_is_help=True)
AgentId = Annotated[
    str, typer.Argument(metavar="AGENT", help="The id or mail address of an agent of the configuration.")
]


def register(parent: typer.Typer) -> None:
    """Hang these commands under the one program."""
    parent.add_typer(app, name="user")


@app.command("add")
def add(agent: AgentId) -> None:
    """Let an agent log in, and print the link by which they choose a password (7 days, once). Again: a new link."""

    async def work(identity: Identity, configuration: Configuration) -> tuple[Agent, str]:
        found = _agent(configuration, agent)
        await identity.people.add(found.id)
        return found, await identity.credentials.link(found.id, "invitation", command_user())

    _print_link(*_with_identity(work), "invitation")


@app.command("reset")
def reset(
    agent: AgentId,
    second_factor: Annotated[
        bool, typer.Option("--second-factor", help="Also take off the second factor, which was lost.")
    ] = False,
) -> None:
    """Print a link by which an agent chooses another password (24 hours, once). Until then the old one stays."""

    async def work(identity: Identity, configuration: Configuration) -> tuple[Agent, str]:
        found = _agent(configuration, agent)
        person = await identity.people.get(found.id)
        if person is None or person.disabled:
            raise typer.BadParameter(f"{found.id} may not log in; `postroom user add {found.id}` lets them")
        if second_factor:
            await identity.people.set_second_factor(found.id, None, [], 0)
            await identity.sessions.store.remove_of(found.id)
        return found, await identity.credentials.link(found.id, "reset", command_user())

    _print_link(*_with_identity(work), "reset")


@app.command("disable")
def disable(agent: AgentId) -> None:
    """End all sessions, links and API tokens of an agent, and let them log in no more until `add`."""

    async def work(identity: Identity, configuration: Configuration) -> str:
        """An agent who is gone from the configuration can still be named by id."""
        known = [a for a in configuration.agents if agent in (a.id, a.email)]
        agent_id = known[0].id if known else agent
        if not await identity.credentials.disable(agent_id):
            raise typer.BadParameter(f"{agent_id} has never been let in")
        return agent_id

    typer.echo(f"{_with_identity(work)} is out: sessions, links and tokens have ended")


@app.command("list")
def show() -> None:
    """List who may log in: agent, role, whether there is a password and a second factor."""

    async def work(identity: Identity, configuration: Configuration) -> list[str]:
        lines = []
        for person in await identity.people.all():
            agent = configuration.agent(person.agent_id)
            off = person.disabled or agent is None or not agent.enabled
            state = "out" if off else "password" if person.password_hash else "invited"
            factor = "second factor" if person.second_factor is not None else "-"
            lines.append(f"{person.agent_id:24} {agent.role if agent else '-':8} {state:10} {factor}")
        return lines

    lines = _with_identity(work)
    typer.echo("\n".join(lines) if lines else "nobody yet: postroom user add AGENT")


def _agent(configuration: Configuration, name: str) -> Agent:
    found = [a for a in configuration.agents if name == a.id or name.casefold() == a.email.casefold()]
    if len(found) != 1:
        raise typer.BadParameter(f"{name!r} is no agent of the configuration (or several)")
    if not found[0].enabled:
        raise typer.BadParameter(f"{found[0].id} is not enabled in the configuration")
    return found[0]


def _print_link(agent: Agent, token: str, purpose: Purpose) -> None:
    base = DeskSettings().public_url
    days = LASTS[purpose].total_seconds() / 86_400
    typer.echo(f"{agent.id} chooses a password here, once, within {days:g} day{'s' if days > 1 else ''}:")
    typer.echo(address(base, purpose, token))
    if base is None:
        typer.echo("(behind the desk's address; set POSTROOM_PUBLIC_URL to have it printed whole)", err=True)


def _with_identity(work: Callable[[Identity, Configuration], Awaitable[T]]) -> T:
    try:
        return asyncio.run(_connected(work))
    except InfrastructureError as error:
        raise fail(f"{error} (POSTROOM_MONGO_URI)") from error


async def _connected(work: Callable[[Identity, Configuration], Awaitable[T]]) -> T:
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
        return await work(identity_of(identity_stores(database), settings, clock), configuration)
    finally:
        await mongo.close(client)


def command_user() -> str:
    """Return who types the command, for records of what was changed by whom."""
    try:
        return f"command line, {getpass.getuser()}"
    except (KeyError, OSError):
        return "command line"
