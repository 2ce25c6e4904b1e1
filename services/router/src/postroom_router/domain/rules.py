"""Ordered rules: compiled once per configuration version, matched against each message.

All matching rules act, a later one over an earlier one, until one with `stop`. Texts are compared without regard to
case. A condition on a field with several values (`recipient`, `tag`, and a list given as `value`) holds when one of
them fits; its negation when none does.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from postroom_contracts.configuration import Actions, Condition, Configuration, Rule
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.thread_keys import normalised_address
from postroom_contracts.values import PRIORITY_ORDER, Priority

from postroom_router.domain.patterns import PatternError, compile_pattern


class Subject:
    """What conditions look at. Texts are prepared at their first use: most messages need few of them."""

    def __init__(self, inbound: InboundReceived, *, opens: bool, source: str, tags: Sequence[str]) -> None:
        self.inbound = inbound
        self.opens = opens
        self.source = source
        self.tags = list(tags)
        self._prepared: dict[str, list[str]] = {}

    def values(self, field: str) -> list[str]:
        """Return the values of `field` in the form in which they are compared."""
        if field == "tag":
            return self.tags  # grows while rules act
        found = self._prepared.get(field)
        if found is None:
            found = self._prepared[field] = _VALUES[field](self)
        return found

    def original(self, field: str) -> list[str]:
        """Return the values of `field` as they were written, for patterns."""
        if field == "subject":
            return [self.inbound.subject]
        return [self.inbound.text] if field == "body" else self.values(field)


def _recipients(subject: Subject) -> list[str]:
    inbound = subject.inbound
    addresses = [a.address for a in (*inbound.to, *inbound.cc)]
    return list(dict.fromkeys(normalised_address(a) for a in (*addresses, *inbound.envelope_recipients)))


def _yes_no(value: bool) -> list[str]:
    return ["true" if value else "false"]


_VALUES: dict[str, Callable[[Subject], list[str]]] = {
    "channel": lambda s: [s.inbound.channel.value],
    "inbox": lambda s: [s.inbound.inbox_id],
    "sender": lambda s: [normalised_address(s.inbound.sender.address)],
    "sender_domain": lambda s: [s.values("sender")[0].rpartition("@")[2]],
    "recipient": _recipients,
    "subject": lambda s: [s.inbound.subject.casefold()],
    "body": lambda s: [s.inbound.text.casefold()],
    "automatic": lambda s: [s.inbound.automatic] if s.inbound.automatic else [],
    "has_attachment": lambda s: _yes_no(bool(s.inbound.attachments)),
    "new_conversation": lambda s: _yes_no(s.opens),
    "source_of_contact": lambda s: [s.source.lower()],
}

Test = Callable[[Subject], bool]


@dataclass(frozen=True, slots=True)
class CompiledRule:
    id: str
    test: Test
    then: Actions
    stop: bool


@dataclass(frozen=True, slots=True)
class Effects:
    """What the matching rules ask for; None and empty: nothing. `tags` in the order of the rules, each once."""

    rules: Sequence[str] = ()
    tags: Sequence[str] = ()
    priority: Priority | None = None
    team_id: str | None = None
    agent_id: str | None = None
    watchers: Sequence[str] = ()
    policy_id: str | None = None
    spam: bool = False


NOTHING = Effects()


@dataclass(frozen=True, slots=True)
class Rules:
    """Compiled rules. `problems` names those that can never match, because of their pattern."""

    rules: Sequence[CompiledRule]
    problems: Sequence[str] = ()

    def match(self, subject: Subject) -> Effects:
        """Return the effects of all rules that match `subject`, whose tags grow as rules add to them."""
        hits: list[CompiledRule] = []
        for rule in self.rules:
            if rule.test(subject):
                hits.append(rule)
                subject.tags.extend(t for t in rule.then.add_tags if t not in subject.tags)
                if rule.stop:
                    break
        return _effects(hits) if hits else NOTHING


def _effects(hits: Sequence[CompiledRule]) -> Effects:
    def last(values: Iterable[str | None]) -> str | None:
        return next((v for v in reversed(list(values)) if v is not None), None)

    priority = last(h.then.priority for h in hits)
    return Effects(
        rules=[h.id for h in hits],
        tags=list(dict.fromkeys(t for h in hits for t in h.then.add_tags)),
        priority=None if priority is None else Priority(priority),
        team_id=last(h.then.team for h in hits),
        agent_id=last(h.then.agent for h in hits),
        watchers=list(dict.fromkeys(w for h in hits for w in h.then.watchers)),
        policy_id=last(h.then.policy for h in hits),
        spam=any(h.then.mark_spam for h in hits),
    )


def more_urgent(one: Priority, other: Priority | None) -> Priority:
    """Return the more urgent of both; `one` if there is no other."""
    return one if other is None or PRIORITY_ORDER[one] <= PRIORITY_ORDER[other] else other


def compile_rules(configuration: Configuration) -> Rules:
    """Return the enabled rules of a configuration, ready to match. Never raises: a bad pattern matches nothing."""
    problems: list[str] = []
    compiled = [_compile(rule, problems) for rule in configuration.rules if rule.enabled]
    return Rules(compiled, problems)


def _compile(rule: Rule, problems: list[str]) -> CompiledRule:
    try:
        test = _always if rule.when is None else _condition(rule.when)
    except PatternError as error:
        problems.append(f"rule {rule.id}: {error}")
        test = _never
    return CompiledRule(rule.id, test, rule.then, rule.stop)


def _always(_: Subject) -> bool:
    return True


def _never(_: Subject) -> bool:
    return False


def _condition(condition: Condition) -> Test:
    if condition.field is not None:
        return _field_test(condition)
    inner = [_condition(c) for c in condition.all or condition.any or condition.none or ()]
    if condition.all is not None:
        return lambda subject: all(test(subject) for test in inner)
    if condition.any is not None:
        return lambda subject: any(test(subject) for test in inner)
    return lambda subject: not any(test(subject) for test in inner)


def _field_test(condition: Condition) -> Test:
    field, operator = condition.field, condition.operator
    assert field is not None
    if operator == "matches":
        return _pattern_test(field, _texts(condition))
    wanted = [text.casefold() for text in _texts(condition)]
    if field == "automatic" and isinstance(condition.value, bool):
        return _automatic_test(wanted=condition.value == (operator != "not_equals"))
    fits = _FITS[operator.removeprefix("not_")]
    expected = not operator.startswith("not_")

    def test(subject: Subject) -> bool:
        for value in subject.values(field):
            for text in wanted:
                if fits(value, text):
                    return expected
        return not expected

    return test


def _texts(condition: Condition) -> list[str]:
    values = condition.value if isinstance(condition.value, list) else [condition.value]
    return [str(v).lower() if isinstance(v, bool) else str(v) for v in values]


def _pattern_test(field: str, patterns: Sequence[str]) -> Test:
    compiled = [compile_pattern(p) for p in patterns]
    return lambda subject: any(p.found_in(v) for v in subject.original(field) for p in compiled)


def _automatic_test(*, wanted: bool) -> Test:
    return lambda subject: bool(subject.inbound.automatic) == wanted


_FITS: dict[str, Callable[[str, str], bool]] = {
    "equals": str.__eq__,
    "in": str.__eq__,
    "contains": str.__contains__,
    "starts_with": str.startswith,
    "ends_with": str.endswith,
}
