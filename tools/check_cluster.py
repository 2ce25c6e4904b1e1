"""Apply all that the chart makes to a real kube-apiserver by server-side dry run: `make check-cluster`, without a cluster.

Before that the commands of docs/operations/install.md are carried out as they stand there, but for those that need pods.

The server is built from Kubernetes' Go modules (minutes, once), etcd is Debian's, the definitions of KEDA, Prometheus Operator
and Strimzi are made by their own tools from their own sources. All is kept in build/cluster. Needs go, etcd, kubectl, openssl.
"""

import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from postroom_local.ports import free_port

from tests.component.deploy.chart import CHART, LEAST, ROOT, cases, merged, render
from tools.cluster_parts import HOME, Parts, say
from tools.follow_docs import follow, kubeconfig
from tools.helm import find

SAMPLES = (ROOT / "docs" / "examples" / "kafka-user.yaml",)
"""Resources of the docs that other teams apply."""
OPERATIONS = ROOT / "docs" / "operations"
FOLLOWED = ("install.md", "commands.md")
READY_SECONDS = 120.0
ESTABLISHED_SECONDS = 30.0
WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "Deployment": lambda m: m["spec"].update(replicas=-1),
    "NetworkPolicy": lambda m: m["spec"].update(policyTypes=["Sideways"]),
    "ScaledObject": lambda m: m["spec"].update(minReplicaCount="two"),
    "PodMonitor": lambda m: m["spec"]["podMetricsEndpoints"][0].update(interval="15q"),
    "KafkaTopic": lambda m: m["spec"].update(partitions=-1),
    "KafkaUser": lambda m: m["spec"]["authorization"]["acls"][0].update(operations=["Peek"]),
}
"""What the server must refuse: else it would look at nothing."""


def main() -> None:
    programs = {"go": "go", "etcd": "etcd-server", "kubectl": "kubectl", "openssl": "openssl"}
    if missing := [package for program, package in programs.items() if shutil.which(program) is None]:
        sys.exit(f"error: missing: {', '.join(missing)}")
    parts = Parts(HOME)
    parts.make()
    with tempfile.TemporaryDirectory(prefix="postroom-cluster-") as folder, server(parts, Path(folder)) as kubectl:
        for path in parts.definitions():
            kubectl("apply", "--server-side", "-f", str(path))
        kubectl("wait", "--for=condition=Established", f"--timeout={ESTABLISHED_SECONDS:.0f}s", "crd", "--all")
        count, faults = follow([OPERATIONS / name for name in FOLLOWED], Path(folder) / "kubeconfig", Path(folder))
        say(f"{count} commands of {', '.join(FOLLOWED)} carried out as they stand there")
        kubectl("create", "namespace", "mail")
        faults += [*accept_all(kubectl), *refuse_wrong(kubectl), *repeat_job(kubectl, Path(folder))]
    if faults:
        sys.exit("error: " + "\n".join(faults))


Kubectl = Callable[..., "subprocess.CompletedProcess[str]"]


@contextmanager
def server(parts: Parts, folder: Path) -> Iterator[Kubectl]:
    """Run etcd and kube-apiserver; yields kubectl, which raises CalledProcessError unless told `check=False`."""
    store, peer, port = free_port(), free_port(), free_port()
    token, key = secrets.token_hex(16), folder / "sa.key"
    subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f"{token},admin,1,system:masters\n")
    at, peers = f"http://127.0.0.1:{store}", f"http://127.0.0.1:{peer}"
    etcd = [
        *("etcd", "--data-dir", str(folder / "etcd"), "--listen-client-urls", at, "--advertise-client-urls", at),
        *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers, "--initial-cluster", f"default={peers}"),
    ]
    api = [
        *(str(parts.apiserver), f"--etcd-servers={at}", f"--cert-dir={folder / 'certs'}", f"--secure-port={port}"),
        *("--bind-address=127.0.0.1", f"--token-auth-file={folder / 'tokens.csv'}", "--authorization-mode=RBAC"),
        *("--service-account-issuer=https://kubernetes.test", f"--service-account-signing-key-file={key}"),
        *(f"--service-account-key-file={key}", "--service-cluster-ip-range=10.0.0.0/24"),
        "--disable-admission-plugins=ServiceAccount",
    ]
    kubeconfig(folder, f"https://127.0.0.1:{port}", token)
    log = (folder / "log").open("wb")
    running = [subprocess.Popen(command, stdout=log, stderr=log, cwd=folder) for command in (etcd, api)]
    options = [f"--server=https://127.0.0.1:{port}", "--insecure-skip-tls-verify", f"--token={token}"]

    def kubectl(*words: str, given: str | None = None, check: bool = True) -> "subprocess.CompletedProcess[str]":
        command, env = ["kubectl", *options, *words], {**os.environ, "KUBECONFIG": "/dev/null"}
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False, env=env)
        if check and done.returncode:
            raise SystemExit(f"error: kubectl {' '.join(words)}: {done.stderr}")
        return done

    try:
        _wait_until_ready(kubectl, running, folder / "log")
        say("kube-apiserver " + json.loads(kubectl("get", "--raw", "/version").stdout)["gitVersion"] + " answers")
        yield kubectl
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(30)


