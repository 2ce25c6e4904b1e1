"""KafkaTopic resources say what `postroom topics apply` would make."""

import pytest
import yaml
from postroom_runtime.cli import build
from typer.testing import CliRunner


def manifests(*options: str, **env: str) -> dict[str, dict[str, object]]:
    done = CliRunner().invoke(build("topics"), ["topics", "manifests", "--cluster", "main", *options], env=env)
    assert done.exit_code == 0, done.output
    return {made["metadata"]["name"]: made for made in yaml.safe_load_all(done.stdout)}


def test_each_topic_is_a_resource_of_its_cluster_with_prefix_partitions_and_replicas() -> None:
    made = manifests(POSTROOM_TOPIC_PREFIX="acme-", POSTROOM_PARTITIONS="12", POSTROOM_REPLICATION="3")
    assert len(made) == 22  # six, and two for each of the eight groups
    assert made["acme-conversation-events"] == {
        "apiVersion": "kafka.strimzi.io/v1",
        "kind": "KafkaTopic",
        "metadata": {"name": "acme-conversation-events", "labels": {"strimzi.io/cluster": "main"}},
        "spec": {
            "partitions": 12,
            "replicas": 3,
            "config": {
                "retention.ms": "-1",
                "cleanup.policy": "delete",
                "min.insync.replicas": "2",
                "unclean.leader.election.enable": "false",
            },
        },
    }


@pytest.mark.parametrize(
    ("topic", "partitions", "limit"), [("configuration", 1, None), ("router-decide-dlq", 12, "2200000")]
)
def test_the_configuration_has_one_partition_and_dead_letters_are_larger(
    topic: str, partitions: int, limit: str | None
) -> None:
    spec = manifests(POSTROOM_PARTITIONS="12")[f"postroom-{topic}"]["spec"]
    assert isinstance(spec, dict)
    assert (spec["partitions"], spec["config"].get("max.message.bytes")) == (partitions, limit)
    assert spec["config"]["min.insync.replicas"] == "1"  # one replica cannot be two in sync


def test_a_namespace_is_named_when_asked_for() -> None:
    assert {made["metadata"]["namespace"] for made in manifests("--namespace", "kafka").values()} == {"kafka"}  # type: ignore[index]
