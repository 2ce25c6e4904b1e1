"""What this release writes is read by consumers of every earlier one: by its contracts' wheel, and by its services' code."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from postroom_contracts.events import EventMode, encode
from postroom_contracts.examples import event_of
from postroom_contracts.registry import REGISTRATIONS
from postroom_contracts.schemas import schema_of, short_name
from postroom_contracts.topics import AGENT_PRESENCE, TOPICS

from tests.contract.releases import RECORDED, MissingHistoryError, Release, reader_of, recorded, releases, tree

OLD = Path(__file__).parent / "old"
NEWEST = RECORDED / recorded()[-1]
FOREIGN = "org.postroom.weather-changed.v1"
"""A type that no release has."""
MODES: tuple[EventMode, ...] = ("binary", "structured")


def _found() -> list[Release | MissingHistoryError]:
    try:
        return list(releases(recorded()))
    except MissingHistoryError as error:  # each test fails with it, and others are still collected
        return [error]


@pytest.fixture(scope="module", params=_found(), ids=lambda found: getattr(found, "name", "no-history"))
def release(request: pytest.FixtureRequest) -> Release:
    if isinstance(request.param, MissingHistoryError):
        raise request.param
    assert isinstance(request.param, Release)
    return request.param


@pytest.fixture(scope="module")
def source(release: Release, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree(release, tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="module")
def old_types(source: Path) -> set[str]:
    """The types that the release published: those that it has schemas of."""
    names = {path.stem for path in (source / "contracts" / "schemas").glob("*.json")}
    return {f"org.postroom.{name}" for name in names - {"cloudevents-headers"}}


@pytest.fixture(scope="module")
def told(source: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What an old subscriber tells of every record of ours: first of itself, then of each."""
    python = reader_of(source, tmp_path_factory.mktemp("reader"))
    sent = "".join(json.dumps(record) + "\n" for record in records())
    command = [str(python), "-I", str(OLD / "subscriber.py")]
    done = subprocess.run(command, input=sent, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert Path(lines[0]["package"]).is_relative_to(python.parent.parent)
    return lines


def records() -> Iterator[dict[str, Any]]:
    """Yield the golden examples in both modes, again with fields that nobody knows, a foreign type, and what was recorded."""
    for registration in REGISTRATIONS:
        event = event_of(registration)
        name = short_name(registration.model)
        for mode in MODES:
            headers, body = encode(event, mode)
            yield _record(f"{mode} {name}", dict(headers), json.loads(body))
        headers, body = encode(event)
        grown = with_unknown_fields(json.loads(body), schema_of(registration.model))
        yield _record(f"grown {name}", {**dict(headers), "ce_newer": b"1"}, grown)
        if name == "conversation-assigned.v1":
            yield _record("newer value", dict(headers), {**json.loads(body), "reason": "of-a-newer-release"})
    yield _record("foreign", {**dict(headers), "ce_type": FOREIGN.encode()}, {"sky": "blue"})
    for topic in (t for t in TOPICS if t is not AGENT_PRESENCE):
        path = NEWEST / f"{topic.name}.jsonl"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else ()):
            attributes = json.loads(line)
            body = attributes.pop("data")
            found = {f"ce_{key}": str(value).encode() for key, value in attributes.items()}
            yield _record(f"recorded {topic.name} {number}", found, body)


def _record(name: str, headers: dict[str, bytes], body: Any) -> dict[str, Any]:
    return {"name": name, "headers": {k: v.decode() for k, v in headers.items()}, "value": json.dumps(body)}


def with_unknown_fields(value: Any, schema: Any, root: Any = None) -> Any:
    """Return `value` with a field that no release knows in each object that has named fields, at every depth."""
    root = root or schema
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    if isinstance(value, list):
        return [with_unknown_fields(item, schema.get("items", {}), root) for item in value]
    if not isinstance(value, dict):
        return value
    for branch in schema.get("anyOf", schema.get("oneOf", ())):
        found = root["$defs"].get(branch.get("$ref", "").rpartition("/")[2], branch)
        if value.keys() <= found.get("properties", {}).keys() and set(found.get("required", ())) <= value.keys():
            return with_unknown_fields(value, found, root)
    fields = schema.get("properties", {})
    inner = {key: with_unknown_fields(item, fields.get(key, {}), root) for key, item in value.items()}
    return {**inner, "of_a_newer_release": {"x": [1]}} if fields else inner


