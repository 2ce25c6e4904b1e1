"""The configuration file: what is wrong is said by file, line and field. Each bad file is the good one with one edit."""

import dataclasses
import json
import random
import re
import string
import time
from pathlib import Path

import pytest
import typer
from postroom_contracts import configuration_checks
from postroom_contracts.configuration import Configuration, Section
from postroom_contracts.values import Channel
from postroom_runtime.cli_config import register
from postroom_runtime.configuration_file import (
    ConfigurationFileError,
    Problem,
    load_configuration,
    parse_configuration,
    redacted,
    unresolved_secrets,
)
from typer.testing import CliRunner

COMPANY = Path(__file__).resolve().parents[3] / "docs" / "examples" / "company.yaml"

GOOD = """\
company:
  name: Velo
  default_calendar: office
calendars:
  - id: office
    time_zone: Europe/Lisbon
    hours: {mon: ["09:00-17:00"]}
accounts:
  - id: mail
    channel: email
    imap: {host: imap.velo.example, user: shop, password: {env: MAIL_PASSWORD}}
    smtp: {host: smtp.velo.example}
inboxes:
  - id: support
    name: Support
    account: mail
    address: support@velo.example
    teams: [workshop]
  - id: orders
    name: Orders
    account: mail
    address: orders@velo.example
    teams: [workshop]
teams:
  - id: workshop
    name: Workshop
    members: [mira]
agents:
  - id: mira
    first_name: Mira
    email: mira@velo.example
policies:
  - id: standard
    first_response_seconds: 3600
tags:
  - id: gears
rules:
  - id: first
    when: {field: subject, operator: contains, value: gear}
    then: {add_tags: [gears]}
notifications:
  assigned: true
"""
"""Lines 1-42; the numbers in the table below count in it."""


def problems_of(text: str | bytes) -> list[str]:
    raw = text.encode() if isinstance(text, str) else text
    try:
        parse_configuration(raw, "c.yaml")
    except ConfigurationFileError as error:
        return [str(problem) for problem in error.problems]
    return []


def test_the_good_file_has_no_problem() -> None:
    assert problems_of(GOOD) == []


