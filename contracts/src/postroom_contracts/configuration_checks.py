"""What one model cannot say of a configuration: references that lead nowhere, names given twice, rules that cannot run.

Pure, so that the file's reader and the desk's API find the same faults. Paths are those of the configuration's JSON.
"""

import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from postroom_contracts.configuration import (
    MAX_BYTES,
    NO_PASSWORD,
    Condition,
    Configuration,
    Inbox,
    MailAccount,
    MoveTo,
)
from postroom_contracts.events import TYPE_PREFIX
from postroom_contracts.facts import Fact, StatusFact
from postroom_contracts.pattern_parts import constants, parser
from postroom_contracts.rights import Ability, abilities_in, teams_of
from postroom_contracts.templates import INTERNAL, REPLY_VARIABLES, VARIABLES, printed_by_liquid, variables_of
from postroom_contracts.thread_keys import normalised_address
from postroom_contracts.values import Channel

Path = tuple[str | int, ...]

MAX_NESTING = 5
"""Conditions within conditions; the form of the console shows no more."""
MAX_PATTERN_CHARACTERS = 500
_SHOWN_NAMES = 8
_YES_NO_FIELDS = ("has_attachment", "new_conversation")


@dataclass(frozen=True, slots=True)
class Finding:
    """One fault. `path` leads to the value, such as `("inboxes", 0, "teams", 1)`."""

    path: Path
    message: str


def findings(configuration: Configuration) -> list[Finding]:
    """Return every fault in order of sections; empty when the configuration can be applied."""
    checks: tuple[Callable[[Configuration], Iterator[Finding]], ...] = (
        _company,
        _repeated_ids,
        _accounts_and_inboxes,
        _policies,
        _templates,
        _saved_replies,
        _addresses,
        _agents_and_teams,
        _rules,
        _notifications,
        _webhooks,
        _size,
    )
    return [finding for check in checks for finding in check(configuration)]


def shown(path: Path) -> str:
    """Return a path as people write it: `inboxes[0].teams[1]`; the whole is empty."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return the end of a message about an unknown `name`: the nearest known one, else what there is."""
    if nearest := get_close_matches(name.lower(), known, n=1, cutoff=0.6):
        return f"; did you mean {nearest[0]!r}?"
    listed = ", ".join(known[:_SHOWN_NAMES]) + (", ..." if len(known) > _SHOWN_NAMES else "")
    return f"; there is {listed}" if known else "; there is none"


def compressed_bytes(configuration: Configuration) -> int:
    """Return the size of the snapshot's JSON after zlib, which Kafka's gzip equals but for a few bytes of header."""
    return len(zlib.compress(configuration.model_dump_json(exclude_none=True).encode()))


def _ids(items: Sequence[Any]) -> list[str]:
    return [item.id for item in items]


def _reference(path: Path, name: str | None, kind: str, known: Sequence[str]) -> Iterator[Finding]:
    """Find that `name`, unless None, is none of `known`. `kind` comes with its article: `a team`."""
    if name is not None and name not in known:
        yield Finding(path, f"{name!r} is not {kind}{suggestion(name, known)}")


def _references(path: Path, names: Sequence[str], kind: str, known: Sequence[str]) -> Iterator[Finding]:
    for n, name in enumerate(names):
        yield from _reference((*path, n), name, kind, known)
        if name in names[:n]:
            yield Finding((*path, n), f"{name!r} is listed twice")


def _company(c: Configuration) -> Iterator[Finding]:
    path = ("company", "default_calendar")
    yield from _reference(path, c.company.default_calendar, "a calendar", _ids(c.calendars))
    if c.company.answer_address is not None:
        yield from _mail_address(("company", "answer_address"), c.company.answer_address)


def _policies(c: Configuration) -> Iterator[Finding]:
    for n, policy in enumerate(c.policies):
        yield from _reference(("policies", n, "escalate_to_team"), policy.escalate_to_team, "a team", _ids(c.teams))


def _repeated_ids(c: Configuration) -> Iterator[Finding]:
    for section in (
        "calendars",
        "accounts",
        "inboxes",
        "teams",
        "agents",
        "policies",
        "tags",
        "rules",
        "saved_replies",
        "webhooks",
    ):
        first: dict[str, int] = {}
        for n, item in enumerate(getattr(c, section)):
            if item.id in first:
                where = shown((section, first[item.id]))
                yield Finding((section, n, "id"), f"the id {item.id!r} is taken by {where}; ids must differ")
            first.setdefault(item.id, n)


