"""`postroom topics apply|list`."""

import asyncio
from typing import Annotated

import typer
import yaml
from aiokafka.errors import KafkaError
from postroom_contracts.topics import all_topics

from postroom_runtime.cli import fail
from postroom_runtime.kafka import create_topics
from postroom_runtime.kafka_users import acl_commands, user_manifests
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_manifests import topic_manifests

topics_app = typer.Typer(no_args_is_help=True, help="Kafka topics as the contracts declare them.")


def register(app: typer.Typer) -> None:
    app.add_typer(topics_app, name="topics")


@topics_app.command("apply")
def apply() -> None:
    """Create the topics that are missing. Existing ones are never changed."""
    settings = RuntimeSettings()
    try:
        created, existing = asyncio.run(create_topics(settings, all_topics()))
    except (KafkaError, OSError, TimeoutError) as error:
        raise fail(
            f"Kafka at {settings.kafka_bootstrap} (POSTROOM_KAFKA_BOOTSTRAP): {error or type(error).__name__}"
        ) from error
    for name in created:
        typer.echo(f"created  {name}")
    for name in existing:
        typer.echo(f"exists   {name}")


@topics_app.command("list")
def list_topics() -> None:
    """Print every declared topic: name, key, who writes and reads it, how long it is kept."""
    settings = RuntimeSettings()
    for topic in all_topics():
        kept = "for ever" if topic.retention_ms < 0 else f"{topic.retention_ms // 86_400_000} d"
        route = f"{', '.join(topic.writers) or '-'} -> {', '.join(topic.readers) or 'operators'}"
        typer.echo(f"{settings.topic(topic.name)}\n    key {topic.key}; {route}; kept {kept}\n    {topic.description}")


@topics_app.command("manifests")
def manifests(
    cluster: Annotated[str, typer.Option(help="Name of the Strimzi cluster.")],
    namespace: Annotated[
        str | None, typer.Option(help="Where that cluster is; none: as the caller applies them.")
    ] = None,
) -> None:
    """Print every declared topic as a KafkaTopic of Strimzi, with this deployment's prefix, partitions and replication."""
    made = topic_manifests(RuntimeSettings(), cluster=cluster, namespace=namespace)
    typer.echo(yaml.safe_dump_all(made, sort_keys=False), nl=False)


@topics_app.command("users")
def users(
    cluster: Annotated[str, typer.Option(help="Name of the Strimzi cluster.")],
    namespace: Annotated[
        str | None, typer.Option(help="Where that cluster is; none: as the caller applies them.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="What the users' names begin with, such as the Helm release's.")
    ] = "postroom",
    tls: Annotated[bool, typer.Option("--tls", help="They log in by certificate; else by SCRAM-SHA-512.")] = False,
) -> None:
    """Print a KafkaUser of Strimzi for each service, with the rights that it needs and no other."""
    made = user_manifests(RuntimeSettings(), cluster=cluster, namespace=namespace, name=name, tls=tls)
    typer.echo(yaml.safe_dump_all(made, sort_keys=False), nl=False)


@topics_app.command("acls")
def acls(
    name: Annotated[str, typer.Option(help="What the users' names begin with: User:NAME-router, ...")] = "postroom",
) -> None:
    """Print the calls of kafka-acls.sh that give each service's user its rights; $KAFKA holds --bootstrap-server and log-in."""
    typer.echo("\n".join(acl_commands(RuntimeSettings(), name=name)))
