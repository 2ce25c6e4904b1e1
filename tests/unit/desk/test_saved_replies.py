"""Saved replies: brackets and Liquid, bounds, what is refused, who finds which."""

import time
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration, SavedReply
from postroom_contracts.configuration_checks import findings, shown
from postroom_contracts.templates import filled, liquid_of
from postroom_desk.configuration_checks import saved_reply_findings
from postroom_desk.domain.saved_replies import (
    Saved,
    TemplateFaultError,
    faults,
    found_by,
    names_of,
    of_configuration,
    rendered,
    values_for,
)
from pydantic import ValidationError

from tests.integration.desk.office import company


def saved(text: str, html: str | None = None, name: str = "Hello", **fields: Any) -> Saved:
    return Saved(fields.pop("id", "hello"), name, text, html, **fields)


def fill(text: str, html: str | None = None, contact: dict[str, str] | None = None) -> tuple[str, str]:
    configuration = company()
    who = {"name": "Carla Cruz", "address": "carla@example.test"} if contact is None else contact
    values = values_for(configuration, configuration.agent("ana"), "support", who, "Brakes <squeal>")
    return rendered(saved(text, html), values)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Hi [customer.first_name|there],", "Hi Carla,"),
        ("[agent.first_name] [agent.last_name], [company]", "Ana Ruiz, Velo"),
        ("{{ customer.name | upcase }}", "CARLA CRUZ"),
        ("{% if customer.last_name == 'Cruz' %}yes{% else %}no{% endif %}", "yes"),
        ("Re [conversation.subject] to [inbox.address]", "Re Brakes <squeal> to support@velo.test"),
        ("[[not one] and [Not.One]", "[not one] and [Not.One]"),
        ("[agent.title|Support]", "Support"),
        ("Book at [calendar_link|our page]", "Book at our page"),
        ("[agent.title|Ann's desk]", "Ann\u2019s desk"),
    ],
)
def test_brackets_and_liquid_are_filled(text: str, result: str) -> None:
    assert faults(saved(text)) == []
    assert fill(text)[0] == result


def test_a_link_to_somebodys_calendar_is_whole() -> None:
    link = f"https://meet.velo.test/ana?{'x' * 200}"
    plain = company().model_dump()
    plain["agents"][0]["calendar_link"] = link
    configuration = Configuration.model_validate(plain)
    values = values_for(configuration, configuration.agent("ana"), "support", {}, "Brakes")
    assert rendered(saved("Book: [calendar_link]"), values)[0] == f"Book: {link}"
    for wrong in ("javascript:alert(1)", "https://a b", "meet.velo.test"):
        plain["agents"][0]["calendar_link"] = wrong
        with pytest.raises(ValidationError):
            Configuration.model_validate(plain)


def test_without_a_name_stands_what_was_given_instead() -> None:
    assert fill("Hi [customer.first_name|there],", contact={"address": "x@example.test"})[0] == "Hi there,"
    assert fill("Hi [customer.first_name],", contact={"name": "x@example.test"})[0] == "Hi,"


def test_a_customers_name_is_text_and_no_markup_or_template() -> None:
    hostile = {"name": "<b>{{ company }}</b> [company]"}
    text, html = fill("[customer.name]", "<p>[customer.name]</p>", hostile)
    assert text == "<b>{{ company }}</b> [company]"
    assert html == "<p>&lt;b&gt;{{ company }}&lt;/b&gt; [company]</p>"


def test_html_is_made_of_the_text_and_cleaned() -> None:
    assert fill("One\nTwo\n\nThree & <four>")[1] == "<p>One<br>Two</p><p>Three &amp; &lt;four&gt;</p>"
    assert fill("", '<p onclick="x()">Hi [customer.first_name]</p><script>x()</script>') == (
        "Hi Carla",
        "<p>Hi Carla</p>",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[customer.nickname]", "[customer.nickname] is not a variable"),
        ("{{ secrets.key }}", "[secrets.key] is not a variable"),
        ("{% if agent.password %}{% endif %}", "[agent.password] is not a variable"),
        ("[inbox.name]", "[inbox.name] is not a variable"),
        ("{% if x %}", "text:"),
        ("{{ company ", "text:"),
        ("{% include 'x' %}", "text:"),
        ("{% render 'x' %}", "text:"),
    ],
)
def test_what_cannot_be_filled_is_refused_when_it_is_saved(text: str, says: str) -> None:
    [fault] = faults(saved(text))
    assert says in fault


