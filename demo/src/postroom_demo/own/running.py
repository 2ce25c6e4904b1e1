"""`postroom run --local all`: everything on one's own mailbox, with Kafka and MongoDB of its own; read-only until `--live`."""

import asyncio
import base64
import contextlib
import os
import secrets
import signal
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from postroom_contracts.configuration import Configuration
from postroom_contracts.topics import all_topics
from postroom_desk.cli import write as write_configuration
from postroom_local.errors import LocalServerError
from postroom_local.kafka import KafkaServer
from postroom_local.mongo import MongoServer
from postroom_local.ports import free_port, require_free
from postroom_local.setup import prepare
from postroom_runtime.cli import fail
from postroom_runtime.configuration_file import ConfigurationFileError, load_configuration, unresolved_secrets
from postroom_runtime.kafka import create_topics
from postroom_runtime.read_only import MARK
from postroom_runtime.settings import RuntimeSettings
from pydantic import SecretStr

from postroom_demo.place import DemoError, Place, write_private
from postroom_demo.progress import Progress
from postroom_demo.services import SERVICES, Service, Supervisor

LOOK_SECONDS = 0.3
_KEY_BYTES = 32
_ENDED_BY_HAND = 130


def run_local(*, config: Path, data: Path, live: bool, port: int | None) -> int:
    """Run until Ctrl-C; return the exit code. What is wrong is said in one line each, with what to do."""
    configuration = _checked(config)
    place = Place(data)
    progress = Progress()
    try:
        place.lock()
        if port is not None:
            require_free(port, "the page", "--port")
        prepare(lambda line: progress.line(line) if "fetching" in line or line.startswith("  ") else None)
        return asyncio.run(_until_told(configuration, place, progress, live=live, port=port))
    except (DemoError, LocalServerError) as error:
        raise fail(str(error)) from error
    finally:
        place.unlock()


def _checked(config: Path) -> Configuration:
    if not config.exists():
        raise fail(f"no {config}: `postroom init` writes one, --config names another", 2)
    try:
        configuration = load_configuration(config)
    except ConfigurationFileError as error:
        raise fail("\n".join(map(str, error.problems)), 2) from error
    if missing := unresolved_secrets(configuration, os.environ):
        raise fail("\n".join(f"{config}: {secret}" for secret in missing), 2)
    return configuration


async def _until_told(
    configuration: Configuration, place: Place, progress: Progress, *, live: bool, port: int | None
) -> int:
    task = asyncio.ensure_future(_run(configuration, place, progress, live=live, port=port))
    asked = 0

    def on_signal() -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            os._exit(_ENDED_BY_HAND)  # children are killed by the kernel
        progress.line("stopping (again Ctrl-C: at once)")
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, on_signal)
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return 0


async def _run(configuration: Configuration, place: Place, progress: Progress, *, live: bool, port: int | None) -> None:
    async with _servers(place, progress) as (kafka, mongo):
        settings = RuntimeSettings(kafka_bootstrap=kafka.bootstrap, mongo_uri=SecretStr(mongo.uri))
        await create_topics(settings, all_topics())
        version, _ = await write_configuration(settings, configuration, applied_by="run --local")
        progress.line(f"configuration version {version}")
        environment = {"POSTROOM_KAFKA_BOOTSTRAP": kafka.bootstrap, "POSTROOM_MONGO_URI": mongo.uri}
        environment["POSTROOM_TOKEN_KEYS_FILE"] = str(_token_key(place))
        supervisor = _supervisor(place, progress, environment, live=live, port=port)
        try:
            with progress.doing("starting the six services", "six services are ready"):
                supervisor.start()
                await supervisor.wait_ready()
            _greet(progress, supervisor, environment, live=live)
            async with asyncio.TaskGroup() as group:
                group.create_task(supervisor.watch())
                group.create_task(_repeat(place, progress))
        finally:
            await supervisor.stop()


@contextlib.asynccontextmanager
async def _servers(place: Place, progress: Progress) -> AsyncIterator[tuple[KafkaServer, MongoServer]]:
    kafka = KafkaServer(place.directory("kafka"), progress=progress.line)
    mongo = MongoServer(place.directory("mongo"))

    def start() -> None:
        with ThreadPoolExecutor(2) as threads:
            starting = [threads.submit(kafka.start), threads.submit(mongo.start)]
        for one in starting:
            one.result()

    def stop() -> None:
        mongo.stop()
        kafka.stop()

    starting = asyncio.ensure_future(asyncio.to_thread(start))
    try:
        with progress.doing("starting Kafka and MongoDB", "Kafka and MongoDB are up"):
            await asyncio.shield(starting)
        yield kafka, mongo
    finally:
        await asyncio.wait([starting])
        await asyncio.to_thread(stop)


def _token_key(place: Place) -> Path:
    file = place.secret_file("token-key")
    if not file.exists():
        write_private(file, base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())
    return file.absolute()


def _supervisor(
    place: Place, progress: Progress, environment: dict[str, str], *, live: bool, port: int | None
) -> Supervisor:
    ports = {name: free_port() for name in SERVICES}
    ports["desk"] = port or ports["desk"]
    services = {name: Service(name, ports[name], place.logs / f"{name}.log") for name in SERVICES}
    place.secret("signing-key")
    return Supervisor(
        services,
        {
            **environment,
            "POSTROOM_SIGNING_KEYS_FILE": str(place.secret_file("signing-key").absolute()),
            "POSTROOM_READ_ONLY": "false" if live else "true",
            "POSTROOM_DESK_OPEN": "true",
            "POSTROOM_DESK_URL": services["desk"].url,
            "POSTROOM_ANALYTICS_URL": services["analytics"].url,
            "POSTROOM_NOTIFIER_URL": services["notifier"].url,
            "POSTROOM_ROUTER_URL": services["router"].url,
            "POSTROOM_HTTP_HOST": "127.0.0.1",
        },
        progress.line,
    )


def _greet(progress: Progress, supervisor: Supervisor, environment: dict[str, str], *, live: bool) -> None:
    say = progress.console.print
    say(f"\n[bold]The page: {supervisor.services['desk'].url}/[/bold]\n")
    if live:
        say("LIVE: mail is sent, and marked, moved or deleted as the configuration says.", markup=False)
    else:
        say(
            "Read-only: nothing is sent, marked, moved or deleted; what would have been done is said here.",
            markup=False,
        )
        say("A reply that is written now is shown as not sent. `--live` does it all from then on.", markup=False)
    say("For other commands (postroom ingest import, audit, connect; events tail) in another terminal:", markup=False)
    exports = " ".join(f"{name}='{value}'" for name, value in environment.items())
    say(f"  export {exports}", markup=False, soft_wrap=True)
    say("Ctrl-C ends it; everything is kept.\n", markup=False)


async def _repeat(place: Place, progress: Progress) -> None:
    """Say what the services say that they would have done."""
    read = dict.fromkeys(("ingest", "notifier"), 0)
    while True:
        for name in read:
            for line in _news(place.logs / f"{name}.log", read, name):
                if line.startswith(MARK):
                    progress.line(line)
        await asyncio.sleep(LOOK_SECONDS)


def _news(file: Path, read: dict[str, int], name: str) -> list[str]:
    """Return the whole lines that were written since the last look."""
    try:
        with file.open("rb") as log:
            log.seek(read[name])
            found = log.read()
    except OSError:
        return []
    whole = found[: found.rfind(b"\n") + 1]
    read[name] += len(whole)
    return whole.decode("utf-8", "replace").splitlines()
