"""Values that cannot work are refused, saying where and what."""

import pytest

from tests.component.deploy.chart import LEAST, MATRIX, Object, refusal, template

WITHOUT = [
    ("image", "image.repository is not set"),
    ("kafka", "kafka.bootstrap is not set: host:port"),
    ("deskUrl", "deskUrl is not set"),
    ("mongodb", "mongodb.existingSecret is not set: the name of a secret"),
    ("secrets", "existingSecret is not set: the name of a secret"),
    ("configuration", "no company: set configuration.company or configuration.existingConfigMap"),
]


@pytest.mark.parametrize(("key", "said"), WITHOUT, ids=[key for key, _ in WITHOUT])
def test_what_has_no_default_is_asked_for(key: str, said: str) -> None:
    done = template({k: v for k, v in LEAST.items() if k != key})
    assert done.returncode != 0
    assert said in done.stderr


def test_without_an_image_the_commands_that_build_and_load_one_are_named() -> None:
    said = template({}).stderr
    for command in (
        "docker build --target postroom -t REPO:0.1.0 .",
        "docker build --target postroom-ingest -t REPO-ingest:0.1.0 .",
        "docker push REPO:0.1.0",
        "kind load docker-image postroom:0.1.0 postroom-ingest:0.1.0",
        "--set image.repository=REPO",
    ):
        assert command in said


REFUSED: list[tuple[str, Object, str]] = [
    ("unknown value", {"replicas": 3}, "additional properties 'replicas' not allowed"),
    ("misspelt value", {"kafka": {"bootstap": "a:1"}}, "at '/kafka': additional properties 'bootstap' not allowed"),
    ("no port", {"kafka": {"bootstrap": "kafka"}}, "at '/kafka/bootstrap': 'kafka' does not match pattern"),
    (
        "unknown security",
        {"kafka": {"security": "TLS"}},
        "at '/kafka/security': value must be one of 'PLAINTEXT', 'SSL'",
    ),
    ("replicas as text", {"services": {"router": {"replicas": "2"}}}, "at '/services/router/replicas': got string"),
    ("no replica", {"services": {"router": {"replicas": 0}}}, "at '/services/router/replicas': minimum: got 0, want 1"),
    ("unknown service", {"services": {"sorter": {"replicas": 1}}}, "additional properties 'sorter' not allowed"),
    ("ingest by lag", {"services": {"ingest": {"autoscaling": {"max": 3}}}}, "'autoscaling' not allowed"),
    ("latest", {"image": {"tag": "latest"}}, "at '/image/tag': 'not' failed"),
    ("a tag in the name", {"image": {"repository": "Registry.example/postroom"}}, "at '/image/repository'"),
    ("a secret as setting", {"settings": {"KAFKA_PASSWORD": "x"}}, "at '/settings/KAFKA_PASSWORD': false schema"),
    (
        "MongoDB as setting",
        {"services": {"desk": {"settings": {"MONGO_URI": "x"}}}},
        "at '/services/desk/settings/MONGO_URI'",
    ),
    ("a setting with prefix", {"settings": {"POSTROOM_MAX_RECORDS": "1"}}, "at '/settings/POSTROOM_MAX_RECORDS'"),
    ("a secret for its name", {"mongodb": {"existingSecret": "mongodb://a:b@c/"}}, "at '/mongodb/existingSecret'"),
    ("short cooldown", {"autoscaling": {"cooldownSeconds": 60}}, "minimum: got 60, want 300"),
    ("url with slash", {"deskUrl": "https://desk.example/"}, "at '/deskUrl'"),
    (
        "no memory limit",
        {"services": {"desk": {"resources": {"limits": {"memory": None}}}}},
        "'/services/desk/resources/limits'",
    ),
    ("peers of another form", {"networkPolicy": {"kafka": {"to": ["10.0.0.0/8"]}}}, "at '/networkPolicy/kafka/to/0'"),
    ("sasl without secret", {"kafka": {"security": "SASL_SSL"}}, "kafka.sasl.existingSecret names the secret"),
    (
        "oauth without client",
        {"kafka": {"security": "SASL_SSL", "sasl": {"mechanism": "OAUTHBEARER"}}},
        "OAUTHBEARER needs kafka.oauth.tokenUrl, clientId and existingSecret",
    ),
    (
        "users without log-in",
        {"kafka": {"users": {"perService": True}}},
        "a user with a password (SASL, SCRAM or PLAIN) or",
    ),
    (
        "users that nobody uses",
        {"kafka": {"users": {"strimzi": {"enabled": True, "cluster": "main"}}}},
        "set kafka.users.perService, else none of them is used",
    ),
    (
        "users of no cluster",
        {"kafka": {"security": "SASL_SSL", "users": {"perService": True, "strimzi": {"enabled": True}}}},
        "kafka.users.strimzi.cluster is not set",
    ),
    (
        "users, and none for KEDA",
        {"kafka": {"security": "SASL_SSL", "users": {"perService": True}}, "autoscaling": {"mode": "keda"}},
        "kafka.sasl.existingSecret holds user and password of KEDA itself",
    ),
    ("a probe without token", {"probe": {"enabled": True}}, "probe.token.existingSecret is not set"),
    ("two companies", {"configuration": {"company": {"company": {}}}}, "are both set: the company is in one of them"),
    ("strimzi without cluster", {"topics": {"strimzi": {"enabled": True}}}, "topics.strimzi.cluster is not set"),
    (
        "killed with its batch",
        {"pods": {"terminationGracePeriodSeconds": 300}},
        "terminationGracePeriodSeconds must be at least pods.gracefulTimeoutSeconds + 80",
    ),
    (
        "more replicas than partitions",
        {"autoscaling": {"mode": "keda"}, "partitions": 4},
        "there are 4 partitions: more replicas than partitions do nothing",
    ),
    (
        "least above most",
        {"autoscaling": {"mode": "hpa"}, "services": {"desk": {"autoscaling": {"min": 9}}}},
        "services.desk.autoscaling.min is above max",
    ),
    (
        "ingress without host",
        {"services": {"desk": {"ingress": {"enabled": True}}}},
        "services.desk.ingress.host is not set",
    ),
    (
        "keda without a certificate of its own",
        {**MATRIX["a certificate for each service"], "autoscaling": {"mode": "keda"}},
        "kafka.certificate.existingSecret holds the certificate of KEDA itself",
    ),
    (
        "keda by a pod's token",
        {**MATRIX["service account token"], "autoscaling": {"mode": "keda"}},
        "cannot log in to Kafka by a service account's token",
    ),
    ("keda with a bare user", {**MATRIX["scram"], "autoscaling": {"mode": "keda"}}, "reads the user from a secret"),
]


@pytest.mark.parametrize(("over", "said"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_wrong_values_are_refused_with_their_place(over: Object, said: str) -> None:
    assert said in refusal(over)