@pytest.mark.parametrize(
    "text",
    [
        "{% for i in (1..100000) %}x{% endfor %}",
        "{% for i in (1..900) %}{% for j in (1..900) %}x{% endfor %}{% endfor %}",
        "{% assign a = 'xxxxxxxxxx' %}" + "{% assign a = a | append: a %}" * 40,
    ],
    ids=["long loop", "nested loops", "doubling"],
)
def test_a_template_cannot_cost_more_than_its_bounds(text: str) -> None:
    began = time.process_time()
    with pytest.raises(TemplateFaultError):
        fill(text)
    assert time.process_time() - began < 4


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("Carla Cruz", ("Carla", "Cruz")),
        ("Cruz, Carla", ("Carla", "Cruz")),
        ("'Carla'", ("Carla", "")),
        ("carla@example.test", ("", "")),
        ("", ("", "")),
        ("12345", ("", "")),
        ("Ana\r\nBcc: x Ruiz", ("Ana", "Bcc: x Ruiz")),
    ],
)
def test_names(name: str, names: tuple[str, str]) -> None:
    assert names_of(name) == names


def test_the_best_fit_comes_first() -> None:
    replies = [
        saved("We ship on Friday", name="Delivery", id="a"),
        saved("x", name="Ship back", id="b"),
        saved("y", name="How we ship", id="c"),
        saved("z", name="Refund", id="d"),
    ]
    assert [s.id for s in found_by(replies, "ship")] == ["b", "c", "a"]
    assert [s.id for s in found_by(replies, "SHIP friday")] == ["a"]
    assert len(found_by(replies, "")) == 4


def with_replies(*replies: dict[str, Any]) -> Configuration:
    return company().model_copy(update={"saved_replies": [SavedReply.model_validate(r) for r in replies]})


def test_people_find_those_of_their_teams_and_of_everybody() -> None:
    configuration = with_replies(
        {"id": "all", "name": "All", "text": "x"},
        {"id": "shop", "name": "Shop", "text": "x", "teams": ["workshop"]},
        {"id": "sales", "name": "Sales", "text": "x", "teams": ["sales"]},
    )
    assert [s.id for s in of_configuration(configuration, "ana")] == ["all", "shop"]
    assert [s.id for s in of_configuration(configuration, "mira")] == ["all", "sales"]


def test_the_configuration_is_checked_for_teams_variables_and_liquid() -> None:
    configuration = with_replies(
        {"id": "a", "name": "A", "text": "{{ customer.nick }} [agent.nick|x]", "teams": ["shop"]},
        {"id": "a", "name": "B", "text": "x", "html": "{% if %}"},
    )
    found = [(shown(f.path), f.message.partition(";")[0]) for f in findings(configuration)]
    assert found == [
        ("saved_replies[1].id", "the id 'a' is taken by saved_replies[0]"),
        ("saved_replies[0].teams[0]", "'shop' is not a team"),
        ("saved_replies[0].text", "[agent.nick] is not a variable"),
        ("saved_replies[0].text", "[customer.nick] is not a variable"),
    ]
    assert [shown(f.path) for f in saved_reply_findings(configuration)] == [
        "saved_replies[0].text",
        "saved_replies[1].html",
    ]


def test_signatures_know_what_stands_instead_too() -> None:
    assert filled("[agent.title|Support]\n[agent.last_name]", {"agent.title": ""}) == "Support"
    assert liquid_of("[company|us] [[x]") == "{{ company | default: 'us' }} [x]"
