"""The reference: a page per event type, whose links lead somewhere and whose example is the committed one."""

import json
import re
from pathlib import Path

import pytest
from postroom_contracts.registry import REGISTRATIONS, Registration
from postroom_contracts.schemas import short_name

HOME = Path(__file__).resolve().parents[2] / "contracts"


@pytest.fixture(params=REGISTRATIONS, ids=lambda r: str(r.model.__name__))
def registration(request: pytest.FixtureRequest) -> Registration:
    found = request.param
    assert isinstance(found, Registration)
    return found


def page_of(registration: Registration) -> str:
    return (HOME / "reference" / f"{short_name(registration.model)}.md").read_text(encoding="utf-8")


def test_a_page_says_when_from_whom_since_when_and_shows_a_record(registration: Registration) -> None:
    page = page_of(registration)
    assert f"`{registration.model.type_name()}`" in page
    assert f"since {registration.since}" in page
    assert all(f"`/postroom/{producer}`" in page for producer in registration.producers)
    headers, body = (json.loads(block) for block in re.findall(r"```json\n(.*?)\n```", page, re.DOTALL))
    example = json.loads((HOME / "examples" / f"{short_name(registration.model)}.json").read_text())
    assert headers == {"key": example["key"]} | example["headers"]
    assert body == example["value"]


def test_every_link_of_a_page_leads_somewhere(registration: Registration) -> None:
    page = page_of(registration)
    headings = {line.lstrip("# ").lower() for line in page.splitlines() if line.startswith("#")}
    for target in re.findall(r"\]\(([^)]+)\)", page):
        found = target[1:] in headings if target.startswith("#") else (HOME / "reference" / target).resolve().is_file()
        assert found, target


def test_every_fact_has_a_docstring_of_its_own(registration: Registration) -> None:
    assert registration.model.__doc__
    assert registration.model.__doc__ not in [base.__doc__ for base in registration.model.__mro__[1:]]


def test_the_index_lists_every_type() -> None:
    index = (HOME / "reference" / "index.md").read_text(encoding="utf-8")
    for registration in REGISTRATIONS:
        assert f"]({short_name(registration.model)}.md)" in index
