"""The chart renders for every case of the matrix, for three releases of Kubernetes, and holds to its policies."""

import json
import re
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import kubernetes_validate
import pytest
import yaml
from kubernetes_validate import utils
from postroom_contracts.topics import GROUPS
from postroom_desk import console
from postroom_desk.api.shown import BASE
from postroom_desk.settings import DeskSettings
from postroom_desk.unsubscribe import router as unsubscribe
from postroom_ingest.app import IngestSettings
from postroom_ingest.domain.webhook import MAX_BODY_BYTES
from postroom_ingest.door.settings import DoorSettings
from postroom_notifier.probe.settings import ProbeSettings
from postroom_notifier.settings import NotifierSettings
from postroom_runtime import consumer, service
from postroom_runtime.kafka_users import user_manifests
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.topic_manifests import topic_manifests

from tests.component.deploy.chart import (
    CHART,
    LEAST,
    MATRIX,
    SERVICES,
    Object,
    by_reference,
    cases,
    containers,
    deployments,
    environment,
    helm,
    merged,
    of_kind,
    pods,
    render,
    template,
)
from tools import chart_files

KUBERNETES = ("1.32", "1.34", "1.37")
"""The oldest that people still run, the one whose server `make check-cluster` asks, the newest."""
CUSTOM = {"ScaledObject", "TriggerAuthentication", "PodMonitor", "PrometheusRule", "KafkaTopic", "KafkaUser"}
"""Kinds that Kubernetes does not know by itself; `make check-cluster` checks them by their own definitions."""
CASES = cases()
every_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(autouse=True, scope="module")
def _schemas_are_read_once() -> Any:
    original = utils.schema_contents
    utils.schema_contents = cache(original)
    yield
    utils.schema_contents = original


@cache
def _valid(text: str, version: str) -> None:
    """Most objects are the same in most cases."""
    kubernetes_validate.validate(json.loads(text), version, strict=True)


@every_case
def test_every_object_is_valid_for_three_releases_of_kubernetes(name: str) -> None:
    kinds = set()
    for made in render(CASES[name]):
        kinds.add(made["kind"])
        for version in KUBERNETES:
            if made["kind"] not in CUSTOM:
                _valid(json.dumps(made), version)
    assert {"Deployment", "ConfigMap", "ServiceAccount", "Service"} <= kinds


def test_the_validator_finds_a_wrong_field() -> None:
    wrong = of_kind(render(LEAST), "Deployment")["postroom-desk"] | {"spec": {"replicas": "two"}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, KUBERNETES[0], strict=True)


@pytest.mark.parametrize("name", ["least", "everything on"])
def test_helm_lint_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(CASES[name]))
    done = helm("lint", str(CHART), "--strict", "--kube-version", "1.34.0", "--values", str(values))
    said = [line for line in done.stdout.splitlines() if line.startswith("[")]
    assert (done.returncode, said) == (0, ["[INFO] Chart.yaml: icon is recommended"])


@every_case
def test_names_are_given_once_and_namespaces_are_left_to_helm(name: str) -> None:
    objects = render(CASES[name])
    names = [(made["kind"], made["metadata"]["name"]) for made in objects]
    assert len(names) == len(set(names))
    assert {m["kind"] for m in objects if "namespace" in m["metadata"]} <= {"KafkaTopic", "KafkaUser"}


@every_case
def test_every_container_is_limited_and_can_do_nothing_but_its_work(name: str) -> None:
    found = pods(render(CASES[name]))
    assert set(found) >= {f"postroom-{service}" for service in SERVICES}
    for pod in found.values():
        spec = pod["spec"]
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys()
        for container in containers(pod):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert set(container["resources"]) == {"requests", "limits"}
            limits, requests = container["resources"]["limits"], container["resources"]["requests"]
            assert set(limits) == set(requests) == {"cpu", "memory"}
            assert not container["image"].endswith(":latest")
        assert all("hostPath" not in volume for volume in spec["volumes"])


