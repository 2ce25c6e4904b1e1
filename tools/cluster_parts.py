"""What `make check-cluster` runs, made once: kube-apiserver from Go modules, definitions of three operators."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from postroom_local.java import java_program
from postroom_local.resolvers import RESOLVERS, ResolverFailedError

HOME = Path(__file__).resolve().parent.parent / "build" / "cluster"
KUBERNETES = "1.34.1"
KEDA = "v2.21.0"
PROMETHEUS_OPERATOR = "v0.95.1"
CONTROLLER_TOOLS = "v0.23.0"
STRIMZI = "1.2.0"
_OPERATOR = "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring"


def say(text: str) -> None:
    print(text, flush=True)


def run(command: list[str], folder: Path, **env: str) -> str:
    """Return what the command said. Ends the program with its output when it fails."""
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GOFLAGS": "-mod=mod", **env},
    )
    if done.returncode:
        sys.exit(f"error: {' '.join(command[:5])} ended with {done.returncode}:\n{(done.stderr + done.stdout)[-3000:]}")
    return done.stdout


def strimzi_jars(folder: Path) -> list[Path]:
    """Return the jars of the generator and of what it reads, fetched from Maven Central by whatever can."""
    wanted, failures = (f"io.strimzi:crd-generator:{STRIMZI}", f"io.strimzi:api:{STRIMZI}"), []
    for name, resolve in RESOLVERS.items():
        try:
            return sorted(resolve(wanted, folder, say))
        except (ResolverFailedError, OSError, subprocess.SubprocessError) as error:
            failures.append(f"{name}: {error}")
    sys.exit(f"error: Strimzi's generator could not be fetched:\n{chr(10).join(failures)}")


class Parts:
    """Everything lies in `home`; what is there already is not made again."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self.apiserver = home / f"kube-apiserver-{KUBERNETES}"
        self._definitions = home / "definitions"

    def make(self) -> None:
        self._definitions.mkdir(parents=True, exist_ok=True)
        for path, build in (
            (self.apiserver, self._build_apiserver),
            (self._definitions / f"keda-{KEDA}", self._keda),
            (self._definitions / f"prometheus-operator-{PROMETHEUS_OPERATOR}", self._prometheus_operator),
            (self._definitions / f"strimzi-users-{STRIMZI}", self._strimzi),
        ):
            if not path.exists():
                began = time.monotonic()
                partial = path.with_name(f"{path.name}.partial")
                shutil.rmtree(partial, ignore_errors=True)
                build(partial)
                partial.rename(path)
                say(f"{path.name}: made in {time.monotonic() - began:.0f} s")

    def definitions(self) -> list[Path]:
        return sorted(self._definitions.glob("*/*.yaml"))

    def _module(self, name: str) -> Path:
        folder = self._home / f"src-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _build_apiserver(self, to: Path) -> None:
        """Kubernetes is no library: its parts stand in its own tree, and have to be named one by one."""
        folder = self._module("apiserver")
        found = json.loads(run(["go", "mod", "download", "-json", f"k8s.io/kubernetes@v{KUBERNETES}"], self._home))
        parts = re.findall(r"^\s+(k8s\.io/\S+) => \./staging", Path(found["GoMod"]).read_text(), re.MULTILINE)
        minor = f"v0.{KUBERNETES.partition('.')[2]}"
        replaced = "".join(f"\t{part} => {part} {minor}\n" for part in parts)
        (folder / "go.mod").write_text(
            "module apiserver\n\ngo 1.24.0\n\ngodebug default=go1.24\n\n"
            f"require k8s.io/kubernetes v{KUBERNETES}\n\nreplace (\n{replaced})\n"
        )
        (folder / "tools.go").write_text('package tools\n\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n')
        run(["go", "mod", "tidy"], folder)
        say("building kube-apiserver; this takes minutes")
        version, major_minor = "k8s.io/component-base/version", KUBERNETES.split(".")
        linked = f"-s -w -X {version}.gitVersion=v{KUBERNETES}"
        linked += f" -X {version}.gitMajor={major_minor[0]} -X {version}.gitMinor={major_minor[1]}"
        package = "k8s.io/kubernetes/cmd/kube-apiserver"
        run(["go", "build", "-ldflags", linked, "-o", str(to), package], folder, CGO_ENABLED="0")

    def _keda(self, to: Path) -> None:
        found = json.loads(run(["go", "mod", "download", "-json", f"github.com/kedacore/keda/v2@{KEDA}"], self._home))
        to.mkdir()
        for kind in ("scaledobjects", "triggerauthentications"):
            shutil.copyfile(Path(found["Dir"]) / f"config/crd/bases/keda.sh_{kind}.yaml", to / f"{kind}.yaml")

    def _prometheus_operator(self, to: Path) -> None:
        folder = self._module("prometheus-operator")
        (folder / "go.mod").write_text("module definitions\n\ngo 1.24.0\n")
        (folder / "t.go").write_text(f'package definitions\n\nimport _ "{_OPERATOR}/v1"\n')
        run(["go", "get", f"{_OPERATOR}@{PROMETHEUS_OPERATOR}"], folder)
        tool = f"sigs.k8s.io/controller-tools/cmd/controller-gen@{CONTROLLER_TOOLS}"
        run(["go", "install", tool], self._home, GOBIN=str(self._home / "bin"))
        generator = str(self._home / "bin" / "controller-gen")
        run([generator, "crd:crdVersions=v1", f"paths={_OPERATOR}/v1", "output:crd:dir=out"], folder)
        to.mkdir()
        for kind in ("podmonitors", "prometheusrules"):
            shutil.copyfile(folder / f"out/monitoring.coreos.com_{kind}.yaml", to / f"{kind}.yaml")

    def _strimzi(self, to: Path) -> None:
        """Strimzi makes its definitions by a Java program of its own."""
        to.mkdir()
        folder = self._module("strimzi")
        jars = strimzi_jars(folder)
        models = {"topic.KafkaTopic": "kafkatopics", "user.KafkaUser": "kafkausers"}
        where = [f"io.strimzi.api.kafka.model.{model}={to / name}.yaml" for model, name in models.items()]
        java = [str(java_program()), "-cp", ":".join(map(str, jars))]
        run([*java, "io.strimzi.crdgenerator.CrdGenerator", "--yaml", *where], folder)
