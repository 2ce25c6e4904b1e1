"""A Prometheus of one's own: started on free ground, asked over HTTP."""

import json
import shutil
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from postroom_local.errors import MissingProgramError
from postroom_local.process import ManagedProcess, spawn

Labels = dict[str, str]


@dataclass(frozen=True, slots=True)
class Line:
    """One time series of an answer: (seconds since the epoch, value), oldest first."""

    labels: Labels
    points: list[tuple[float, float]]


class Prometheus:
    """Scrapes and evaluates every second."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self._port = port
        self._process: ManagedProcess | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self, *, targets: list[str], rules_text: str) -> None:
        """Start and return when it answers. Raises MissingProgramError where it is not installed."""
        program = shutil.which("prometheus")
        if program is None:
            raise MissingProgramError("Prometheus is not installed (Debian: apt-get install prometheus)")
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "rules.yaml").write_text(rules_text)
        (self._folder / "prometheus.yaml").write_text(_configuration(self._folder / "rules.yaml", targets))
        command = [
            program,
            f"--config.file={self._folder / 'prometheus.yaml'}",
            f"--storage.tsdb.path={self._folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--query.lookback-delta=10s",
        ]
        self._process = spawn("prometheus", command, self._folder / "log")
        self._process.wait_ready(self._answers, 30, "See its log.")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def _get(self, path: str, **parameters: Any) -> Any:
        given = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}{path}?{given}", timeout=20) as answer:
            return json.loads(answer.read())["data"]

    def firing(self) -> list[Labels]:
        """Return the labels of the alerts that fire now."""
        return [alert["labels"] for alert in self._get("/api/v1/alerts")["alerts"] if alert["state"] == "firing"]

    def range(self, expr: str, start: float, end: float, step: float) -> list[Line]:
        """Return what the expression gave from `start` to `end`, seconds since the epoch."""
        found = self._get("/api/v1/query_range", query=expr, start=start, end=end, step=step)["result"]
        return [Line(one["metric"], [(float(t), float(v)) for t, v in one["values"]]) for one in found]


def _configuration(rule_file: Path, targets: list[str]) -> str:
    return yaml.safe_dump(
        {
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(rule_file)],
            "scrape_configs": [{"job_name": "postroom", "static_configs": [{"targets": targets}]}],
        }
    )