@every_case
def test_no_pod_has_a_token_of_kubernetes_or_variables_of_its_services(name: str) -> None:
    objects = render(CASES[name])
    accounts = of_kind(objects, "ServiceAccount")
    assert all(account["automountServiceAccountToken"] is False for account in accounts.values())
    for pod in pods(objects).values():
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert pod["spec"]["enableServiceLinks"] is False
        assert pod["spec"]["serviceAccountName"] in accounts
    assert not {"Role", "ClusterRole", "RoleBinding"} & {made["kind"] for made in objects}


@every_case
def test_every_service_is_probed_at_doors_that_ask_nobody(name: str) -> None:
    for deployment in deployments(render(CASES[name])).values():
        (container,) = containers(deployment["spec"]["template"])
        probes = {kind: container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "liveness", "readiness")}
        assert probes == {
            "startup": {"path": "/livez", "port": "http"},
            "liveness": {"path": "/livez", "port": "http"},
            "readiness": {"path": "/readyz", "port": "http"},
        }
        assert {"name": "http", "containerPort": 8080} in container["ports"]
        assert environment(container, render(CASES[name]))["POSTROOM_HTTP_PORT"] == "8080"


@every_case
def test_a_pod_is_given_longer_than_the_longest_batch_and_all_that_closes_after_it(name: str) -> None:
    objects = render(CASES[name])
    for deployment in deployments(objects).values():
        pod = deployment["spec"]["template"]
        (container,) = containers(pod)
        settings = environment(container, objects)
        graceful = int(settings["POSTROOM_GRACEFUL_TIMEOUT_SECONDS"])
        pause = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        # Loops, FastStream's margin, the door, connections: each at most CLOSE_SECONDS; and a batch that is cancelled.
        closing = 4 * service.CLOSE_SECONDS + consumer.CANCEL_SECONDS
        assert graceful >= consumer.BATCH_LIMIT_SECONDS
        assert pod["spec"]["terminationGracePeriodSeconds"] >= pause + graceful + closing