def _wait_until_ready(kubectl: Kubectl, running: list["subprocess.Popen[bytes]"], log: Path) -> None:
    give_up_at = time.monotonic() + READY_SECONDS
    while kubectl("get", "--raw", "/readyz", check=False).stdout != "ok":
        if time.monotonic() > give_up_at or any(process.poll() is not None for process in running):
            raise SystemExit(f"error: the server does not start:\n{log.read_text(errors='replace')[-3000:]}")
        time.sleep(0.2)


def dry_run(kubectl: Kubectl, objects: list[dict[str, Any]]) -> str:
    """Return what the server says against these objects; empty when it takes them all."""
    placed = [made | {"metadata": {"namespace": "mail", **made["metadata"]}} for made in objects]
    listed = json.dumps({"apiVersion": "v1", "kind": "List", "items": placed})
    words = ["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-"]
    done = kubectl(*words, given=listed, check=False)
    taken = len([line for line in done.stdout.splitlines() if "serverside-applied" in line])
    if done.returncode == 0 and taken != len(objects):
        return f"only {taken} of {len(objects)} were applied"
    return done.stderr.strip() if done.returncode else ""


def accept_all(kubectl: Kubectl) -> list[str]:
    """Apply every case of the tests' matrix; return what was refused."""
    faults: list[str] = []
    count, kinds = 0, set[str]()
    for name, values in cases().items():
        objects = render(values)
        count, kinds = count + len(objects), kinds | {made["kind"] for made in objects}
        if said := dry_run(kubectl, objects):
            faults.append(f"{name}: {said}")
    examples = [made for path in SAMPLES for made in yaml.safe_load_all(path.read_text(encoding="utf-8"))]
    if said := dry_run(kubectl, examples):
        faults.append(f"{', '.join(path.name for path in SAMPLES)}: {said}")
    say(f"{count} objects of {len(cases())} sets of values, {len(kinds)} kinds: {', '.join(sorted(kinds))}")
    return faults


def refuse_wrong(kubectl: Kubectl) -> list[str]:
    """Spoil one object of each kind; return the kinds that were taken all the same."""
    objects = [*render(cases()["everything on"]), *render(cases()["a certificate for each service"])]
    faults = []
    for kind, spoil in WRONG.items():
        wrong = json.loads(json.dumps(next(made for made in objects if made["kind"] == kind)))
        spoil(wrong)
        if not dry_run(kubectl, [wrong]):
            faults.append(f"a wrong {kind} was taken")
    say(f"refused, as it should: a wrong {', '.join(WRONG)}")
    return faults


def repeat_job(kubectl: Kubectl, folder: Path) -> list[str]:
    """Upgrade a release whose Job comes with it by the same values: without another Job a changed company is never applied."""
    values = folder / "values.json"
    values.write_text(json.dumps(merged(LEAST, {"topics": {"strimzi": {"enabled": True, "cluster": "main"}}})))
    program, environment = find(), {**os.environ, "KUBECONFIG": str(folder / "kubeconfig")}
    options = ["-n", "again", "--create-namespace", "-f", str(values)]
    jobs: list[str] = []
    for _ in range(2):
        command = [str(program), "upgrade", "--install", "postroom", str(CHART), *options]
        subprocess.run(command, check=True, capture_output=True, env=environment, timeout=60)
        jobs += kubectl("-n", "again", "get", "jobs", "-o", "name").stdout.split()
    say(f"upgraded by the same values: {', '.join(jobs)}")
    return [] if len(set(jobs)) == len(jobs) == 2 else [f"an upgrade has no Job of its own: {', '.join(jobs)}"]  # noqa: PLR2004


if __name__ == "__main__":
    main()
