"""The declared topics as Strimzi `KafkaTopic` resources, for clusters whose topics are made by an operator.

Source of the fields: the schema of KafkaTopic v1, `crd-generator` of Strimzi 1.2.0.
"""

from typing import Any

from postroom_contracts.topics import Topic, all_topics

from postroom_runtime.kafka import topic_configs
from postroom_runtime.settings import RuntimeSettings

API_VERSION = "kafka.strimzi.io/v1"


def topic_manifest(topic: Topic, settings: RuntimeSettings, *, cluster: str, namespace: str | None) -> dict[str, Any]:
    """Return one resource. It has the topic's own name, which is a good name of Kubernetes too: lower case and hyphens."""
    metadata: dict[str, Any] = {"name": settings.topic(topic.name)}
    if namespace:
        metadata["namespace"] = namespace
    return {
        "apiVersion": API_VERSION,
        "kind": "KafkaTopic",
        "metadata": metadata | {"labels": {"strimzi.io/cluster": cluster}},
        "spec": {
            "partitions": topic.partitions(settings.partitions),
            "replicas": settings.replication,
            "config": topic_configs(settings, topic),
        },
    }


def topic_manifests(settings: RuntimeSettings, *, cluster: str, namespace: str | None = None) -> list[dict[str, Any]]:
    """Return the resources of all topics, in the order of their declaration."""
    return [topic_manifest(topic, settings, cluster=cluster, namespace=namespace) for topic in all_topics()]
