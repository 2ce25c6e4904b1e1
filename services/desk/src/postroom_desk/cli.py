"""`postroom config apply`: writes a checked configuration file as the next version and publishes it."""

import asyncio
import getpass
from pathlib import Path
from typing import Annotated

import typer
from postroom_contracts.configuration import Configuration
from postroom_runtime import mongo
from postroom_runtime.cli import fail
from postroom_runtime.cli_config import config, summary
from postroom_runtime.clock import SystemClock
from postroom_runtime.configuration_file import ConfigurationFileError, load_configuration
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.settings import RuntimeSettings

from postroom_desk.adapters.configuration_publisher import KafkaConfigurationPublisher
from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.audit.cli import audit
from postroom_desk.audit.port import Entry
from postroom_desk.audit.store import MongoAuditStore
from postroom_desk.audit.writer import QueuedAudit
from postroom_desk.configuration_writer import ConfigurationWriter, VersionConflictError


def register(app: typer.Typer) -> None:
    """Add the group `audit`, and `apply` to the group `config`, which the runtime registers."""
    app.add_typer(audit, name="audit")
    if not any(command.name == "apply" for command in config.registered_commands):
        config.command("apply")(apply)


def apply(
    file: Annotated[Path, typer.Argument(help="The configuration file (YAML).")],
    expected_version: Annotated[
        int | None,
        typer.Option("--expected-version", min=0, help="Refuse unless this is the version that stands there."),
    ] = None,
) -> None:
    """Check FILE and make it the company's configuration. A faulty file, or the same content again, changes nothing."""
    try:
        configuration = load_configuration(file)
    except ConfigurationFileError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from error
    settings = RuntimeSettings()
    try:
        version, new = asyncio.run(
            write(settings, configuration, applied_by=_user(), expected_version=expected_version)
        )
    except VersionConflictError as error:
        raise fail(f"{error}; look at what changed, then apply with --expected-version {error.latest}") from error
    except InfrastructureError as error:
        raise fail(
            f"{error} (POSTROOM_MONGO_URI, POSTROOM_KAFKA_BOOTSTRAP); what was stored is published by the next apply"
        ) from error
    typer.echo(f"version {version} {'applied' if new else 'stands already'}: {summary(configuration)}")


async def write(
    settings: RuntimeSettings,
    configuration: Configuration,
    *,
    applied_by: str = "",
    expected_version: int | None = None,
) -> tuple[int, bool]:
    """Return (version, whether it is new) of a checked configuration. Raises what ConfigurationWriter.apply raises."""
    client = mongo.connect(settings)
    try:
        writer = ConfigurationWriter(
            MongoConfigurationStore(mongo.database(client, settings, "desk")),
            KafkaConfigurationPublisher(settings),
            SystemClock(settings.clock_offset_seconds),
        )
        version, new = await writer.apply(configuration, applied_by=applied_by, expected_version=expected_version)
        if new:
            audit_log = QueuedAudit(MongoAuditStore(mongo.database(client, settings, "desk")), writer.clock)
            await _recorded(audit_log, Entry("configuration-applied", about=str(version), details={"by": applied_by}))
        return version, new
    finally:
        await mongo.close(client)


async def _recorded(audit_log: QueuedAudit, entry: Entry) -> None:
    """Write one entry from a command. Raises InfrastructureError."""
    writing = asyncio.create_task(audit_log.run())
    try:
        await audit_log.record(entry)
    finally:
        writing.cancel()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
