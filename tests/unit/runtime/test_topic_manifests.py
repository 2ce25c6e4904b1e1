"""KafkaTopic resources say what `postroom topics apply` would make, KafkaUser resources and ACLs what each service may do."""

import pytest
import yaml
from postroom_runtime.cli import build
from typer.testing import CliRunner


def typed(*words: str, **env: str) -> str:
    done = CliRunner().invoke(build("topics"), ["topics", *words], env=env)
    assert done.exit_code == 0, done.output
    return done.stdout


def manifests(*options: str, **env: str) -> dict[str, dict[str, object]]:
    made = yaml.safe_load_all(typed("manifests", "--cluster", "main", *options, **env))
    return {one["metadata"]["name"]: one for one in made}


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


def test_the_router_s_user_may_do_its_work_and_nothing_else() -> None:
    made = yaml.safe_load_all(typed("users", "--cluster", "main", "--name", "acme", POSTROOM_TOPIC_PREFIX="acme-"))
    (router,) = [user for user in made if user["metadata"]["name"] == "acme-router"]
    assert router["metadata"]["labels"] == {"strimzi.io/cluster": "main"}
    assert router["spec"]["authentication"] == {"type": "scram-sha-512"}
    acls = router["spec"]["authorization"]["acls"]
    assert {acl["resource"]["patternType"] for acl in acls} == {"literal"}
    found = {
        (a["resource"]["type"], a["resource"]["name"].removeprefix("acme-")): "+".join(a["operations"]) for a in acls
    }
    assert found == {
        ("topic", "inbound-messages"): "Read",
        ("topic", "conversation-commands"): "Read+Write",
        ("topic", "conversation-events"): "Write+DescribeConfigs",
        ("topic", "conversation-states"): "DescribeConfigs",
        ("topic", "configuration"): "Read+DescribeConfigs",
        ("topic", "router-thread-dlq"): "Write",
        ("topic", "router-thread-replay"): "Read",
        ("topic", "router-decide-dlq"): "Write",
        ("topic", "router-decide-replay"): "Read",
        ("group", "router-thread"): "Read",
        ("group", "router-decide"): "Read",
    }


def test_the_same_rights_as_calls_of_kafka_s_own_tool() -> None:
    lines = typed("acls", "--name", "acme").splitlines()
    add = "kafka-acls.sh $KAFKA --add --allow-principal"
    assert f"{add} User:acme-router --operation Read --operation Write --topic postroom-conversation-commands" in lines
    assert f"{add} User:acme-operator --operation Read --group postroom- --resource-pattern-type prefixed" in lines
    assert f"{add} User:acme-probe --operation IdempotentWrite --cluster" in lines
    assert len(lines) == len(set(lines)) > 80
