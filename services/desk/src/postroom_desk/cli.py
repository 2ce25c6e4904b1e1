"""`postroom config apply`: writes a checked configuration file as the next version and publishes it."""

import asyncio
import getpass
from pathlib import Path
from typing import Annotated

import typer
from postroom_contracts.configuration import Configuration, ConfigurationApplied
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
from postroom_desk.keeping import InvalidMergeError, with_changes_of_the_desk
from postroom_desk.merging import MergeConflictError
from postroom_desk.settings_text import as_yaml


def register(app: typer.Typer) -> None:
    """Add the group `audit`, and `apply` to the group `config`, which the runtime registers."""
    app.add_typer(audit, name="audit")
    if not any(command.name == "apply" for command in config.registered_commands):
        config.command("apply")(apply)
        config.command("export")(export)


def apply(
    file: Annotated[Path, typer.Argument(help="The configuration file (YAML).")],
    expected_version: Annotated[
        int | None,
        typer.Option("--expected-version", min=0, help="Refuse unless this is the version that stands there."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Overwrite what was changed in the desk since the last file.")
    ] = False,
) -> None:
    """Check FILE and make it the company's configuration. A faulty file, or the same content again, changes nothing.

    What was changed in the desk since the last file stays, unless the file changes it too: then it is named and nothing changes.
    """
    try:
        configuration = load_configuration(file)
    except ConfigurationFileError as error:
        for problem in error.problems:
            typer.echo(str(problem), err=True)
        raise typer.Exit(1) from error
    settings = RuntimeSettings()
    try:
        version, new = asyncio.run(
            write(settings, configuration, applied_by=_user(), expected_version=expected_version, keep=not force)
        )
    except MergeConflictError as error:
        raise fail(f"{error}; see `postroom config export`, or overwrite them with --force") from error
    except InvalidMergeError as error:
        raise fail(f"with what was changed in the desk since: {error}; see `postroom config export`") from error
    except VersionConflictError as error:
        raise fail(f"{error}; look at what changed, then apply with --expected-version {error.latest}") from error
    except InfrastructureError as error:
        raise fail(
            f"{error} (POSTROOM_MONGO_URI, POSTROOM_KAFKA_BOOTSTRAP); what was stored is published by the next apply"
        ) from error
    typer.echo(f"version {version} {'applied' if new else 'stands already'}: {summary(configuration)}")


def export(
    version: Annotated[
        int | None, typer.Option("--version", min=1, help="An earlier one; default: the newest.")
    ] = None,
) -> None:
    """Print the configuration as it stands, as a file: what was changed in the desk is in it."""
    settings = RuntimeSettings()
    try:
        applied = asyncio.run(_stored(settings, version))
    except InfrastructureError as error:
        raise fail(f"{error} (POSTROOM_MONGO_URI)") from error
    if applied is None:
        raise fail("there is no configuration yet" if version is None else f"there is no version {version}")
    typer.echo(f"# version {applied.configuration_version}, applied by {applied.applied_by or 'nobody'}")
    typer.echo(as_yaml(applied.configuration), nl=False)


async def _stored(settings: RuntimeSettings, version: int | None) -> ConfigurationApplied | None:
    client = mongo.connect(settings)
    try:
        store = MongoConfigurationStore(mongo.database(client, settings, "desk"))
        return await (store.latest() if version is None else store.at(version))
    finally:
        await mongo.close(client)


async def write(
    settings: RuntimeSettings,
    configuration: Configuration,
    *,
    applied_by: str = "",
    expected_version: int | None = None,
    keep: bool = False,
) -> tuple[int, bool]:
    """Return (version, whether it is new) of a checked configuration. Raises what ConfigurationWriter.apply raises.

    `keep`: what the desk changed since the last file stays. Raises MergeConflictError, InvalidMergeError.
    """
    client = mongo.connect(settings)
    try:
        writer = ConfigurationWriter(
            MongoConfigurationStore(mongo.database(client, settings, "desk")),
            KafkaConfigurationPublisher(settings),
            SystemClock(settings.clock_offset_seconds),
        )
        if keep:
            configuration, latest = await with_changes_of_the_desk(writer.store, configuration)
            expected_version = latest if expected_version is None else expected_version
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
