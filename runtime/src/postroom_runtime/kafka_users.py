"""The rights of each service on Kafka, as `KafkaUser` resources of Strimzi and as calls of Kafka's own `kafka-acls.sh`.

Source of the fields: the schema of KafkaUser v1, `crd-generator` of Strimzi 1.2.0; the options of AclCommand of Kafka 4.1.
"""

from typing import Any

from postroom_contracts.kafka_rights import PRINCIPALS, Right, rights_of

from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_manifests import API_VERSION


def user_manifests(
    settings: RuntimeSettings, *, cluster: str, namespace: str | None = None, name: str = "postroom", tls: bool = False
) -> list[dict[str, Any]]:
    """Return one resource for each principal, called `NAME-PRINCIPAL`; `tls`: it logs in by certificate, else by SCRAM."""
    made = []
    for principal in PRINCIPALS:
        metadata: dict[str, Any] = {"name": f"{name}-{principal}"} | ({"namespace": namespace} if namespace else {})
        acls = [acl(right, settings.topic_prefix) for right in rights_of(principal)]
        spec = {
            "authentication": {"type": "tls" if tls else "scram-sha-512"},
            "authorization": {"type": "simple", "acls": acls},
        }
        labels = {"labels": {"strimzi.io/cluster": cluster}}
        made.append({"apiVersion": API_VERSION, "kind": "KafkaUser", "metadata": metadata | labels, "spec": spec})
    return made


def acl(right: Right, prefix: str) -> dict[str, Any]:
    """Return one rule of a KafkaUser."""
    if right.resource == "cluster":
        return {"resource": {"type": "cluster"}, "operations": [*right.operations]}
    pattern = "prefix" if right.prefixed else "literal"
    resource = {"type": right.resource, "name": f"{prefix}{right.name}", "patternType": pattern}
    return {"resource": resource, "operations": [*right.operations]}


def acl_commands(settings: RuntimeSettings, *, name: str = "postroom") -> list[str]:
    """Return the calls of `kafka-acls.sh` that give every principal, `User:NAME-PRINCIPAL`, its rights."""
    made = []
    for principal in PRINCIPALS:
        for right in rights_of(principal):
            where = f"--{right.resource}" + (
                "" if right.resource == "cluster" else f" {settings.topic_prefix}{right.name}"
            )
            pattern = " --resource-pattern-type prefixed" if right.prefixed else ""
            operations = " ".join(f"--operation {operation}" for operation in right.operations)
            made.append(
                f"kafka-acls.sh $KAFKA --add --allow-principal User:{name}-{principal} {operations} {where}{pattern}"
            )
    return made