@every_case
def test_pods_are_spread_over_zones_and_nodes_and_leave_one_at_a_time(name: str) -> None:
    objects = render(CASES[name])
    budgets = of_kind(objects, "PodDisruptionBudget")
    for deployment_name, deployment in deployments(objects).items():
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        spread = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert {s["topologyKey"] for s in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        for constraint in spread:
            assert constraint["labelSelector"]["matchLabels"].items() <= labels.items()
        assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        if budgets and deployment_name != "postroom-probe":  # there is one of it, and nobody waits for it
            budget = budgets[deployment_name]["spec"]
            assert budget["maxUnavailable"] == 1
            assert budget["selector"]["matchLabels"] == deployment["spec"]["selector"]["matchLabels"]
    assert len(budgets) in (0, len(SERVICES))


KNOWN_SETTINGS = {
    f"{model.model_config['env_prefix']}{field}".upper()
    for model in (DeskSettings, IngestSettings, NotifierSettings, ProbeSettings, DoorSettings)
    for field in model.model_fields
}
SECRETS = re.compile(r"PASSWORD|SECRET|TOKENS?$|KEYS?$|MONGO_URI")


@every_case
def test_settings_exist_and_secrets_are_named_never_given(name: str) -> None:
    objects = render(CASES[name])
    assert "Secret" not in {made["kind"] for made in objects}
    for pod in pods(objects).values():
        for container in containers(pod):
            plain, referred = environment(container, objects), by_reference(container)
            given = {n for n in plain.keys() | referred.keys() if n.startswith("POSTROOM_")}
            assert given - KNOWN_SETTINGS == set()
            assert [n for n in plain if SECRETS.search(n)] == []
            assert not plain.keys() & referred.keys()


@every_case
def test_services_take_what_they_are_given(name: str) -> None:
    """The settings of each service load, and name files that are mounted."""
    objects = render(CASES[name])
    models = {"desk": DeskSettings, "ingest": IngestSettings, "notifier": NotifierSettings, "probe": ProbeSettings}
    for deployment in deployments(objects).values():
        pod = deployment["spec"]["template"]
        (container,) = containers(pod)
        plain = environment(container, objects)
        secrets = dict.fromkeys(by_reference(container), "name=a-secret-of-sixteen-bytes-or-more")
        values = {n.removeprefix("POSTROOM_").lower(): v for n, v in (plain | secrets).items()}
        settings = models.get(container["name"], RuntimeSettings)(**values)
        assert settings.http_host == "0.0.0.0"
        if container["name"] in ("router", "notifier", "desk", "probe"):
            assert settings.keys()
        folders = {mount["mountPath"] for mount in container["volumeMounts"]}
        assert {m["name"] for m in container["volumeMounts"]} == {v["name"] for v in pod["spec"]["volumes"]}
        files = [v for n, v in plain.items() if n.endswith("_FILE")]
        assert [f for f in files if str(Path(f).parent) not in folders] == []


def test_only_who_needs_a_secret_has_it() -> None:
    sign_on = {"secrets": {"oidcClient": {"existingSecret": "oidc"}}}
    objects = render(merged(merged(LEAST, MATRIX["mail door"]), sign_on))
    found = {
        name.removeprefix("postroom-"): set(by_reference(containers(d["spec"]["template"])[0]))
        for name, d in deployments(objects).items()
    }
    everybody = {"POSTROOM_MONGO_URI"}
    assert found == {
        "ingest": everybody | {"POSTROOM_TOKEN_KEYS"},
        "router": everybody | {"POSTROOM_SIGNING_KEYS"},
        "assigner": everybody,
        "notifier": everybody | {"POSTROOM_SIGNING_KEYS", "POSTROOM_TOKEN_KEYS"},
        "analytics": everybody,
        "desk": everybody | {"POSTROOM_SIGNING_KEYS", "POSTROOM_API_TOKENS", "POSTROOM_OIDC_CLIENT_SECRET"},
    }
    with_accounts = {
        name for name, pod in pods(objects).items() if "accounts" in {v["name"] for v in pod["spec"]["volumes"]}
    }
    assert with_accounts == {"postroom-ingest", "postroom-notifier", "postroom-commands"}


def test_changed_settings_start_pods_anew_and_nothing_else_does() -> None:
    def checksums(over: Object) -> set[str]:
        made = deployments(render(merged(LEAST, over))).values()
        return {str(d["spec"]["template"]["metadata"]["annotations"]) for d in made}

    assert checksums({"logLevel": "debug"}) != checksums({})
    assert checksums({"secrets": {"revision": "2"}}) != checksums({})
    assert checksums({"configuration": {"existingConfigMap": "another"}}) == checksums({})


def allowed(objects: list[Object], component: str, direction: str) -> list[tuple[str, list[int], bool]]:
    """Return what policies let a component do: (policy, ports, whether peers are named)."""
    found = []
    for name, policy in of_kind(objects, "NetworkPolicy").items():
        selector = policy["spec"]["podSelector"]
        chosen = selector.get("matchExpressions", [{"values": []}])[0]["values"]
        if component in chosen:
            for rule in policy["spec"].get(direction, []):
                ports = sorted({port["port"] for port in rule["ports"]})
                found.append((name.removeprefix("postroom-"), ports, bool(rule.get("from") or rule.get("to"))))
    return sorted(found)


STORES = [("stores", [53], True), ("stores", [9092], False), ("stores", [27017], False)]


def test_the_network_lets_through_what_the_picture_shows_and_nothing_else() -> None:
    objects = render(LEAST)
    metrics, doors, asked = (("metrics", [8080], True), ("doors", [8080], True), ("asked", [8080], True))
    inward = {name: allowed(objects, name, "ingress") for name in SERVICES}
    assert inward == {
        "ingest": [doors, metrics],
        "router": [asked, metrics],
        "assigner": [metrics],
        "notifier": [asked, metrics],
        "analytics": [asked, metrics],
        "desk": [doors, metrics],
    }
    outward = {name: allowed(objects, name, "egress") for name in SERVICES}
    assert outward == {
        "ingest": sorted([("imap", [443], False), ("imap", [993], False), *STORES]),
        "router": sorted(STORES),
        "assigner": sorted(STORES),
        "notifier": sorted(
            [("smtp", [443], False), ("smtp", [465, 587], False), ("webhooks", [80, 443], True), *STORES]
        ),
        "analytics": sorted(STORES),
        "desk": sorted([("desk", [8080], True), ("pictures", [80, 443], True), *STORES]),
    }
    assert allowed(objects, "configure", "ingress") == []
    assert [rule[1] for rule in allowed(objects, "configure", "egress")] == [[53], [9092], [27017]]


@every_case
def test_a_policy_that_denies_all_holds_every_pod(name: str) -> None:
    objects = render(CASES[name])
    policies = of_kind(objects, "NetworkPolicy")
    if not CASES[name].get("networkPolicy", {}).get("enabled", True):
        assert policies == {}
        return
    deny = policies["postroom-deny"]["spec"]
    assert (deny["policyTypes"], deny.get("ingress"), deny.get("egress")) == (["Ingress", "Egress"], None, None)
    for pod in pods(objects).values():
        assert deny["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
        component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
        assert allowed(objects, component, "egress"), f"{component} reaches nothing"


def test_a_mail_door_is_open_to_its_servers_alone_and_a_token_endpoint_to_all_services() -> None:
    door = allowed(render(merged(LEAST, MATRIX["mail door"])), "ingest", "ingress")
    assert ("mail-door", [2424, 2525], True) in door
    assert ("sign-on", [443], False) not in allowed(render(LEAST), "desk", "egress")
    assert ("sign-on", [443], False) in allowed(render(CASES["production"]), "desk", "egress")
    without = merged(LEAST, {"services": {"desk": {"settings": {"REMOTE_PICTURES": "false"}}}})
    assert ("pictures", [80, 443], True) not in allowed(render(without), "desk", "egress")
    oauth = render(merged(LEAST, MATRIX["oauth"]))
    assert ("stores", [443], False) in allowed(oauth, "router", "egress")


def test_a_pod_for_commands_sleeps_serves_nobody_and_has_what_every_command_needs() -> None:
    values = merged(merged(LEAST, MATRIX["mail door"]), {"secrets": {"atRest": {"existingSecret": "seal"}}})
    objects = render(values)
    made = of_kind(objects, "Deployment")["postroom-commands"]["spec"]
    (container,) = containers(made["template"])
    assert (made["replicas"], container["command"], "ports" in container) == (0, ["sleep", "infinity"], False)
    assert container["image"] == "registry.example/postroom-ingest:0.1.0"  # it holds all six services
    every = {name for pod in pods(objects).values() for c in containers(pod) for name in by_reference(c)}
    assert set(by_reference(container)) == every - {"POSTROOM_API_TOKENS"}
    selected = [s["spec"]["selector"] for s in of_kind(objects, "Service").values()]
    assert [s for s in selected if s.items() <= made["template"]["metadata"]["labels"].items()] == []
    assert allowed(objects, "commands", "ingress") == []
    assert "postroom-commands" not in of_kind(render(CASES["no commands"]), "Deployment")


def reached_by_name(objects: list[Object]) -> set[str]:
    """Return the addresses of the release that its settings name, as SERVICE:PORT."""
    texts = [v for pod in pods(objects).values() for c in containers(pod) for v in environment(c, objects).values()]
    return {found for text in texts for found in re.findall(r"^http://(postroom-[a-z]+:\d+)$", text)}


@every_case
def test_what_services_call_each_other_by_is_a_service_of_the_release(name: str) -> None:
    objects = render(CASES[name])
    there = {f"{n}:{port['port']}" for n, s in of_kind(objects, "Service").items() for port in s["spec"]["ports"]}
    asked = {f"postroom-{name}:8080" for name in ("analytics", "notifier", "router")}
    assert asked <= reached_by_name(objects) <= there


def test_the_probe_is_one_process_that_ingest_knows_and_that_reaches_mail_and_the_desk_alone() -> None:
    objects = render(CASES["the probe"])
    probe = of_kind(objects, "Deployment")["postroom-probe"]["spec"]
    (container,) = containers(probe["template"])
    assert (probe["replicas"], container["args"]) == (1, ["probe"])
    assert by_reference(container)["POSTROOM_PROBE_TOKEN"] == ("probe", "token")
    assert environment(container, objects)["POSTROOM_PROBE_DESK_URL"] == "http://postroom-desk:8080"
    keys = {
        n
        for n, d in deployments(objects).items()
        if "POSTROOM_SIGNING_KEYS" in by_reference(containers(d["spec"]["template"])[0])
    }
    assert keys == {f"postroom-{n}" for n in ("ingest", "router", "notifier", "desk", "probe")}
    sealed = {n for n, p in pods(objects).items() if "POSTROOM_SECRETS_KEY" in by_reference(containers(p)[0])}
    assert sealed == pods(objects).keys()  # whoever reads the configuration reads its secrets; the Job checks them
    outward = [("probe", [8080], True), ("smtp", [443], False), ("smtp", [465, 587], False), ("traces", [4318], False)]
    assert allowed(objects, "probe", "egress") == sorted([*outward, *STORES])
    assert ("probed", [8080], True) in allowed(objects, "desk", "ingress")
    (monitor,) = of_kind(objects, "PodMonitor").values()
    assert "probe" in monitor["spec"]["selector"]["matchExpressions"][0]["values"]
    assert "postroom-probe" not in of_kind(objects, "HorizontalPodAutoscaler")


def test_nobody_is_let_in_when_no_peer_is_named() -> None:
    objects = render(merged(LEAST, {"networkPolicy": {"monitoringFrom": [], "doorsFrom": []}}))
    assert allowed(objects, "assigner", "ingress") == []
    assert allowed(objects, "router", "ingress") == [("asked", [8080], True)], "the desk alone"
    assert allowed(objects, "desk", "ingress") == []


def console_modules() -> list[Any]:
    """Return every module of the console: each has pages on a router of its own."""
    return [import_module(f"{console.__name__}.{found.name}") for found in iter_modules(console.__path__)]


def paths_of(module: Any) -> set[str]:
    return {route.path for route in module.router.routes} if hasattr(module, "router") else set()


def test_the_desk_s_ingress_leads_to_all_of_its_pages_and_not_to_its_metrics() -> None:
    ingresses = of_kind(render(merged(LEAST, MATRIX["everything on"])), "Ingress")
    paths = {p["path"]: p["pathType"] for p in ingresses["postroom-desk"]["spec"]["rules"][0]["http"]["paths"]}
    pages = {path for module in console_modules() for path in paths_of(module)} | {BASE, "/static"}
    pages |= {getattr(route, "path", "") for route in unsubscribe.routes}
    assert len(pages) > 10
    covered = {page: any(page == p or page.startswith(f"{p}/") for p in paths) for page in pages}
    assert [page for page, is_covered in covered.items() if not is_covered] == [], "name it in templates/ingress.yaml"
    assert paths.pop("/") == "Exact"
    assert set(paths.values()) == {"Prefix"}
    assert not paths.keys() & {"/metrics", "/readyz", "/livez"}
    (hook,) = ingresses["postroom-ingest"]["spec"]["rules"][0]["http"]["paths"]
    assert hook["path"] == "/webhooks"


def test_the_example_for_production_lets_through_what_the_doors_take() -> None:
    ingresses = of_kind(render(CASES["production"]), "Ingress")
    least = {"postroom-desk": DeskSettings().upload_bytes + 100_000, "postroom-ingest": MAX_BODY_BYTES}
    assert ingresses.keys() == least.keys()
    for name, ingress in ingresses.items():
        said = ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
        assert int(said.removesuffix("m")) * 2**20 >= least[name]


KEDA_METADATA = {
    *("bootstrapServers", "consumerGroup", "topic", "lagThreshold", "offsetResetPolicy"),
    *("excludePersistentLag", "tls", "sasl"),
}
"""Names that KEDA reads (v2.21.0, pkg/scalers/kafka_scaler.go): its definition of a ScaledObject takes any text."""
KEDA_SECRETS = {"ca", "cert", "key", "username", "password", "oauthTokenEndpointUri", "scopes"}


@pytest.mark.parametrize("name", ["scram and keda", "certificates", "oauth", "production"])
def test_keda_scales_each_consumer_by_the_lag_of_all_its_topics_and_never_ingest(name: str) -> None:
    objects = render(CASES[name])
    scaled = of_kind(objects, "ScaledObject")
    assert set(scaled) == {f"postroom-{service}" for service in SERVICES if service != "ingest"}
    watched = set()
    for made in scaled.values():
        spec = made["spec"]
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert spec["cooldownPeriod"] >= 300
        assert behavior["scaleDown"]["stabilizationWindowSeconds"] >= 300
        assert spec["fallback"]["replicas"] >= spec["minReplicaCount"]
        for trigger in spec["triggers"]:
            assert trigger["metadata"].keys() <= KEDA_METADATA
            watched.add((trigger["metadata"]["consumerGroup"], trigger["metadata"]["topic"]))
        assert of_kind(objects, "Deployment")[spec["scaleTargetRef"]["name"]]["spec"].get("replicas") is None
    wanted = {(f"postroom-{g.name}", f"postroom-{t.name}") for g in GROUPS if g.service != "ingest" for t in g.topics}
    assert watched == wanted
    (login,) = of_kind(objects, "TriggerAuthentication").values()
    given = {reference["parameter"] for reference in login["spec"]["secretTargetRef"]}
    assert given <= KEDA_SECRETS
    assert ("scopes" in given) == (name == "oauth"), "a provider that wants a scope gives KEDA no token without it"
    assert of_kind(objects, "Deployment")["postroom-ingest"]["spec"]["replicas"] >= 2


def test_without_keda_cpu_scales_and_as_slowly() -> None:
    objects = render(merged(LEAST, MATRIX["service account token"]))
    scaled = of_kind(objects, "HorizontalPodAutoscaler")
    assert set(scaled) == {f"postroom-{service}" for service in SERVICES if service != "ingest"}
    for made in scaled.values():
        assert made["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"] == 300
        assert made["spec"]["metrics"][0]["containerResource"]["target"]["averageValue"] == "400m"


def test_topics_of_strimzi_are_those_that_the_command_prints_and_outlive_the_release() -> None:
    made = of_kind(render(merged(LEAST, MATRIX["everything on"])), "KafkaTopic")
    settings = RuntimeSettings(partitions=12, replication=3)
    printed = {t["metadata"]["name"]: t for t in topic_manifests(settings, cluster="main", namespace="kafka")}
    assert {name: t["spec"] for name, t in made.items()} == {name: t["spec"] for name, t in printed.items()}
    for name, topic in made.items():
        assert topic["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert topic["metadata"]["namespace"] == "kafka"
        assert printed[name]["metadata"]["labels"].items() <= topic["metadata"]["labels"].items()


CERTIFICATES = "a certificate for each service"


@pytest.mark.parametrize(("name", "tls"), [("a user of Strimzi for each service", False), (CERTIFICATES, True)])
def test_users_of_strimzi_are_those_that_the_command_prints(name: str, tls: bool) -> None:
    made = of_kind(render(merged(LEAST, MATRIX[name])), "KafkaUser")
    printed = {u["metadata"]["name"]: u["spec"] for u in user_manifests(RuntimeSettings(), cluster="main", tls=tls)}
    assert printed.keys() - made.keys() == {"postroom-probe", "postroom-scaler"}  # the chart runs no probe and no KEDA
    assert {name: user["spec"] for name, user in made.items()} == {name: printed[name] for name in made}
    assert {user["metadata"]["labels"]["strimzi.io/cluster"] for user in made.values()} == {"main"}


def user_of(pod: Object) -> str:
    component = pod["metadata"]["labels"]["app.kubernetes.io/component"]
    return f"postroom-{'operator' if component == 'commands' else component}"


def test_each_pod_logs_in_to_kafka_as_its_own_user() -> None:
    objects = render(merged(LEAST, MATRIX["a user of Strimzi for each service"]))
    users = of_kind(objects, "KafkaUser")
    for pod in pods(objects).values():
        for container in containers(pod):
            user = user_of(pod)
            assert user in users
            assert environment(container, objects)["POSTROOM_KAFKA_USER"] == user
            assert by_reference(container)["POSTROOM_KAFKA_PASSWORD"] == (user, "password")
    (keda,) = of_kind(objects, "TriggerAuthentication").values()
    assert {ref["name"] for ref in keda["spec"]["secretTargetRef"]} == {"keda"}
    for pod in pods(render(merged(LEAST, MATRIX[CERTIFICATES]))).values():
        volumes = {v["name"]: v.get("secret") for v in pod["spec"]["volumes"]}
        assert volumes["kafka-certificate"]["secretName"] == user_of(pod)
        assert volumes["kafka-certificate"]["items"] == [
            {"key": "user.crt", "path": "tls.crt"}, {"key": "user.key", "path": "tls.key"},
        ]  # fmt: skip


def test_the_job_comes_before_the_services_with_all_it_needs() -> None:
    objects = render(merged(LEAST, MATRIX["company inline"]))
    hooked = {
        (m["kind"], m["metadata"]["name"]): int(m["metadata"]["annotations"]["helm.sh/hook-weight"])
        for m in objects
        if "helm.sh/hook" in m["metadata"].get("annotations", {})
    }
    assert hooked == {
        ("ServiceAccount", "postroom-configure"): -5,
        ("ConfigMap", "postroom-configure"): -5,
        ("ConfigMap", "postroom-configure-company"): -5,
        ("NetworkPolicy", "postroom-configure"): -5,
        ("Job", "postroom-configure"): 0,
    }
    steps = [c["args"] for c in containers(pods(objects)["postroom-configure"])]
    assert [step[:2] for step in steps] == [["topics", "apply"], ["migrate", "--timeout-seconds"], ["config", "apply"]]
    company = of_kind(objects, "ConfigMap")["postroom-configure-company"]["data"]
    assert yaml.safe_load(company["company.yaml"]) == {"company": {"name": "A"}}


def test_with_strimzi_the_job_comes_with_the_release_and_has_a_new_name_when_it_has_new_work() -> None:
    def job(over: Object) -> tuple[str, Object]:
        ((name, made),) = of_kind(render(merged(merged(LEAST, MATRIX["everything on"]), over)), "Job").items()
        return name, made

    name, made = job({})
    assert "annotations" not in made["metadata"]
    assert [c["args"][0] for c in containers(made["spec"]["template"])] == ["migrate", "config"]
    assert job({})[0] == name
    assert job({"configuration": {"existingConfigMap": "another"}})[0] != name
    # Of what stands in a ConfigMap of somebody else's nothing is seen: another upgrade (check-cluster looks), or another text.
    assert job({"configuration": {"revision": "2"}})[0] != name
    ((_, made),) = of_kind(render(CASES["a user of Strimzi for each service"]), "Job").items()
    assert "annotations" not in made["metadata"]  # its user comes with the release, its topics by itself
    assert [c["args"][0] for c in containers(made["spec"]["template"])] == ["topics", "migrate", "config"]


def without_release(rule: Object) -> Object:
    """Return a rule as it is for one house in one Prometheus."""
    expr = re.sub(r'job=~?"mail/postroom"(, )?', "", rule["expr"]).replace("{}", "")
    labels = {
        k: v for k, v in rule["labels"].items() if (k, v) not in (("namespace", "mail"), ("job", "mail/postroom"))
    }
    return {**rule, "expr": expr, "labels": labels}


def test_rules_are_the_repository_s_for_this_release_alone_and_dashboards_are_taken_as_they_are() -> None:
    objects = render(merged(LEAST, MATRIX["everything on"]))
    rules = yaml.safe_load((chart_files.MONITORING / "rules.yaml").read_text())
    (made,) = of_kind(objects, "PrometheusRule").values()
    groups = [{**group, "rules": [*map(without_release, group["rules"])]} for group in made["spec"]["groups"]]
    assert {"groups": groups} == rules
    wanted = {path.stem: path.read_text() for path in (chart_files.MONITORING / "dashboards").glob("*.json")}
    prefix = "postroom-dashboard-"
    maps = {n: m for n, m in of_kind(objects, "ConfigMap").items() if n.startswith(prefix)}
    shown = {n.removeprefix(prefix): next(iter(m["data"].values())) for n, m in maps.items()}
    assert {n: text.strip() for n, text in shown.items()} == {n: text.strip() for n, text in wanted.items()}
    assert all(m["metadata"]["labels"]["grafana_dashboard"] == "1" for m in maps.values())


def test_files_of_the_chart_are_those_of_the_repository() -> None:
    assert chart_files.differences() == [], "run `make generate`"


def test_a_release_with_another_name_has_names_of_its_own() -> None:
    done = template(LEAST, release="team-a")
    assert done.returncode == 0, done.stderr
    objects = [made for made in yaml.safe_load_all(done.stdout) if made]
    assert {m["metadata"]["name"] for m in objects if m["kind"] == "Deployment"} - {"team-a-postroom-commands"} == {
        f"team-a-postroom-{service}" for service in SERVICES
    }
    settings = of_kind(objects, "ConfigMap")["team-a-postroom-settings"]["data"]
    assert settings["POSTROOM_ANALYTICS_URL"] == "http://team-a-postroom-analytics:8080"


DOCS = [
    *CHART.parents[2].glob("docs/operations/*.md"),
    *CHART.parents[2].glob("docs/runbooks/*.md"),
    CHART.parents[2] / "docs/secrets.md",
]
NAMED = re.compile(r"\b(deploy|deployment|svc|job)/(postroom-[a-z]+)")
KINDS = {"deploy": "Deployment", "deployment": "Deployment", "svc": "Service", "job": "Job"}


def test_what_the_commands_of_the_docs_name_is_in_the_chart() -> None:
    objects = render(merged(LEAST, MATRIX["the probe"]))
    named = {found for path in DOCS for found in NAMED.findall(path.read_text(encoding="utf-8"))}
    assert len(named) >= 4
    assert [name for kind, name in sorted(named) if name not in of_kind(objects, KINDS[kind])] == []


@pytest.mark.parametrize("name", ["trial", "production"])
def test_the_page_says_how_to_make_each_secret_and_company_that_an_example_names(name: str) -> None:
    page = (CHART.parents[2] / "docs/operations/install.md").read_text(encoding="utf-8")
    used = {name for pod in pods(render(CASES[name])).values() for name in secrets_of(pod)}
    assert len(used) >= 3
    assert [secret for secret in sorted(used) if secret not in page] == []


def secrets_of(pod: Object) -> set[str]:
    """Return the secrets and the company's ConfigMap that a pod takes and the chart does not make."""
    found = {secret for c in containers(pod) for secret, _ in by_reference(c).values()}
    found |= {source["secretRef"]["name"] for c in containers(pod) for source in c["envFrom"] if "secretRef" in source}
    found |= {v["secret"]["secretName"] for v in pod["spec"]["volumes"] if "secret" in v}
    return found | {v["configMap"]["name"] for v in pod["spec"]["volumes"] if "configMap" in v} - {
        "postroom-configure-company"
    }