def _accounts_and_inboxes(c: Configuration) -> Iterator[Finding]:
    mail = {a.id: a for a in c.accounts if isinstance(a, MailAccount)}
    for n, account in enumerate(c.accounts):
        if isinstance(account, MailAccount):
            yield from _mail_account(("accounts", n), account)
            yield from _credentials(("accounts", n), account)
    for n, inbox in enumerate(c.inboxes):
        at: Path = ("inboxes", n)
        yield from _reference((*at, "account"), inbox.account, "an account", _ids(c.accounts))
        yield from _references((*at, "teams"), inbox.teams, "a team", _ids(c.teams))
        yield from _reference((*at, "calendar"), inbox.calendar, "a calendar", _ids(c.calendars))
        yield from _reference((*at, "policy"), inbox.policy, "a policy", _ids(c.policies))
        yield from _access(c, at, inbox)
        if inbox.approval is not None:
            yield from _references((*at, "approval", "agents"), inbox.approval.agents, "an agent", _ids(c.agents))
            yield from _references((*at, "approval", "teams"), inbox.approval.teams, "a team", _ids(c.teams))
        if inbox.account in mail:
            yield from _mail_address((*at, "address"), inbox.address)
            for m, alias in enumerate(inbox.aliases):
                yield from _mail_address((*at, "aliases", m), alias)


def _access(c: Configuration, at: Path, inbox: Inbox) -> Iterator[Finding]:
    """Find rights of people and teams that there are not, and people who would be given twice the same."""
    yield from _reference((*at, "owner"), inbox.owner, "an agent", _ids(c.agents))
    if inbox.access is not None and not inbox.access:
        message = (
            "an empty list lets nobody in; name who has which rights, or leave `access` out for the teams' members"
        )
        yield Finding((*at, "access"), message)
    seen: list[tuple[str | None, str | None]] = []
    for n, entry in enumerate(inbox.access or ()):
        path: Path = (*at, "access", n)
        yield from _reference((*path, "agent"), entry.agent, "an agent", _ids(c.agents))
        yield from _reference((*path, "team"), entry.team, "a team", _ids(c.teams))
        if (entry.agent, entry.team) in seen:
            yield Finding(path, f"{entry.agent or entry.team!r} is listed twice; name all rights in one entry")
        seen.append((entry.agent, entry.team))


def warnings(configuration: Configuration) -> list[Finding]:
    """Return what may well be meant, and is often forgotten."""
    found = []
    if not any(a.enabled and a.role == "admin" for a in configuration.agents):
        message = (
            "nobody enabled has `role: admin`: settings, people and audit are open to tokens of the deployment alone"
        )
        found.append(Finding(("agents",), message))
    for n, inbox in enumerate(configuration.inboxes):
        if not _somebody_sends(configuration, inbox):
            found.append(Finding(("inboxes", n), "no enabled agent may send from this inbox: nobody can answer here"))
    return [*found, *_routed_to_strangers(configuration)]


def _routed_to_strangers(c: Configuration) -> Iterator[Finding]:
    """A rule may give a conversation to people who may not read its inbox: they would own it and be told nothing."""
    shared = [inbox for inbox in c.inboxes if inbox.owner is None]
    for n, rule in enumerate(c.rules):
        team = c.team(rule.then.team)
        when = rule.when
        only = when.value if when is not None and when.field == "inbox" and when.operator == "equals" else None
        if not rule.enabled or team is None:
            continue
        people = [agent for agent in c.agents if agent.id in team.members and agent.enabled]
        for inbox in shared:
            blind = [a.id for a in people if Ability.READ not in abilities_in(inbox, a, teams_of(c, a.id))]
            if blind and only in (None, inbox.id):
                names = ", ".join(blind[:3]) + (", ..." if len(blind) > 3 else "")  # noqa: PLR2004 - as many as a line holds
                message = f"{names} of {team.id} may not read {inbox.id}: name the team in `teams` or `access` there"
                yield Finding(("rules", n, "then", "team"), message)


def _somebody_sends(c: Configuration, inbox: Inbox) -> bool:
    return any(Ability.SEND in abilities_in(inbox, agent, teams_of(c, agent.id)) for agent in c.agents)


def _mail_account(at: Path, account: MailAccount) -> Iterator[Finding]:
    if account.imap is None and account.smtp is None and account.door is None:
        yield Finding(at, "a mail account needs `imap`, `door` or `smtp`")
    if account.door is None:
        return
    if account.imap is not None:
        yield Finding(
            (*at, "door"), "an account has `imap` or `door`, not both: give the second way an account of its own"
        )
    if not account.door.networks:
        for name, trusting in (("internal", account.internal), ("trusted_authserv_ids", account.trusted_authserv_ids)):
            if trusting:
                yield Finding((*at, name), "believes what the sending server says: name that server in `door.networks`")


