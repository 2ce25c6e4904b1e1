"""The docs say what is there: links lead somewhere, commands exist with their options, named series are declared."""

import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from postroom_runtime import metrics
from postroom_runtime.cli import build
from prometheus_client.metrics_core import Metric

from tests.unit.test_workspace import ROOT, tracked

PAGES = [page for page in tracked("*.md") if page.is_file()]
MADE_BY_HAND = re.compile(r"^(https?:|mailto:|#)")
PLACEHOLDER = re.compile(r"^[A-Z][A-Z0-9_|.]*$|^\.\.\.$")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def without_code(text: str) -> str:
    return re.sub(r"`[^`\n]*`", "", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.+)$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_there_are_pages() -> None:
    assert len(PAGES) > 20


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_to_what_is_there(page: Path) -> None:
    dead = []
    for link in re.findall(r"!?\[[^\]]*\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8"))):
        if MADE_BY_HAND.match(link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve()
        if not target.exists() or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            dead.append(link)
    assert dead == []


def commands_in(text: str) -> Iterator[str]:
    """Yield every `postroom ...` of a page: of code spans, and of lines in code blocks."""
    blocks = re.findall(r"```[^\n]*\n(.*?)```", text, re.DOTALL) + re.findall(r"^ {4}\S.*$", text, re.MULTILINE)
    for line in "\n".join(blocks).splitlines():
        found = re.match(r"^\s*(?:\$ |\w+=\S+ )*(?:\S*/)?(postroom .+)$", line)
        if found:
            yield re.sub(r"\s+#.*$", "", found[1])
    spans = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (re.sub(r"\s+", " ", found) for found in re.findall(r"`(postroom [^`]+)`", spans))


def commands() -> list[tuple[str, str]]:
    pages = [page for page in PAGES if page.is_relative_to(ROOT / "docs") or page.parent == ROOT]
    return [(name_of(page), found) for page in pages for found in commands_in(page.read_text(encoding="utf-8"))]


@pytest.fixture(scope="module")
def program() -> Any:
    return typer.main.get_command(build())


def problem_of(line: str, program: Any) -> str | None:
    """Return what is wrong with a command line of the docs. `a|b` means that both are there, capitals stand for values."""
    words = shlex.split(line)[1:]
    command = program
    while words and not words[0].startswith("-") and (children := getattr(command, "commands", {})):
        if PLACEHOLDER.match(words[0]):
            return None
        missing = [name for name in words[0].split("|") if name not in children]
        if missing:
            return f"there is no {', '.join(missing)}"
        command = children[words.pop(0).split("|")[0]]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    given = (word.strip("[]").partition("=")[0] for word in words)
    unknown = [word for word in given if word.startswith("--") and word not in known]
    return f"there is no option {', '.join(unknown)}" if unknown else None


def test_commands_are_found_in_the_docs() -> None:
    assert len(commands()) > 30


@pytest.mark.parametrize(("page", "line"), commands(), ids=lambda value: value[:60])
def test_each_command_of_the_docs_exists_with_its_options(page: str, line: str, program: Any) -> None:
    assert problem_of(line, program) is None, f"{page}: {line}"


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("postroom nothing", "there is no nothing"),
        ("postroom config chekc FILE", "there is no chekc"),
        ("postroom config check --json --strict FILE", "there is no option --strict"),
        ("postroom topics apply|list", None),
        ("postroom topics apply|drop", "there is no drop"),
    ],
)
def test_a_wrong_command_is_found(line: str, problem: str | None, program: Any) -> None:
    assert problem_of(line, program) == problem


def declared() -> set[str]:
    """Return the names of all series that the services declare, as Prometheus shows them."""
    for service in ("ingest", "router", "assigner", "notifier", "desk"):
        importlib.import_module(f"postroom_{service}.metrics")
    importlib.import_module("postroom_notifier.probe.metrics")
    for module in ("dead_letter_watch", "group_watch", "http_metrics", "loop_delay", "mongo_metrics"):
        importlib.import_module(f"postroom_runtime.{module}")
    families: list[Metric] = list(metrics.REGISTRY.collect())
    names = {f.name + ("_total" if f.type == "counter" else "_info" if f.type == "info" else "") for f in families}
    names |= {f"{f.name}_{e}" for f in families if f.type == "histogram" for e in ("bucket", "sum", "count")}
    source = (ROOT / "services/analytics/src/postroom_analytics/series.py").read_text(encoding="utf-8")
    counted = {f"{name}_total" for name in re.findall(r'CounterMetricFamily\(\s*"(postroom_\w+)"', source)}
    gauges = set(re.findall(r'GaugeMetricFamily\(\s*"(postroom_\w+)"', source))
    kinds = ("first_response", "next_response", "resolution", "net_resolution")
    return names | counted | gauges | {f"postroom_{kind}_seconds" for kind in kinds}


PACKAGES = {"contracts", "runtime", "local", "demo", *(p.name for p in (ROOT / "services").iterdir())}


def test_each_series_that_the_docs_name_is_declared() -> None:
    known = declared()
    wrong = {}
    for page in (
        page for room in ("services", "runbooks", "operations") for page in (ROOT / "docs" / room).glob("*.md")
    ):
        named = set(re.findall(r"\bpostroom_[a-z_]*[a-z]\b", page.read_text(encoding="utf-8")))
        named -= {f"postroom_{package}" for package in PACKAGES}
        if named - known:
            wrong[page.name] = sorted(named - known)
    assert wrong == {}
