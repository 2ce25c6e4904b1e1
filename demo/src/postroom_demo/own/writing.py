"""The configuration that `postroom init` writes: one mailbox, one inbox, the people of a list."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Any

import yaml

from postroom_demo.own.people import Person
from postroom_demo.own.trial import Mailbox

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
HEAD = """\
# Written by `postroom init`; yours from here on. `postroom config check FILE` says what is wrong with it.
# Everybody is on duty round the clock until `calendars` say otherwise: docs/configuration.md.
"""


@dataclass(frozen=True, slots=True)
class Answers:
    """What was asked. `secret` is a reference: {env: NAME} or {file: PATH}."""

    company: str
    inbox: str
    mailbox: Mailbox
    secret: dict[str, str]
    people: list[Person]
    answer_address: str | None = None


def slug(text: str, taken: set[str], fallback: str) -> str:
    """Return an id made of a name, unlike those taken: `Zoë Müller` is `zoe-muller`."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:50] or fallback
    name, n = base, 1
    while name in taken:
        n += 1
        name = f"{base}-{n}"
    taken.add(name)
    return name


def configuration(answers: Answers) -> dict[str, Any]:
    """Return the whole configuration as YAML's plain values."""
    zones = _named({person.time_zone for person in answers.people}, "zone")
    teams = _named({person.team for person in answers.people}, "team")
    agents = _agents(answers.people, zones)
    company: dict[str, Any] = {"name": answers.company, "default_calendar": zones[answers.people[0].time_zone]}
    company["domain"] = answers.inbox.rpartition("@")[2]
    if answers.answer_address:
        company["answer_address"] = answers.answer_address
    inbox = {"id": "inbox", "name": answers.inbox, "account": "mail", "address": answers.inbox}
    inbox_team = teams[answers.people[0].team]
    return {
        "company": company,
        "calendars": [_calendar(name, zone) for zone, name in zones.items()],
        "accounts": [_account(answers)],
        "inboxes": [{**inbox, "teams": [inbox_team, *(t for t in teams.values() if t != inbox_team)]}],
        "teams": [_team(team, name, answers.people, agents) for team, name in teams.items()],
        "agents": list(agents.values()),
        "notifications": {"sender": answers.inbox},
    }


def as_yaml(data: dict[str, Any]) -> str:
    return HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=120)


def _named(texts: set[str], fallback: str) -> dict[str, str]:
    taken: set[str] = set()
    return {text: slug(text, taken, fallback) for text in sorted(texts)}


def _calendar(name: str, zone: str) -> dict[str, Any]:
    return {"id": name, "time_zone": zone, "hours": {day: ["00:00-24:00"] for day in DAYS}}


def _agents(people: list[Person], zones: dict[str, str]) -> dict[str, dict[str, Any]]:
    taken: set[str] = set()
    made: dict[str, dict[str, Any]] = {}
    for person in people:
        first, _, last = person.name.partition(" ")
        made[person.mail] = {
            "id": slug(person.name, taken, "agent"),
            "first_name": first,
            "last_name": last,
            "email": person.mail,
            "calendar": zones[person.time_zone],
        }
    return made


def _team(team: str, name: str, people: list[Person], agents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    return {"id": name, "name": team, "members": [agents[p.mail]["id"] for p in people if p.team == team]}


def _account(answers: Answers) -> dict[str, Any]:
    mailbox = answers.mailbox
    ca = {"tls_ca_file": mailbox.ca_file} if mailbox.ca_file else {}
    imap = {"host": mailbox.host, "port": mailbox.port, "tls": mailbox.tls, "user": mailbox.user, **ca}
    account: dict[str, Any] = {"id": "mail", "channel": "email", "imap": {**imap, "password": answers.secret}}
    if mailbox.smtp_host:
        smtp: dict[str, Any] = {"host": mailbox.smtp_host, "port": mailbox.smtp_port, "tls": mailbox.smtp_tls, **ca}
        if mailbox.smtp_user is not None:
            smtp |= {"user": mailbox.smtp_user, "password": answers.secret}
        account["smtp"] = smtp
    return account