def test_an_old_wheel_reads_what_it_knows_and_skips_what_it_does_not(
    told: list[dict[str, Any]], old_types: set[str]
) -> None:
    itself, *found = told
    sent = {record["name"]: record for record in records()}
    assert [line["name"] for line in found] == list(sent)
    (refused,) = [line for line in found if line["name"] == "newer value"]
    assert "reason" in refused["error"]  # so nothing writes a value that services of the last release do not know
    failed = [line for line in found if "error" in line and line is not refused]
    if not itself["structured"]:  # it came before that mode, which a deployment switches on when all can read it
        failed = [line for line in failed if not line["name"].startswith("structured ")]
    assert failed == []
    read = {line["name"] for line in found if "read" in line}
    known = {name for name, record in sent.items() if record["headers"].get("ce_type") in old_types} - {"newer value"}
    assert read >= known
    assert len(read) > 500  # the recording, and the examples
    assert {line["skipped"] for line in found if "skipped" in line} & old_types == set()
    assert next(line for line in found if line["name"] == "foreign")["skipped"] == FOREIGN


def test_what_an_old_wheel_reads_is_what_was_written(told: list[dict[str, Any]]) -> None:
    sent = {record["name"]: json.loads(record["value"]) for record in records()}
    for line in told[1:]:
        if "read" in line and not line["name"].startswith("structured "):
            assert differing(line["read"], sent[line["name"]], line["name"]) == []
            assert "of_a_newer_release" not in json.dumps(line["read"])


def differing(read: Any, sent: Any, at: str) -> list[str]:
    """Return where `read` says something that was not sent; what was sent and not read is a newer release's."""
    if isinstance(read, dict) and isinstance(sent, dict):
        extra = [f"{at}.{key}: was not sent" for key in read.keys() - sent.keys() if read[key] is not None]
        return extra + [
            line for key in read.keys() & sent.keys() for line in differing(read[key], sent[key], f"{at}.{key}")
        ]
    if isinstance(read, list) and isinstance(sent, list) and len(read) == len(sent):
        return [line for n, pair in enumerate(zip(read, sent, strict=True)) for line in differing(*pair, f"{at}[{n}]")]
    return [] if read == sent else [f"{at}: {read!r} is not {sent!r}"]


def test_old_services_read_the_new_log_and_put_aside_only_what_is_newer_than_they(
    source: Path, old_types: set[str], tmp_path: Path
) -> None:
    facts = (NEWEST / "conversation-events.jsonl").read_text(encoding="utf-8")
    first = json.loads(facts.splitlines()[0])
    newer = json.dumps({**first, "type": FOREIGN, "id": "weather-1"}) + "\n"
    (tmp_path / "facts.jsonl").write_text(facts + newer, encoding="utf-8")
    command = [sys.executable, str(OLD / "services.py"), str(source), str(tmp_path / "facts.jsonl")]
    folders = [source / "contracts" / "src", source / "runtime" / "src", *sorted(source.glob("services/*/src"))]
    done = subprocess.run(
        [*command, str(NEWEST / "configuration.jsonl")],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout)
    kinds = [json.loads(line) for line in facts.splitlines()]
    opened = sum(k["type"] == "org.postroom.message-received.v1" and k["data"].get("opened", False) for k in kinds)
    assert found["read"] == sum(k["type"] in old_types for k in kinds) > 200
    assert found["conversations"] == opened > 20
    assert found["left"] == [f"type {FOREIGN!r} is not known here"]  # parked, for the newer release to replay


def test_a_clone_without_history_is_named_and_never_passes(tmp_path: Path) -> None:
    def git(*arguments: str, cwd: Path = tmp_path) -> None:
        identity = ["-c", "user.name=x", "-c", "user.email=x@example.test"]
        subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, timeout=30)

    home = tmp_path / "home"
    place = home / "contracts" / "recorded" / "0.1"
    place.mkdir(parents=True)
    git("init", "-q", "-b", "main", cwd=home)
    (place / "conversation-events.jsonl").write_text("{}\n")
    git("add", "-A", cwd=home)
    git("commit", "-q", "-m", "first", cwd=home)
    (home / "later").write_text("x")
    git("add", "-A", cwd=home)
    git("commit", "-q", "-m", "later", cwd=home)
    [untagged] = releases(["0.1"], home)
    assert untagged.name == "0.1"
    assert not (tree(untagged, tmp_path / "tree", home) / "later").exists()  # it is the first commit, not today's
    git("clone", "-q", "--depth", "1", home.as_uri(), str(tmp_path / "shallow"))
    with pytest.raises(MissingHistoryError, match=r"release 0\.1 has no tag, and this clone is shallow: fetch"):
        releases(["0.1"], tmp_path / "shallow")
    (tmp_path / "exported").mkdir()
    with pytest.raises(MissingHistoryError, match="not a git repository"):
        releases(["0.1"], tmp_path / "exported")
    git("tag", "v0.1.0", cwd=home)
    assert [(r.name, r.revision) for r in releases(["0.1"], home)] == [("0.1.0", "v0.1.0")]