SLUG = "lower-case letters, digits and hyphens, at most 63, beginning with a letter or digit"
BAD: dict[str, tuple[str, str, list[str]]] = {
    # name: (what is replaced, by what, the exact problems)
    "unknown inbox account": (
        "account: mail\n    address: support", "account: mial\n    address: support",
        ["c.yaml:16: inboxes[0].account: 'mial' is not an account; did you mean 'mail'?"],
    ),
    "unknown inbox team": (
        "teams: [workshop]\n  - id: orders", "teams: [werkstatt]\n  - id: orders",
        ["c.yaml:18: inboxes[0].teams[0]: 'werkstatt' is not a team; there is workshop"],
    ),
    "door and mailbox in one account": (
        "smtp: {host: smtp.velo.example}", "door: {}",
        ["c.yaml:12: accounts[0].door: an account has `imap` or `door`, not both: give the second way an account of its own"],
    ),
    "door that is no network": (
        "imap: {host: imap.velo.example, user: shop, password: {env: MAIL_PASSWORD}}", "door: {networks: [mx.velo.example]}",
        ["c.yaml:11: accounts[0].door.networks: 'mx.velo.example' is not a network such as 192.0.2.0/24 or 2001:db8::/32"],
    ),
    "door that believes whoever comes": (
        "imap: {host: imap.velo.example, user: shop, password: {env: MAIL_PASSWORD}}", "door: {}\n    internal: true",
        ["c.yaml:12: accounts[0].internal: believes what the sending server says: name that server in `door.networks`"],
    ),
    "days that are too many": (
        "teams: [workshop]\n  - id: orders", "teams: [workshop]\n    group_by_subject_days: 31\n  - id: orders",
        ["c.yaml:19: inboxes[0].group_by_subject_days: must be less than or equal to 30, found 31"],
    ),
    "team listed twice": (
        "teams: [workshop]\n  - id: orders", "teams: [workshop, workshop]\n  - id: orders",
        ["c.yaml:18: inboxes[0].teams[1]: 'workshop' is listed twice"],
    ),
    "unknown inbox calendar": (
        "teams: [workshop]\n  - id: orders", "teams: [workshop]\n    calendar: ofice\n  - id: orders",
        ["c.yaml:19: inboxes[0].calendar: 'ofice' is not a calendar; did you mean 'office'?"],
    ),
    "rights of people and teams that there are not": (
        "teams: [workshop]\n  - id: orders",
        ("teams: [workshop]\n    access:\n      - {agent: mirra, rights: [send_as]}\n"
         "      - {team: shop, rights: [full_access]}\n"
         "      - {agent: mira, rights: [full_access]}\n      - {agent: mira, rights: [send_as]}\n  - id: orders"),
        ["c.yaml:20: inboxes[0].access[0].agent: 'mirra' is not an agent; did you mean 'mira'?",
         "c.yaml:21: inboxes[0].access[1].team: 'shop' is not a team; did you mean 'workshop'?",
         "c.yaml:23: inboxes[0].access[3]: 'mira' is listed twice; name all rights in one entry"],
    ),
    "rights that are none": (
        "teams: [workshop]\n  - id: orders", "teams: [workshop]\n    access: []\n  - id: orders",
        [("c.yaml:19: inboxes[0].access: an empty list lets nobody in; name who has which rights, or leave `access` out "
          "for the teams' members")],
    ),
    "private inbox of nobody": (
        "teams: [workshop]\n  - id: orders", "teams: []\n    owner: mirra\n  - id: orders",
        ["c.yaml:19: inboxes[0].owner: 'mirra' is not an agent; did you mean 'mira'?"],
    ),
    "unknown inbox policy": (
        "teams: [workshop]\n  - id: orders", "teams: [workshop]\n    policy: std\n  - id: orders",
        ["c.yaml:19: inboxes[0].policy: 'std' is not a policy; there is standard"],
    ),
    "unknown variable in a sender name": (
        "teams: [workshop]\n  - id: orders",
        "teams: [workshop]\n    sender_name: '[agent.firstname] at [company]'\n  - id: orders",
        [("c.yaml:19: inboxes[0].sender_name: [agent.firstname] is not a variable; did you mean 'agent.first_name'?"
          " (write [[agent.firstname] for the text itself)")],
    ),
    "internal and unknown variables in a signature": (
        "teams: [workshop]\n  - id: orders",
        "teams: [workshop]\n    signature: |\n      [agent.title]\n      [inbox.name], [[x] [X]\n      [x]\n  - id: orders",
        ["c.yaml:19: inboxes[0].signature: [inbox.name] is internal and must not reach customers",
         ("c.yaml:19: inboxes[0].signature: [x] is not a variable; there is agent.first_name, agent.last_name, agent.title,"
          " calendar_link, company (write [[x] for the text itself)")],
    ),
    "DKIM selector of two words": (
        "smtp: {host: smtp.velo.example}",
        "smtp: {host: smtp.velo.example}\n    dkim: {domain: velo.example, selector: 'a b', key: {file: /k}}",
        [("c.yaml:13: accounts[0].dkim.selector: expected text of the form "
          "^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$, found 'a b'")],
    ),
    "unknown team member": (
        "members: [mira]", "members:\n      - mira\n      - jonas",
        ["c.yaml:29: teams[0].members[1]: 'jonas' is not an agent; there is mira"],
    ),
    "unknown team calendar": (
        "members: [mira]", "members: [mira]\n    calendar: night",
        ["c.yaml:28: teams[0].calendar: 'night' is not a calendar; there is office"],
    ),
    "unknown agent calendar": (
        "email: mira@velo.example", "email: mira@velo.example\n    calendar: offices",
        ["c.yaml:32: agents[0].calendar: 'offices' is not a calendar; did you mean 'office'?"],
    ),
    "unknown default calendar": (
        "default_calendar: office", "default_calendar: Office",
        [f"c.yaml:3: company.default_calendar: expected {SLUG}, found 'Office'"],
    ),
    "dangling default calendar": (
        "default_calendar: office", "default_calendar: lisbon",
        ["c.yaml:3: company.default_calendar: 'lisbon' is not a calendar; there is office"],
    ),
    "rule names unknown things": (
        "then: {add_tags: [gears]}",
        "then:\n      add_tags: [gear]\n      team: shop\n      agent: mirra\n      watchers: [jo]\n      policy: no",
        [
            "c.yaml:41: rules[0].then.add_tags[0]: 'gear' is not a tag; did you mean 'gears'?",
            "c.yaml:42: rules[0].then.team: 'shop' is not a team; did you mean 'workshop'?",
            "c.yaml:43: rules[0].then.agent: 'mirra' is not an agent; did you mean 'mira'?",
            "c.yaml:44: rules[0].then.watchers[0]: 'jo' is not an agent; there is mira",
            "c.yaml:45: rules[0].then.policy: 'no' is not a policy; there is standard",
        ],
    ),
    "rule tests an unknown inbox": (
        "{field: subject, operator: contains, value: gear}",
        "{field: inbox, operator: in, value: [support, order]}",
        ["c.yaml:39: rules[0].when.value[1]: 'order' is not an inbox; did you mean 'orders'?"],
    ),
    "rule tests an unknown channel": (
        "{field: subject, operator: contains, value: gear}", "{field: channel, value: e-mail}",
        ["c.yaml:39: rules[0].when.value: 'e-mail' is not a channel; did you mean 'email'?"],
    ),
    "rule tests an unknown tag": (
        "{field: subject, operator: contains, value: gear}", "{field: tag, value: gaers}",
        ["c.yaml:39: rules[0].when.value: 'gaers' is not a tag; did you mean 'gears'?"],
    ),
    "unknown field of a condition": (
        "{field: subject, operator: contains, value: gear}", "{field: subjekt, value: gear}",
        [
            ("c.yaml:39: rules[0].when.field: expected one of channel, inbox, sender, sender_domain, recipient, subject,"
            " body, automatic, has_attachment, new_conversation, tag, source_of_contact, found 'subjekt'")
        ],
    ),
    "yes or no compared with text": (
        "{field: subject, operator: contains, value: gear}", "{field: has_attachment, value: 'yes'}",
        ["c.yaml:39: rules[0].when.value: has_attachment is compared by `equals` or `not_equals` with true or false"],
    ),
    "condition of two forms": (
        "{field: subject, operator: contains, value: gear}", "{field: subject, value: a, all: []}",
        ["c.yaml:39: rules[0].when: a condition has exactly one of `field`, `all`, `any`, `none`"],
    ),
    "pattern does not compile": (
        "operator: contains, value: gear", "operator: matches, value: 'gear('",
        [
            ("c.yaml:39: rules[0].when.value: 'gear(' is not a regular expression:"
            " missing ), unterminated subpattern at position 4")
        ],
    ),
    "pattern that never ends": (
        "operator: contains, value: gear", "operator: matches, value: '^(\\w+\\s?)+$'",
        [
            (r"c.yaml:39: rules[0].when.value: '^(\\w+\\s?)+$' repeats a repetition,"
            " which can take for ever on some texts; write it flat")
        ],
    ),
    "conditions nested six deep": (
        "{field: subject, operator: contains, value: gear}",
        "{all: [{any: [{all: [{any: [{all: [{field: subject, value: x}]}]}]}]}]}",
        [
            "c.yaml:39: rules[0].when.all[0].any[0].all[0].any[0].all[0]: conditions are nested more than 5 deep"
        ],
    ),
    "id given twice": (
        "- id: orders", "- id: support",
        ["c.yaml:19: inboxes[1].id: the id 'support' is taken by inboxes[0]; ids must differ"],
    ),
    "address given twice": (
        "address: orders@velo.example", "address: SUPPORT@velo.example",
        [
            ("c.yaml:22: inboxes[1].address: the address 'SUPPORT@velo.example' is taken by inboxes[0].address;"
            " addresses must differ")
        ],
    ),
    "alias is another's address": (
        "address: orders@velo.example", "address: orders@velo.example\n    aliases: [a@velo.example, support@velo.example]",
        [
            ("c.yaml:23: inboxes[1].aliases[1]: the address 'support@velo.example' is taken by inboxes[0].address;"
            " addresses must differ")
        ],
    ),
    "agent with an inbox's address": (
        "email: mira@velo.example", "email: support@velo.example",
        [
            ("c.yaml:31: agents[0].email: the address 'support@velo.example' is taken by inboxes[0].address;"
            " addresses must differ")
        ],
    ),
    "inbox without a mail address": (
        "address: orders@velo.example", "address: orders",
        ["c.yaml:22: inboxes[1].address: 'orders' is not a mail address such as support@example.org"],
    ),
    "mail account without servers": (
        ("    imap: {host: imap.velo.example, user: shop, password: {env: MAIL_PASSWORD}}\n"
        "    smtp: {host: smtp.velo.example}\n"), "",
        ["c.yaml:9: accounts[0]: a mail account needs `imap`, `door` or `smtp`"],
    ),
    "notifications of unknown account": (
        "assigned: true", "account: nope",
        ["c.yaml:42: notifications.account: 'nope' is not an account; there is mail"],
    ),
    "muted agent unknown": (
        "assigned: true", "muted: {miro: [replied]}",
        ["c.yaml:42: notifications.muted.miro: 'miro' is not an agent; did you mean 'mira'?"],
    ),
    "unknown name with a near one": (
        "  name: Velo", "  nmae: Velo",
        [
            "c.yaml:1: company.name: is missing; expected text",
            "c.yaml:2: company.nmae: unknown name 'nmae'; did you mean 'name'?",
        ],
    ),
    "unknown name deep in an account": (
        "{host: smtp.velo.example}", "{host: smtp.velo.example, prot: 25}",
        ["c.yaml:12: accounts[0].smtp.prot: unknown name 'prot'; did you mean 'port'?"],
    ),
    "unknown section": (
        "tags:\n", "lables: []\ntags:\n",
        [
            ("c.yaml:35: lables: unknown name 'lables'; there is company, calendars, accounts, inboxes, teams, agents,"
            " policies, tags, ...")
        ],
    ),
    "missing section": (
        "teams:\n  - id: workshop\n    name: Workshop\n    members: [mira]\n", "",
        ["c.yaml:1: teams: is missing; expected a list"],
    ),
    "empty section": (
        "teams:\n  - id: workshop\n    name: Workshop\n    members: [mira]\n", "teams: []\n",
        ["c.yaml:24: teams: expected at least 1 entry, found 0 entries"],
    ),
    "text for a number": (
        "{host: smtp.velo.example}", "{host: smtp.velo.example, port: mail}",
        ["c.yaml:12: accounts[0].smtp.port: expected a whole number, found 'mail'"],
    ),
    "number for a text": (
        "  name: Velo", "  name: 2024",
        ["c.yaml:2: company.name: expected text, found 2024"],
    ),
    "nothing for a text": ("  name: Velo", "  name:", ["c.yaml:2: company.name: expected text, found nothing"]),
    "duration with a unit": (
        "first_response_seconds: 3600", "first_response_seconds: 4h",
        ["c.yaml:34: policies[0].first_response_seconds: expected a whole number, found '4h'"],
    ),
    "duration of nothing": (
        "first_response_seconds: 3600", "first_response_seconds: 0",
        ["c.yaml:34: policies[0].first_response_seconds: must be greater than 0, found 0"],
    ),
    "poll interval too long": (
        "password: {env: MAIL_PASSWORD}}", "password: {env: MAIL_PASSWORD}, poll_seconds: 90000}",
        ["c.yaml:11: accounts[0].imap.poll_seconds: must be less than or equal to 3600, found 90000"],
    ),
    "unknown choice": (
        "members: [mira]", "members: [mira]\n    assignment: random",
        ["c.yaml:28: teams[0].assignment: expected one of round_robin, least_loaded, manual, found 'random'"],
    ),
    "unknown priority": (
        "then: {add_tags: [gears]}", "then: {priority: hihg}",
        ["c.yaml:40: rules[0].then.priority: expected one of urgent, high, normal, low, found 'hihg'"],
    ),
    "list for a mapping": (
        "then: {add_tags: [gears]}", "then: [gears]", ["c.yaml:40: rules[0].then: expected a mapping, found a list"],
    ),
    "value of no kind": (
        "operator: contains, value: gear", "operator: contains, value: 7",
        ["c.yaml:39: rules[0].when.value: expected text or true or false or a list, found 7"],
    ),
    "unknown time zone": (
        "Europe/Lisbon", "Europe/Lisboa",
        ["c.yaml:6: calendars[0].time_zone: 'Europe/Lisboa' is not an IANA time zone such as Europe/Berlin"],
    ),
    "unknown weekday": (
        '{mon: ["09:00-17:00"]}', '{monday: ["09:00-17:00"]}',
        ["c.yaml:7: calendars[0].hours.monday: unknown name 'monday'; expected one of mon, tue, wed, thu, fri, sat, sun"],
    ),
    "hours without a dash": (
        '"09:00-17:00"', '"09:00"', ["c.yaml:7: calendars[0].hours: '09:00' is not an interval such as 09:00-17:00"],
    ),
    "hours of a day without a list": (
        '["09:00-17:00"]',
        '"09:00-17:00"',
        ["c.yaml:7: calendars[0].hours.mon: expected a list, found '09:00-17:00'"],
    ),
    "hours that are no time": (
        '"09:00-17:00"', '"9-17"',
        ["c.yaml:7: calendars[0].hours.mon[0]: expected an interval such as 09:00-17:00, found '9-17'"],
    ),
    "hours that overlap": (
        '["09:00-17:00"]', '["09:00-13:00", "12:00-17:00"]',
        ["c.yaml:5: calendars[0]: hours of mon: interval 2 must start after the one before and end later"],
    ),
    "holiday that is no day": (
        'hours: {mon: ["09:00-17:00"]}', 'hours: {mon: ["09:00-17:00"]}\n    holidays: [2026-02-30]',
        ["c.yaml:8: calendars[0].holidays[0]: expected a date such as 2026-12-25, found '2026-02-30'"],
    ),
    "shift without a zone": (
        "email: mira@velo.example",
        "email: mira@velo.example\n    shifts:\n      - {start_at: 2026-03-06T09:00:00, end_at: 2026-03-06T17:00:00Z}",
        [
            ("c.yaml:33: agents[0].shifts[0].start_at: expected a time with its zone such as"
            " 2026-03-06T09:00:00+01:00, found '2026-03-06T09:00:00'")
        ],
    ),
    "shift that ends first": (
        "email: mira@velo.example",
        "email: mira@velo.example\n    shifts:\n      - {start_at: 2026-03-06T09:00:00Z, end_at: 2026-03-06T08:00:00Z}",
        ["c.yaml:33: agents[0].shifts[0]: end_at must be after start_at"],
    ),
    "channel not named": (
        "    channel: email\n", "", ["c.yaml:9: accounts[0]: `channel` is missing; expected one of email, webhook"],
    ),
    "channel unknown": (
        "channel: email", "channel: fax",
        ["c.yaml:9: accounts[0]: channel 'fax' is not one of accounts; expected one of email, webhook"],
    ),
    "secret written out": (
        "password: {env: MAIL_PASSWORD}", "password: hunter2",
        [
            ("c.yaml:11: accounts[0].imap.password: expected a mapping with `env`, `file` or `stored`,"
            " found a value (not shown: it may be a secret)")
        ],
    ),
    "secret named twice": (
        "{env: MAIL_PASSWORD}", "{env: MAIL_PASSWORD, file: /run/p}",
        ["c.yaml:11: accounts[0].imap.password: name the secret by exactly one of `env`, `file` and `stored`"],
    ),
    "key given twice": (
        "  - id: orders\n", "  - id: orders\n    id: orders2\n",
        ["c.yaml:20: inboxes[1].id: stands twice; the first is in line 19"],
    ),
    "section given twice": (
        "notifications:\n", "tags: []\nnotifications:\n", ["c.yaml:41: tags: stands twice; the first is in line 35"],
    ),
    "two faults at once": (
        "account: mail\n    address: orders", "account: post\n    address: mira",
        [
            "c.yaml:21: inboxes[1].account: 'post' is not an account; there is mail",
            ("c.yaml:31: agents[0].email: the address 'mira@velo.example' is taken by inboxes[1].address;"
            " addresses must differ"),
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_each_fault_is_named_with_its_line_and_field(case: str) -> None:
    before, after, wanted = BAD[case]
    assert GOOD.count(before) >= 1, "the edit applies to the good file"
    assert problems_of(GOOD.replace(before, after, 1)) == wanted


def test_notifications_need_an_account_that_can_send() -> None:
    edited = GOOD.replace("    smtp: {host: smtp.velo.example}\n", "").replace("assigned: true", "account: mail")
    assert problems_of(edited) == ["c.yaml:41: notifications.account: 'mail' cannot send mail: it has no `smtp`"]


def test_without_declared_tags_any_tag_may_be_used() -> None:
    edited = GOOD.replace("tags:\n  - id: gears\n", "").replace("add_tags: [gears]", "add_tags: [anything]")
    assert problems_of(edited) == []


UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "not yaml": ("company: {name: a\nteams: [", "c.yaml:2: not YAML: did not find expected ',' or '}'"),
    "tab": ("company:\n\tname: x\n", "c.yaml:2: not YAML: found character that cannot start any token"),
    "empty": ("", "c.yaml:1: the file is empty"),
    "only a comment": ("# soon\n", "c.yaml:1: the file is empty"),
    "a list": ("- a\n", "c.yaml:1: expected a mapping of sections such as `company`"),
    "two documents": ("a: 1\n---\nb: 2\n", "c.yaml:2: not YAML: but found another document"),
    "not utf-8": (b"company:\n  name: V\xe9lo\n", "c.yaml:2: is not UTF-8 text"),
    "control character": ("a: 1\nb: \x00\n", "c.yaml:2: not YAML: "),
    "python object": ("company: !!python/object/apply:os.system [ls]\n", "c.yaml:1: company: the tag "),
    "own tag": ("company: !env NAME\n", "c.yaml:1: company: the tag '!env' is not read here"),
    "merge key": ("a: &a {b: 1}\nc:\n  <<: *a\n", "c.yaml:3: c: merge keys (<<) are not read here"),
    "list as a name": ("? [a]\n: 1\n", "c.yaml:1: a name must be text"),
    "alias of itself": ("a: &a [*a]\n", "c.yaml:1: a[0]: an alias stands within what it names"),
    "unknown alias": ("a: *b\n", "c.yaml:1: not YAML: found undefined alias"),
    "deep nesting": ("a: " + "[" * 100_000 + "\n", "c.yaml:1: nested more than 40 deep"),
    "many aliases": ("a: &a x\nb: [" + "*a, " * 101 + "]\n", "c.yaml:2: more than 100 aliases"),
    "alias bomb": (
        "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)),
        "more than 300000 values when its aliases are followed",
    ),
    "too large": (b"#" * 5_000_001, "c.yaml: is 5000001 bytes large; at most 5000000 are read"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_one_problem_and_soon_said(case: str) -> None:
    text, wanted = UNREADABLE[case]
    started = time.process_time()
    problems = problems_of(text)
    assert len(problems) == 1
    assert problems[0].startswith(wanted) or wanted in problems[0]
    assert time.process_time() - started < 20


def test_a_snapshot_too_large_for_a_record_is_refused() -> None:
    draw = random.Random(7)
    noise = "".join(draw.choices(string.ascii_letters + string.digits, k=1_500_000))
    problems = problems_of(GOOD.replace("name: Support\n", f"name: {noise}\n"))
    assert len(problems) == 1
    assert problems[0].startswith("c.yaml:1: the whole is 1")
    assert problems[0].endswith("kB compressed; at most 900 kB fit one record")


def test_a_missing_file_is_a_problem_and_not_a_crash(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationFileError) as refused:
        load_configuration(tmp_path / "none.yaml")
    assert refused.value.problems == [
        Problem(str(tmp_path / "none.yaml"), None, "", "cannot be read: No such file or directory")
    ]


def test_yaml_guesses_less_than_it_could() -> None:
    edited = GOOD.replace("email: mira@velo.example", "email: mira@velo.example\n    languages: [no, on, yes]").replace(
        '{mon: ["09:00-17:00"]}', "{mon: [{start: 08:30, end: 17:00}]}"
    )
    configuration = parse_configuration(edited.encode(), "c.yaml")
    assert configuration.agents[0].languages == ["no", "on", "yes"]
    interval = configuration.calendars[0].hours["mon"][0]
    assert (interval.start.isoformat(), interval.end and interval.end.isoformat()) == ("08:30:00", "17:00:00")


def test_anchors_within_the_limits_are_followed() -> None:
    edited = GOOD.replace("hours: {mon: [", 'hours: {tue: &day ["08:00-12:00"], wed: *day, mon: [')
    configuration = parse_configuration(edited.encode(), "c.yaml")
    assert configuration.calendars[0].hours["wed"] == configuration.calendars[0].hours["tue"]


class TestTheExampleCompany:
    configuration = load_configuration(COMPANY)

    def test_is_the_company_that_it_says(self) -> None:
        c = self.configuration
        assert [len(section) for section in (c.inboxes, c.teams, c.agents, c.calendars)] == [3, 3, 6, 2]
        assert {calendar.time_zone for calendar in c.calendars} == {"Europe/Lisbon", "Asia/Tokyo"}
        assert c.agents[3].languages == ["pt", "no"]
        assert [a.channel for a in c.accounts] == [Channel.EMAIL, Channel.EMAIL, Channel.WEBHOOK]

    def test_survives_json_and_has_no_findings(self) -> None:
        again = Configuration.model_validate_json(self.configuration.model_dump_json())
        assert again == self.configuration
        assert configuration_checks.findings(again) == []

    def test_unresolved_secrets_are_named_without_values(self) -> None:
        environ = {"SHOP_MAIL_PASSWORD": "s3cret", "WEB_FORMS_SECRET": ""}
        found = [str(secret) for secret in unresolved_secrets(self.configuration, environ)]
        assert found == [
            "accounts[1].imap.password: the file /run/secrets/answers-password cannot be read: No such file or directory",
            "accounts[1].smtp.password: the file /run/secrets/answers-password cannot be read: No such file or directory",
            "accounts[2].secrets[0]: the environment has no WEB_FORMS_SECRET",
            "accounts[2].secrets[1]: the environment has no WEB_FORMS_SECRET_OLD",
        ]

    def test_redacted_shows_no_person(self) -> None:
        shown = redacted(self.configuration)
        assert shown["agents"][0]["email"] == "***"
        assert shown["agents"][0]["id"] == "mira"
        assert shown["inboxes"][0]["address"] == "support@velo.example"
        text = json.dumps(shown)
        assert not [name for a in self.configuration.agents for name in (a.email, a.first_name) if f'"{name}"' in text]


class TestConfigCheck:
    runner = CliRunner()

    @pytest.fixture
    def app(self) -> typer.Typer:
        app = typer.Typer()
        register(app)
        return app

    def test_good_file_is_summed_up(self, app: typer.Typer) -> None:
        done = self.runner.invoke(app, ["config", "check", str(COMPANY)])
        assert done.exit_code == 0
        assert "3 inboxes, 3 teams, 6 agents, 2 calendars, 3 accounts, 3 policies, 4 tags, 4 rules" in done.stdout
        assert "has no SHOP_MAIL_PASSWORD" in done.stderr

    def test_bad_file_exits_1_with_each_problem(self, app: typer.Typer, tmp_path: Path) -> None:
        bad = tmp_path / "bad.yaml"
        bad.write_text(GOOD.replace("[mira]", "[mirra]"))
        done = self.runner.invoke(app, ["config", "check", str(bad)])
        assert done.exit_code == 1
        message = "teams[0].members[0]: 'mirra' is not an agent; did you mean 'mira'?"
        assert done.stderr == f"{bad}:27: {message}\n1 problem\n"
        as_json = self.runner.invoke(app, ["config", "check", str(bad), "--json"])
        field, text = message.split(": ", 1)
        assert json.loads(as_json.stdout) == [{"file": str(bad), "line": 27, "field": field, "message": text}]

    def test_secrets_fail_only_when_asked(self, app: typer.Typer, tmp_path: Path) -> None:
        file = tmp_path / "c.yaml"
        file.write_text(GOOD)
        arguments = ["config", "check", str(file), "--secrets"]
        assert self.runner.invoke(app, arguments, env={"MAIL_PASSWORD": ""}).exit_code == 1
        assert self.runner.invoke(app, arguments, env={"MAIL_PASSWORD": "x"}).exit_code == 0


def test_a_problem_is_printed_as_editors_read_it() -> None:
    problem = Problem("c.yaml", 3, "a.b", "is wrong")
    assert str(problem) == "c.yaml:3: a.b: is wrong"
    assert str(dataclasses.replace(problem, line=None, field="")) == "c.yaml: is wrong"


def refused_as_endless(pattern: str) -> bool:
    edited = GOOD.replace("operator: contains, value: gear", f"operator: matches, value: {json.dumps(pattern)}")
    return any("repeats a repetition" in problem for problem in problems_of(edited))


@pytest.mark.parametrize("pattern", ["(a+)+", "(a*)*b", "((ab)*c?)*", "(?:x{2,})+", "(a|b+)*", "(?=(a+)+)"])
def test_repeated_repetitions_are_refused(pattern: str) -> None:
    assert refused_as_endless(pattern)


@pytest.mark.parametrize("pattern", ["a+b+", r"\b(gear|chain)s?\b", "(ab)+", "[a-z]+@[a-z]+", "(a{1,3})+", "(a+)?"])
def test_flat_repetitions_are_allowed(pattern: str) -> None:
    assert not refused_as_endless(pattern)


def mangled(lines: list[str], draw: random.Random) -> str:
    """Return the lines with one lost, one moved, one value replaced and one character overwritten."""
    lines = list(lines)
    lines.pop(draw.randrange(len(lines)))
    lines.insert(draw.randrange(len(lines)), lines.pop(draw.randrange(len(lines))))
    n = draw.randrange(len(lines))
    name, colon, _ = lines[n].partition(":")
    lines[n] = f"{name}{colon} {draw.choice(['[]', '{}', '', '5', 'true', 'x', '[1, 2]', '{a: b}', '-1.5', '9' * 30])}"
    text = list("\n".join(lines))
    text[draw.randrange(len(text))] = draw.choice(" :-[]{}#&*!|>'\"%@`,?a1\n\t\x00")
    return "".join(text)


@pytest.mark.parametrize("seed", range(200))
def test_a_mangled_file_is_loaded_or_refused_with_lines_but_never_crashes(seed: int) -> None:
    text = mangled(COMPANY.read_text(encoding="utf-8").splitlines(), random.Random(seed))
    problems: list[Problem] = []
    try:
        configuration = parse_configuration(text.encode(), "c.yaml")
    except ConfigurationFileError as error:
        problems = error.problems
    else:
        assert configuration_checks.findings(configuration) == []
    assert all(1 <= (p.line or 0) <= text.count("\n") + 1 and p.message for p in problems)


def test_what_is_often_forgotten_is_said_and_refused_by_nobody(tmp_path: Path) -> None:
    app, file = typer.Typer(), tmp_path / "c.yaml"
    register(app)
    readers = "teams: [workshop]\n    access: [{agent: mira, rights: [full_access]}]\n  - id: orders"
    file.write_text(GOOD.replace("teams: [workshop]\n  - id: orders", readers))
    result = CliRunner().invoke(app, ["config", "check", str(file)])
    assert result.exit_code == 0
    assert f"{file}: warning: agents: nobody enabled has `role: admin`: " in result.stderr
    assert f"{file}: warning: inboxes[0]: no enabled agent may send from this inbox" in result.stderr
    file.write_text(GOOD.replace("first_name: Mira", "first_name: Mira\n    role: admin"))
    assert "warning" not in CliRunner().invoke(app, ["config", "check", str(file)]).stderr


PAGE = COMPANY.parents[1] / "configuration.md"
SECTIONS = "|".join(Configuration.model_fields)


def test_the_examples_of_the_page_make_one_good_configuration() -> None:
    blocks = [
        re.sub("^    ", "", b, flags=re.MULTILINE)
        for b in re.findall("((?:^    .*\n)+)", PAGE.read_text(), flags=re.MULTILINE)
    ]
    sections = [block for block in blocks if re.match(f"({SECTIONS}):", block)]
    assert len(sections) == len(Configuration.model_fields)
    assert problems_of("".join(sections)) == []


@pytest.mark.parametrize("model", Section.__subclasses__(), ids=str)
def test_the_page_names_every_field(model: type[Section]) -> None:
    words = set(re.findall(r"[a-z_]+", PAGE.read_text()))
    assert set(model.model_fields) - words == set()
