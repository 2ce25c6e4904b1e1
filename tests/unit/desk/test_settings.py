"""The configuration as text of sections, its difference, and a file and the desk that both changed it."""

from pathlib import Path
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration
from postroom_desk.merging import MergeConflictError, merged
from postroom_desk.settings_text import SECTIONS, SectionFaultError, as_yaml, difference, section_yaml, with_section
from postroom_runtime.configuration_file import load_configuration, parse_configuration

COMPANY = Path(__file__).resolve().parents[3] / "docs" / "examples" / "company.yaml"


@pytest.fixture
def company() -> Configuration:
    return load_configuration(COMPANY)


def changed(configuration: Configuration, section: str, identifier: str, **fields: Any) -> Configuration:
    entries = [e.model_copy(update=fields) if e.id == identifier else e for e in getattr(configuration, section)]
    return configuration.model_copy(update={section: entries})


def test_what_is_exported_is_read_as_the_same(company: Configuration) -> None:
    assert parse_configuration(as_yaml(company).encode(), "exported") == company


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_that_is_not_touched_changes_nothing(company: Configuration, section: str) -> None:
    text = section_yaml(company, section)
    assert with_section(company, section, text) == company
    assert difference(company, company) == []


def test_a_change_of_one_section_shows_as_its_lines(company: Configuration) -> None:
    text = section_yaml(company, "teams").replace("name: Workshop", "name: Garage", 1)
    wanted = with_section(company, "teams", text)
    lines = difference(company, wanted)
    assert [line for line in lines if line[0] in "+-"] == ["-    name: Workshop", "+    name: Garage"]


def test_faults_are_named_by_the_line_of_the_text(company: Configuration) -> None:
    text = section_yaml(company, "inboxes")
    broken = text.replace("account: ", "account: no-", 1)
    line = next(n for n, found in enumerate(broken.splitlines(), 1) if "no-" in found)
    with pytest.raises(SectionFaultError) as refused:
        with_section(company, "inboxes", broken)
    (problem,) = refused.value.problems
    assert (problem.line, problem.field) == (line, "inboxes[0].account")
    assert "is not an account" in problem.message


def test_a_fault_in_another_section_has_no_line_here(company: Configuration) -> None:
    first = company.teams[0].id
    with pytest.raises(SectionFaultError) as refused:
        with_section(company, "teams", section_yaml(company, "teams").replace(f"id: {first}", "id: renamed", 1))
    assert {p.line for p in refused.value.problems} == {None}


@pytest.mark.parametrize(
    "text",
    ["teams: [", "rules: []\nteams: []", "- a", "teams: {a: 1}", ""],
    ids=["broken YAML", "two sections", "no section", "wrong kind", "nothing"],
)
def test_text_that_is_no_section_is_refused(company: Configuration, text: str) -> None:
    with pytest.raises(SectionFaultError) as refused:
        with_section(company, "teams", text)
    assert all(problem.message for problem in refused.value.problems)


def test_what_the_desk_changed_stays_when_a_file_changes_something_else(company: Configuration) -> None:
    agent, team = company.agents[0], company.teams[0]
    desk = changed(company, "agents", agent.id, title="Head of workshop")
    file = changed(company, "teams", team.id, name="Garage")
    both = merged(company, desk, file)
    assert both == changed(file, "agents", agent.id, title="Head of workshop")


def test_an_entry_of_the_desk_and_one_of_the_file_both_come_in(company: Configuration) -> None:
    tags = list(company.tags)
    desk = company.model_copy(update={"tags": [*tags, tags[0].model_copy(update={"id": "from-desk"})]})
    file = company.model_copy(update={"tags": [*tags[1:], tags[0].model_copy(update={"id": "from-file"})]})
    found = [t.id for t in merged(company, desk, file).tags]
    assert {"from-desk", "from-file"} <= set(found)
    assert tags[0].id not in found, "the file took it away and the desk left it alone"


def test_the_same_value_changed_by_both_is_named(company: Configuration) -> None:
    agent = company.agents[0]
    desk = changed(company, "agents", agent.id, title="One")
    file = changed(company, "agents", agent.id, title="Another")
    with pytest.raises(MergeConflictError, match=rf"agents\.{agent.id}\.title"):
        merged(company, desk, file)
