"""The support bundle: what was found, how the deployment is set, ends of logs, series; without secrets and addresses."""

import io
import json
import os
import re
import tarfile
import time
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from postroom_contracts.configuration import Configuration

from postroom_runtime import redaction
from postroom_runtime.findings import Finding
from postroom_runtime.settings import RuntimeSettings

LOG_BYTES = 2_000_000
METRICS_BYTES = 5_000_000
METRICS_SECONDS = 10


def write_bundle(
    file: Path,
    settings: RuntimeSettings,
    findings: Sequence[Finding],
    configuration: Configuration | None,
    logs: Sequence[Path],
    metrics: Sequence[str],
) -> None:
    """Write the bundle, readable by its owner alone. What cannot be read is named in it instead. Raises OSError."""
    taken = redaction.known(settings, configuration)
    parts: dict[str, str] = {
        "findings.json": redaction.text(_json([asdict(finding) for finding in findings]), taken),
        "settings.json": _json({name: redaction.setting(value) for name, value in settings}),
        "environment.json": _json(sorted(name for name in os.environ if name.startswith("POSTROOM_"))),
        "configuration.json": _json(_configuration(configuration)),
    }
    parts |= {f"logs/{n}-{path.name}": _log(path, taken) for n, path in enumerate(logs, 1)}
    parts |= {f"metrics/{n}.txt": _metrics(url, taken) for n, url in enumerate(metrics, 1)}
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as bundle:
        for name, content in parts.items():
            _add(bundle, name, content.encode())


def _add(bundle: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(f"postroom-support/{name}")
    entry.size, entry.mtime, entry.mode = len(content), int(time.time()), 0o600
    bundle.addfile(entry, io.BytesIO(content))


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, default=str) + "\n"


def _configuration(configuration: Configuration | None) -> Any:
    if configuration is None:
        return "not read"
    return redaction.counted(configuration.model_dump(mode="json", exclude_defaults=True))


def _log(path: Path, taken: re.Pattern[str]) -> str:
    """Return the end of a log, each line redacted; a first line that is cut is left out."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - LOG_BYTES))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError as error:
        return f"not read: {error.strerror}\n"
    return "\n".join(redaction.text(line, taken) for line in (lines[1:] if size > LOG_BYTES else lines)) + "\n"


def _metrics(url: str, taken: re.Pattern[str]) -> str:
    """Return the series of one process: their labels are names of the configuration, ours, or addresses of servers."""
    if not url.startswith(("http://", "https://")):
        return "not read: no http address\n"
    try:
        with urllib.request.urlopen(url, timeout=METRICS_SECONDS) as answer:  # noqa: S310 - given by who calls
            return redaction.text(answer.read(METRICS_BYTES).decode("utf-8", "replace"), taken)
    except (OSError, ValueError) as error:
        return f"not read: {type(error).__name__}\n"