def _templates(c: Configuration) -> Iterator[Finding]:
    """Find variables in what customers read that do not exist, or that are internal."""
    for n, inbox in enumerate(c.inboxes):
        for field in ("sender_name", "signature"):
            for name in dict.fromkeys(variables_of(getattr(inbox, field))):
                path = ("inboxes", n, field)
                if name in INTERNAL:
                    yield Finding(path, f"[{name}] is internal and must not reach customers")
                elif name not in VARIABLES:
                    hint = suggestion(name, VARIABLES)
                    yield Finding(path, f"[{name}] is not a variable{hint} (write [[{name}] for the text itself)")


def _saved_replies(c: Configuration) -> Iterator[Finding]:
    """Find teams and variables that do not exist. The desk's own check reads the Liquid as a whole."""
    for n, reply in enumerate(c.saved_replies):
        yield from _references(("saved_replies", n, "teams"), reply.teams, "a team", _ids(c.teams))
        for field, text in (("text", reply.text), ("html", reply.html or "")):
            names = dict.fromkeys([*variables_of(text), *printed_by_liquid(text)])
            for name in names:
                if name not in REPLY_VARIABLES:
                    hint = suggestion(name, REPLY_VARIABLES)
                    yield Finding(("saved_replies", n, field), f"[{name}] is not a variable{hint}")


def _credentials(path: Path, account: MailAccount) -> Iterator[Finding]:
    imap, smtp = account.imap, account.smtp
    if imap is not None and isinstance(imap.after_import, MoveTo) and imap.after_import.move in imap.folders:
        message = f"{imap.after_import.move!r} is read itself: what is moved there would come in again"
        yield Finding((*path, "imap", "after_import", "move"), message)
    if account.oauth is None:
        return
    if imap is not None and imap.password != NO_PASSWORD:
        yield Finding((*path, "imap", "password"), "give `oauth` or a password, not both")
    if smtp is not None and smtp.password is not None:
        yield Finding((*path, "smtp", "password"), "give `oauth` or a password, not both")
    if smtp is not None and account.smtp_user is None:
        yield Finding((*path, "smtp", "user"), "with `oauth` the server must be told who logs in")


def _mail_address(path: Path, value: str) -> Iterator[Finding]:
    if not re.fullmatch(r"[^@\s<>,;]+@[^@\s<>,;]+", value):
        yield Finding(path, f"{value!r} is not a mail address such as support@example.org")


def _addresses(c: Configuration) -> Iterator[Finding]:
    """One address leads to one inbox or one agent: else mail would loop, or nobody could say who wrote."""
    holder: dict[str, str] = {}
    for path, address in _all_addresses(c):
        key = normalised_address(address)
        if key in holder:
            yield Finding(path, f"the address {address!r} is taken by {holder[key]}; addresses must differ")
        holder.setdefault(key, shown(path))


def _all_addresses(c: Configuration) -> Iterator[tuple[Path, str]]:
    for n, inbox in enumerate(c.inboxes):
        yield ("inboxes", n, "address"), inbox.address
        for m, alias in enumerate(inbox.aliases):
            yield ("inboxes", n, "aliases", m), alias
    for n, agent in enumerate(c.agents):
        yield ("agents", n, "email"), agent.email


def _agents_and_teams(c: Configuration) -> Iterator[Finding]:
    for n, agent in enumerate(c.agents):
        yield from _reference(("agents", n, "calendar"), agent.calendar, "a calendar", _ids(c.calendars))
        yield from _mail_address(("agents", n, "email"), agent.email)
    for n, team in enumerate(c.teams):
        yield from _references(("teams", n, "members"), team.members, "an agent", _ids(c.agents))
        yield from _reference(("teams", n, "calendar"), team.calendar, "a calendar", _ids(c.calendars))


def _rules(c: Configuration) -> Iterator[Finding]:
    tags = _ids(c.tags)
    for n, rule in enumerate(c.rules):
        then, at = rule.then, ("rules", n, "then")
        if tags:
            yield from _references((*at, "add_tags"), then.add_tags, "a tag", tags)
        yield from _reference((*at, "team"), then.team, "a team", _ids(c.teams))
        yield from _reference((*at, "agent"), then.agent, "an agent", _ids(c.agents))
        yield from _references((*at, "watchers"), then.watchers, "an agent", _ids(c.agents))
        yield from _reference((*at, "policy"), then.policy, "a policy", _ids(c.policies))
        if rule.when is not None:
            yield from _condition(c, rule.when, ("rules", n, "when"), depth=1)


def _condition(c: Configuration, condition: Condition, at: Path, depth: int) -> Iterator[Finding]:
    if depth > MAX_NESTING:
        yield Finding(at, f"conditions are nested more than {MAX_NESTING} deep")
        return
    for form in ("all", "any", "none"):
        for n, inner in enumerate(getattr(condition, form) or ()):
            yield from _condition(c, inner, (*at, form, n), depth + 1)
    if condition.field is None:
        return
    path: Path = (*at, "value")
    if condition.field in _YES_NO_FIELDS and not (
        isinstance(condition.value, bool) and condition.operator in ("equals", "not_equals")
    ):
        yield Finding(path, f"{condition.field} is compared by `equals` or `not_equals` with true or false")
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    for n, value in enumerate(values):
        if isinstance(value, str):
            where = (*path, n) if isinstance(condition.value, list) else path
            yield from _condition_value(c, condition, value, where)


