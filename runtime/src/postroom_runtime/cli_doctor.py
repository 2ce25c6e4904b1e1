"""`postroom doctor`: is everything there that the services need, and if not, what to do."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from importlib.metadata import entry_points

import typer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from postroom_contracts.topics import all_topics
from rich.console import Console

from postroom_runtime import mongo
from postroom_runtime.clock import SystemClock
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.kafka import client_options
from postroom_runtime.secret_cipher import SealError
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stored_secrets import is_old, open_secrets, sealer_of

ANSWER_SECONDS = 5.0
_SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")


@dataclass(frozen=True, slots=True)
class Finding:
    """One check. `remedy` says what to do when it is not well."""

    name: str
    well: bool
    detail: str
    remedy: str = ""


Check = Callable[[RuntimeSettings], Awaitable[Finding]]


def register(app: typer.Typer) -> None:
    app.command("doctor")(doctor)


def doctor() -> None:
    """Check settings, Kafka, topics, MongoDB, configuration and what is installed. Exit 1 when something is missing."""
    console = Console(highlight=False, soft_wrap=True)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it would say is said below, with its remedy
    findings = asyncio.run(examine(RuntimeSettings()))
    for finding in findings:
        mark = "[green]ok[/green]  " if finding.well else "[red]no[/red]  "
        console.print(f"{mark}{finding.name}: {finding.detail}")
        if not finding.well and finding.remedy:
            console.print(f"      {finding.remedy}")
    if not all(finding.well for finding in findings):
        raise typer.Exit(1)


async def examine(settings: RuntimeSettings) -> list[Finding]:
    """Return what was found, each check within a few seconds."""
    return [await check(settings) for check in (_installed, _keys, _secrets, _kafka, _topics, _mongo, _configuration)]


async def _installed(_settings: RuntimeSettings) -> Finding:
    there = {found.name for found in entry_points(group="postroom.services")}
    missing = [name for name in _SERVICES if name not in there]
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
    except (KafkaError, OSError, TimeoutError) as error:
        return Finding("topics", False, f"not read: {type(error).__name__}")
    finally:
        await admin.close()
    missing = [settings.topic(t.name) for t in all_topics() if settings.topic(t.name) not in existing]
    detail = f"{len(all_topics()) - len(missing)} of {len(all_topics())} exist"
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


async def _configuration(settings: RuntimeSettings) -> Finding:
    configurations = Configurations()
    feed = ConfigurationFeed(settings, configurations)
    try:
        await feed.start(wait_for_first=ANSWER_SECONDS)
    except (TimeoutError, KafkaError, InfrastructureError, OSError, LookupError) as error:
        return Finding("configuration", False, str(error) or type(error).__name__, "run `postroom config apply FILE`")
    finally:
        await feed.stop()
    company = configurations.latest.company.name
    return Finding("configuration", True, f"version {configurations.latest_version} of {company}")
