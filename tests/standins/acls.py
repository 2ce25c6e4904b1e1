"""A broker that lets nobody do what no rule allows, and says what it denied; rules are given all in one request."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest, CreateAclsRequest_v0, CreateAclsRequest_v1
from postroom_contracts.kafka_rights import Right
from postroom_local.kafka import KafkaServer
from postroom_local.ports import LOOPBACK, free_port

PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"
# Kafka's org.apache.kafka.common.acl.AclOperation, resource.ResourceType and PatternType.
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10, "IdempotentWrite": 12}
RESOURCES = {"topic": 2, "group": 3, "cluster": 4}
LITERAL, PREFIXED, ALLOW = 3, 4, 3
DENIED = re.compile(r"Principal = (User:\S+) is Denied operation = (\S+) from host = \S+ on resource = (\S+)")


class GuardedKafka(KafkaServer):
    """Who comes by `bootstrap` without a log-in may do all; by `door` a user, by `NAME-password`, what rules allow."""

    def __init__(self, data_dir: Path, users: Iterable[str]) -> None:
        ports = {name: free_port() for name in ("PLAINTEXT", "CONTROLLER", "SASL")}
        places = {name: f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()}
        known = " ".join(f'user_{name}="{name}-password"' for name in users)
        settings = {
            "listeners": ",".join(places.values()),
            "advertised.listeners": f"{places['PLAINTEXT']},{places['SASL']}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{ports['CONTROLLER']}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL:SASL_PLAINTEXT",
            "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN",
            "listener.name.sasl.plain.sasl.jaas.config": f"{PLAIN} required {known};",
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        super().__init__(data_dir, ports["PLAINTEXT"], settings=settings)
        self.door = f"{LOOPBACK}:{ports['SASL']}"

    def _write_configuration(self) -> None:
        super()._write_configuration()
        path = self.data_dir / "log4j2.xml"
        audit = '<Logger name="kafka.authorizer.logger" level="INFO"/></Loggers>'
        path.write_text(path.read_text(encoding="utf-8").replace("</Loggers>", audit), encoding="utf-8")

    def denied(self) -> list[str]:
        """Return what was asked for and denied so far, as `User:NAME OPERATION RESOURCE`."""
        return [" ".join(found) for found in DENIED.findall(self.log_path.read_text(errors="replace"))]


class _CreateAcls(CreateAclsRequest):
    """All rules at once: aiokafka's own request holds one."""

    def __init__(self, rules: Sequence[tuple[Any, ...]]) -> None:
        self._rules = rules

    def build(self, request_struct_class: type[CreateAclsRequest_v0 | CreateAclsRequest_v1]) -> Any:
        assert request_struct_class.API_VERSION >= 1, "older brokers know no prefixes"
        return request_struct_class(list(self._rules))


async def allow(bootstrap: str, rights: Mapping[str, Iterable[Right]], prefix: str) -> None:
    """Give each user its rights on the topics and groups with a prefix. Raises AssertionError when the broker takes one not."""
    rules = [
        (
            RESOURCES[right.resource],
            name,
            PREFIXED if right.prefixed else LITERAL,
            f"User:{user}",
            "*",
            OPERATIONS[op],
            ALLOW,
        )
        for user, given in rights.items()
        for right in given
        for op in right.operations
        for name in ["kafka-cluster" if right.resource == "cluster" else f"{prefix}{right.name}"]
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin._send_request(_CreateAcls(rules))
        assert {code for code, *_ in answer.creation_responses} == {0}
    finally:
        await admin.close()