def _condition_value(c: Configuration, condition: Condition, value: str, path: Path) -> Iterator[Finding]:
    if condition.operator == "matches":
        yield from _pattern(path, value)
    elif condition.operator in ("equals", "not_equals", "in"):
        sources = [inbox.source_of_contact or inbox.id for inbox in c.inboxes]
        known = {
            "inbox": ("an inbox", _ids(c.inboxes)),
            "channel": ("a channel", [channel.value for channel in Channel]),
            "tag": ("a tag", [*_ids(c.tags), *sources]),
        }
        if condition.field in known and not (condition.field == "tag" and not c.tags):
            yield from _reference(path, value, *known[condition.field])


def _pattern(path: Path, pattern: str) -> Iterator[Finding]:
    """Find patterns that do not compile, and those by which a stranger's mail could keep the router busy for ever."""
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        yield Finding(path, f"a pattern has at most {MAX_PATTERN_CHARACTERS} characters")
        return
    try:
        re.compile(pattern)
        tree = parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        yield Finding(path, f"{pattern!r} is not a regular expression: {error}")
        return
    if _repeats_a_repetition(tree, inside=False):
        yield Finding(path, f"{pattern!r} repeats a repetition, which can take for ever on some texts; write it flat")


def _repeats_a_repetition(tree: Any, *, inside: bool) -> bool:
    """Say whether an unbounded repetition stands within another: the usual form of exponential backtracking."""
    for code, argument in tree:
        if code in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            unbounded = argument[1] is constants.MAXREPEAT
            if (inside and unbounded) or _repeats_a_repetition(argument[2], inside=inside or unbounded):
                return True
        elif any(_repeats_a_repetition(inner, inside=inside) for inner in _inner(argument)):
            return True
    return False


def _inner(argument: Any) -> Iterator[Any]:
    if isinstance(argument, parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for part in argument:
            yield from _inner(part)


def _notifications(c: Configuration) -> Iterator[Finding]:
    at: Path = ("notifications",)
    for agent_id in c.notifications.muted:
        yield from _reference((*at, "muted", agent_id), agent_id, "an agent", _ids(c.agents))
    for agent_id, preferences in c.notifications.preferences.items():
        yield from _reference((*at, "preferences", agent_id), agent_id, "an agent", _ids(c.agents))
        path = (*at, "preferences", agent_id, "muted_inboxes")
        yield from _references(path, preferences.muted_inboxes, "an inbox", _ids(c.inboxes))
        for inbox_id in preferences.inbox_ways:
            path = (*at, "preferences", agent_id, "inbox_ways", inbox_id)
            yield from _reference(path, inbox_id, "an inbox", _ids(c.inboxes))
    for n, chat in enumerate(c.notifications.chat):
        yield from _references((*at, "chat", n, "agents"), chat.agents, "an agent", _ids(c.agents))
        yield from _references((*at, "chat", n, "teams"), chat.teams, "a team", _ids(c.teams))
        yield from _references((*at, "chat", n, "inboxes"), chat.inboxes, "an inbox", _ids(c.inboxes))
    account_id = c.notifications.account
    yield from _reference((*at, "account"), account_id, "an account", _ids(c.accounts))
    account = next((a for a in c.accounts if a.id == account_id), None)
    if account is not None and not (isinstance(account, MailAccount) and account.smtp is not None):
        yield Finding((*at, "account"), f"{account_id!r} cannot send mail: it has no `smtp`")


def _webhooks(c: Configuration) -> Iterator[Finding]:
    for n, webhook in enumerate(c.webhooks):
        yield from _references(("webhooks", n, "inboxes"), webhook.inboxes, "an inbox", _ids(c.inboxes))
        for m, name in enumerate(webhook.events):
            short = name if re.search(r"\.v[0-9]+$", name) else f"{name}.v1"
            yield from _reference(("webhooks", n, "events", m), short, "an event type", _fact_types())


def _fact_types() -> list[str]:
    facts = {*Fact.__subclasses__(), *StatusFact.__subclasses__()} - {StatusFact}
    return sorted(fact.type_name().removeprefix(TYPE_PREFIX) for fact in facts)


def _size(c: Configuration) -> Iterator[Finding]:
    size = compressed_bytes(c)
    if size > MAX_BYTES:
        yield Finding((), f"the whole is {size // 1000} kB compressed; at most {MAX_BYTES // 1000} kB fit one record")
