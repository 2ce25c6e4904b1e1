"""What the chart makes of values: rendered objects, or the message of a refusal."""

import json
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools.helm import VERSION, find

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "deploy" / "helm" / "postroom"
EXAMPLES = {path.stem.removeprefix("values-"): path for path in sorted((CHART / "examples").glob("*.yaml"))}
SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
Object = dict[str, Any]

LEAST: Object = {
    "image": {"repository": "registry.example/postroom"},
    "kafka": {"bootstrap": "kafka.example:9092"},
    "deskUrl": "https://desk.example",
    "mongodb": {"existingSecret": "mongodb"},
    "secrets": {"signingKeys": {"existingSecret": "keys"}},
    "configuration": {"existingConfigMap": "company"},
}
"""What has no default."""

MATRIX: dict[str, Object] = {
    "least": {},
    "nothing applied": {"configuration": {"apply": False, "existingConfigMap": ""}, "topics": {"apply": False}},
    "company inline": {"configuration": {"existingConfigMap": "", "company": {"company": {"name": "A"}}}},
    "scram": {
        "kafka": {
            "security": "SASL_SSL",
            "ca": {"existingSecret": "ca"},
            "sasl": {"existingSecret": "user", "user": "postroom"},
        }
    },
    "scram and keda": {
        "kafka": {"security": "SASL_SSL", "ca": {"existingSecret": "ca"}, "sasl": {"existingSecret": "user"}},
        "autoscaling": {"mode": "keda"},
    },
    "certificates": {
        "kafka": {"security": "SSL", "ca": {"existingSecret": "ca"}, "certificate": {"existingSecret": "us"}},
        "mongodb": {"ca": {"existingSecret": "mongodb-ca"}, "certificate": {"existingSecret": "us"}},
        "autoscaling": {"mode": "keda"},
    },
    "a user of Strimzi for each service": {
        "kafka": {
            "security": "SASL_SSL",
            "sasl": {"existingSecret": "keda"},
            "users": {"perService": True, "strimzi": {"enabled": True, "cluster": "main", "namespace": "kafka"}},
        },
        "autoscaling": {"mode": "keda"},
    },
    "a certificate for each service": {
        "kafka": {
            "security": "SSL",
            "certificate": {"certificateKey": "user.crt", "keyKey": "user.key"},
            "users": {"perService": True, "strimzi": {"enabled": True, "cluster": "main"}},
        },
    },
    "oauth": {
        "kafka": {
            "security": "SASL_SSL",
            "sasl": {"mechanism": "OAUTHBEARER"},
            "oauth": {
                "tokenUrl": "https://id.example/token",
                "clientId": "postroom",
                "existingSecret": "client",
                "scope": "kafka",
                "ca": {"existingSecret": "id-ca"},
            },
        },
        "autoscaling": {"mode": "keda"},
    },
    "service account token": {
        "kafka": {
            "security": "SASL_SSL",
            "sasl": {"mechanism": "OAUTHBEARER"},
            "oauth": {"serviceAccountToken": {"enabled": True}},
        },
        "autoscaling": {"mode": "hpa"},
    },
    "mail door": {
        "secrets": {
            "accounts": {"existingSecret": "accounts"},
            "tokenKeys": {"existingSecret": "token-keys"},
            "apiTokens": {"existingSecret": "tokens"},
        },
        "services": {
            "ingest": {
                "door": {
                    "enabled": True,
                    "lmtpPort": 2424,
                    "tlsSecret": "door",
                    "tlsRequired": True,
                    "serviceType": "LoadBalancer",
                    "name": "mx.example",
                    "from": [{"ipBlock": {"cidr": "192.0.2.0/24"}}],
                }
            }
        },
    },
    "the probe": {
        "probe": {"enabled": True, "token": {"existingSecret": "probe"}, "settings": {"PROBE_SECONDS": 30}},
        "secrets": {"accounts": {"existingSecret": "accounts"}, "atRest": {"existingSecret": "seal"}},
        "settings": {"TRACES_ENDPOINT": "http://collector.telemetry.svc:4318"},
        "metrics": {"podMonitor": {"enabled": True}},
        "autoscaling": {"mode": "hpa"},
    },
    "everything on": {
        "image": {
            "tag": "0.1.0-rc.1",
            "digest": "sha256:" + "a" * 64,
            "ingestDigest": "sha256:" + "b" * 64,
            "pullSecrets": ["registry"],
        },
        "settings": {"MAX_RECORDS": 400},
        "secrets": {"revision": "2"},
        "topics": {"strimzi": {"enabled": True, "cluster": "main", "namespace": "kafka"}},
        "services": {
            "ingest": {"ingress": {"enabled": True, "host": "hooks.example", "className": "nginx", "tlsSecret": "h"}},
            "desk": {"ingress": {"enabled": True, "host": "desk.example", "annotations": {"a": "b"}}},
            "router": {"nodeSelector": {"pool": "work"}, "tolerations": [{"key": "work", "operator": "Exists"}]},
        },
        "pods": {"labels": {"team": "support"}, "annotations": {"a": "b"}, "priorityClassName": "high"},
        "autoscaling": {"mode": "keda"},
        "metrics": {
            "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {"enabled": True},
            "dashboards": {"enabled": True, "annotations": {"grafana_folder": "Postroom"}},
        },
    },
    "no commands": {"commands": {"enabled": False}},
    "policies off": {"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False}},
}
"""Values over LEAST, each a combination that somebody has."""


def merged(base: Object, over: Object) -> Object:
    """Return `base` with `over` laid on it, as Helm does with several files of values."""
    result = dict(base)
    for key, value in over.items():
        there = result.get(key)
        result[key] = merged(there, value) if isinstance(there, dict) and isinstance(value, dict) else value
    return result


def helm(*arguments: str) -> "subprocess.CompletedProcess[str]":
    program = find()
    if program is None:
        pytest.fail(f"helm is not here: `python3 tools/helm.py` builds {VERSION}, or install it")
    return subprocess.run([str(program), *arguments], capture_output=True, text=True, check=False)


def template(values: Object, release: str = "postroom", namespace: str = "mail") -> "subprocess.CompletedProcess[str]":
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(values, file)
        file.flush()
        options = ["--namespace", namespace, "--kube-version", "1.34.0", "--values", file.name]
        return helm("template", release, str(CHART), *options)


@cache
def _rendered(text: str) -> list[Object]:
    done = template(json.loads(text))
    assert done.returncode == 0, done.stderr
    return [made for made in yaml.load_all(done.stdout, yaml.CSafeLoader) if made]


def render(values: Object) -> list[Object]:
    """Return the objects that `values` alone make."""
    return _rendered(json.dumps(values))


@cache
def example(name: str) -> Object:
    return dict(yaml.safe_load(EXAMPLES[name].read_text(encoding="utf-8")))


def cases() -> dict[str, Object]:
    """Return the values of every case of the matrix and of every example, by name."""
    return {name: merged(LEAST, over) for name, over in MATRIX.items()} | {name: example(name) for name in EXAMPLES}


def refusal(over: Object) -> str:
    """Return what Helm says to LEAST with `over`, on one line; fails if it takes it."""
    done = template(merged(LEAST, over))
    assert done.returncode != 0, "these values should be refused"
    return " ".join(done.stderr.split())


def of_kind(objects: list[Object], kind: str) -> dict[str, Object]:
    return {made["metadata"]["name"]: made for made in objects if made["kind"] == kind}


def deployments(objects: list[Object]) -> dict[str, Object]:
    """Return the Deployments that serve, without the pod for commands."""
    return {name: made for name, made in of_kind(objects, "Deployment").items() if not name.endswith("-commands")}


def pods(objects: list[Object]) -> dict[str, Object]:
    """Return the pod templates of all Deployments and Jobs, by name."""
    return {m["metadata"]["name"]: m["spec"]["template"] for m in objects if m["kind"] in ("Deployment", "Job")}


def containers(pod: Object) -> list[Object]:
    return [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]]


def environment(container: Object, objects: list[Object]) -> dict[str, str]:
    """Return the plain variables of a container, those of ConfigMaps of the chart too."""
    maps = of_kind(objects, "ConfigMap")
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        if name := source.get("configMapRef", {}).get("name"):
            found |= maps[name]["data"]
    return found | {e["name"]: e["value"] for e in container["env"] if "value" in e}


def by_reference(container: Object) -> dict[str, tuple[str, str]]:
    """Return the variables that come from secrets: name to (secret, key)."""
    references = {e["name"]: e["valueFrom"]["secretKeyRef"] for e in container["env"] if "valueFrom" in e}
    return {name: (ref["name"], ref["key"]) for name, ref in references.items()}
