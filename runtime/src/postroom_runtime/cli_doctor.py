"""`postroom doctor`: is everything there that the services need, and if not, what to do."""

import asyncio
import logging
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from postroom_contracts.configuration import Configuration
from postroom_contracts.topics import all_topics
from rich.console import Console

from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.doctor_checks import clock, groups, versions
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.findings import ANSWER_SECONDS, CHECKS, Check, Finding
from postroom_runtime.kafka import client_options
from postroom_runtime.retention import retention_faults
from postroom_runtime.secret_cipher import SealError
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stored_secrets import is_old, open_secrets, sealer_of
from postroom_runtime.support_bundle import write_bundle

SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor(
    bundle: Annotated[
        Path | None, typer.Option(help="Also write what was found, without secrets and addresses, into this .tar.gz.")
    ] = None,
    logs: Annotated[list[Path] | None, typer.Option(help="A log file whose end goes into the bundle.")] = None,
    metrics: Annotated[list[str] | None, typer.Option(help="A /metrics address whose answer goes into it.")] = None,
) -> None:
    """Check settings, Kafka, topics, groups, MongoDB, indexes, configuration, mail accounts, clock, versions.

    Exit 1 when something is missing.
    """
    console = Console(highlight=False, soft_wrap=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is said below, with its remedy
    settings = RuntimeSettings()
    findings, configuration = asyncio.run(examine(settings))
    for finding in findings:
        mark = "[green]ok[/green]  " if finding.well else "[red]no[/red]  "
        console.print(f"{mark}{finding.name}: {finding.detail}")
        if not finding.well and finding.remedy:
            console.print(f"      {finding.remedy}")
    if bundle is not None:
        write_bundle(bundle, settings, findings, configuration, logs or [], metrics or [])
        console.print(f"written: {bundle}; look into it before you give it away")
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


async def examine(settings: RuntimeSettings) -> tuple[list[Finding], Configuration | None]:
    """Return what was found, each check within a few seconds, and the configuration if it could be read."""
    found = [
        await check(settings)
        for check in (_installed, versions, _keys, _secrets, _kafka, _topics, groups, _mongo, clock)
    ]
    configured, configuration = await _configuration(settings)
    found.append(configured)
    for entry in sorted(entry_points(group=CHECKS), key=lambda e: e.name):
        check: Check = entry.load()
        found += await check(settings, configuration)
    return found, configuration


async def _installed(_settings: RuntimeSettings) -> Finding:
    there = {found.name for found in entry_points(group="postroom.services")}
    missing = [name for name in SERVICES if name not in there]
    detail = f"services {', '.join(sorted(there)) or 'none'}"
    return Finding("installed", not missing, detail, f"missing: {', '.join(missing)}; run `make setup`")


async def _keys(settings: RuntimeSettings) -> Finding:
    try:
        keys = settings.keys()
    except (ValueError, OSError) as error:
        return Finding("signing keys", False, str(error), "for example: head -c 32 /dev/urandom | base64 > signing-key")
    short = any(len(key) < 16 for key in keys)  # noqa: PLR2004 - as signed_ids asks
    return Finding("signing keys", not short, f"{len(keys)} set", "a key needs at least 16 bytes")


async def _secrets(settings: RuntimeSettings) -> Finding:
    """Can what is sealed be opened, and is any of it old?"""
    client = mongo.connect(settings.model_copy(update={"mongo_timeout_seconds": ANSWER_SECONDS}))
    clock = SystemClock(settings.clock_offset_seconds)
    try:
        found = await open_secrets(client, settings, clock).store.all()
        for secret in found:
            sealer_of(settings).open(secret.sealed, secret.name)
    except SealError as error:
        return Finding("secrets", False, str(error), "give the key that they were sealed with, or set them anew")
    except InfrastructureError as error:
        return Finding("secrets", False, f"not read: {error}")
    finally:
        await mongo.close(client)
    days = settings.secret_reminder_days
    old = [s.name for s in found if is_old(s, clock.now(), days)]
    reminder = f"; set longer ago than {days} days: {', '.join(old)}" if old else ""
    return Finding("secrets", True, f"{len(found)} stored{reminder}")


async def _kafka(settings: RuntimeSettings) -> Finding:
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=int(ANSWER_SECONDS * 1000))
    remedy = "set POSTROOM_KAFKA_BOOTSTRAP, or start a broker: `docker compose up kafka`, `make demo`"
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await admin.start()
            brokers = (await admin.describe_cluster())["brokers"]
    except (KafkaError, OSError, TimeoutError) as error:
        return Finding("kafka", False, f"{settings.kafka_bootstrap}: {error or type(error).__name__}", remedy)
    finally:
        await admin.close()
    return Finding("kafka", True, f"{settings.kafka_bootstrap}, {len(brokers)} broker(s)")


async def _topics(settings: RuntimeSettings) -> Finding:
    admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=int(ANSWER_SECONDS * 1000))
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            await admin.start()
            existing = set(await admin.list_topics())
            faults = await retention_faults(settings)
    except (KafkaError, OSError, TimeoutError) as error:
        return Finding("topics", False, f"not read: {type(error).__name__}", "see kafka")
    finally:
        await admin.close()
    missing = [settings.topic(t.name) for t in all_topics() if settings.topic(t.name) not in existing]
    detail = f"{len(all_topics()) - len(missing)} of {len(all_topics())} exist"
    if faults:
        return Finding("topics", False, detail, "; ".join(faults))
    return Finding("topics", not missing, detail, "run `postroom topics apply`")


async def _mongo(settings: RuntimeSettings) -> Finding:
    client = mongo.connect(settings.model_copy(update={"mongo_timeout_seconds": ANSWER_SECONDS}))
    remedy = "set POSTROOM_MONGO_URI; a replica set is needed (transactions), one member is enough for trial"
    try:
        hello = await client.admin.command("hello")
    except Exception as error:  # noqa: BLE001 - whatever the driver says, it is shown
        return Finding("mongodb", False, type(error).__name__, remedy)
    finally:
        await mongo.close(client)
    name = hello.get("setName")
    return Finding("mongodb", bool(name), f"replica set {name}" if name else "not a replica set", remedy)


async def _configuration(settings: RuntimeSettings) -> tuple[Finding, Configuration | None]:
    configurations = Configurations()
    feed = ConfigurationFeed(settings, configurations)
    try:
        await feed.start(wait_for_first=ANSWER_SECONDS)
    except (TimeoutError, KafkaError, InfrastructureError, OSError, LookupError) as error:
        remedy = "run `postroom config apply FILE`"
        return Finding("configuration", False, str(error) or type(error).__name__, remedy), None
    finally:
        await feed.stop()
    latest = configurations.latest
    detail = f"version {configurations.latest_version} of {latest.company.name}"
    return Finding("configuration", True, detail), latest
