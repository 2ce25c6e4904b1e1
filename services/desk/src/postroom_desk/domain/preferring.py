"""What somebody chose of their notifications, written into the configuration. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from postroom_contracts.configuration import (
    Configuration,
    MutableKind,
    Notifications,
    Preferences,
    QuietHours,
    ToldKind,
    Way,
)
from postroom_contracts.notifying import WAYS

KINDS: tuple[ToldKind, ...] = tuple(WAYS)
MUTABLE: frozenset[str] = frozenset(get_args(MutableKind))
COLUMNS: tuple[Way, ...] = get_args(Way)
Ticked = Mapping[ToldKind, frozenset[Way]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a form said: what is ticked of the ways that it showed, inboxes of which nothing is wanted, quiet hours."""

    ticked: Ticked
    offered: Ticked
    left_out: list[str]
    inboxes: list[str]
    """The inboxes that it showed."""
    quiet: QuietHours | None


def ways_there(configuration: Configuration, agent_id: str) -> dict[ToldKind, frozenset[Way]]:
    """Return what this person can choose: no mail that the house has switched off, no chat where no destination is theirs."""
    section = configuration.notifications
    in_chat = any(agent_id in d.agents for d in section.chat if d.enabled)
    unsent: frozenset[Way] = frozenset({"mail", "chat"})
    there = {k: w if getattr(section, k, True) else w - unsent for k, w in WAYS.items()}
    return there if in_chat else {k: w - {"chat"} for k, w in there.items()}


def preferring(configuration: Configuration, agent_id: str, chosen: Chosen) -> Configuration:
    """Return the configuration with these preferences; what the form did not show stays as it was.

    What agrees with the house's defaults is not written down: it goes on following them. Kinds without mail stand in `muted`,
    which earlier releases read, too.
    """
    section = configuration.notifications
    if configuration.agent(agent_id) is None:
        return configuration
    before = section.preferences.get(agent_id, Preferences())
    known = {i.id for i in configuration.inboxes}
    inboxes = [i for i in before.muted_inboxes if i not in chosen.inboxes] + [i for i in chosen.left_out if i in known]
    ways: dict[ToldKind, list[Way]] = {}
    muted: list[MutableKind] = []
    for kind in KINDS:
        usual = _usual(section, kind)
        wanted = chosen.ticked[kind] & chosen.offered[kind] | _raw(section, agent_id, kind) - chosen.offered[kind]
        if "mail" not in wanted and "mail" in usual and kind in MUTABLE:
            muted.append(kind)  # type: ignore[arg-type]  # it is one of them
            usual -= {"mail"}
        if wanted != usual:
            ways[kind] = _listed(wanted)
    own = before.model_copy(update={"muted_inboxes": inboxes, "quiet_hours": chosen.quiet, "ways": ways})
    return _with(configuration, agent_id, own, muted)


def preferring_in(
    configuration: Configuration, agent_id: str, inbox_id: str, ticked: Ticked | None, offered: Ticked
) -> Configuration:
    """Return the configuration with what this person wants of one inbox; None: as of all others."""
    section = configuration.notifications
    if configuration.agent(agent_id) is None or configuration.inbox(inbox_id) is None:
        return configuration
    before = section.preferences.get(agent_id, Preferences())
    of_inboxes = {i: w for i, w in before.inbox_ways.items() if i != inbox_id}
    if ticked is not None:
        was = before.inbox_ways.get(inbox_id, {})
        of_inboxes[inbox_id] = {
            k: _listed(
                ticked[k] & offered[k] | frozenset(was.get(k, _raw(section, agent_id, k))) & (WAYS[k] - offered[k])
            )
            for k in KINDS
        }
    own = before.model_copy(update={"inbox_ways": of_inboxes})
    return _with(configuration, agent_id, own, section.muted.get(agent_id, []))


def undoing(configuration: Configuration, agent_id: str, seconds: int) -> Configuration:
    """Return the configuration with how long this person can take a reply back. Raises ValidationError for another time."""
    section = configuration.notifications
    if configuration.agent(agent_id) is None:
        return configuration
    before = section.preferences.get(agent_id, Preferences())
    own = Preferences.model_validate(before.model_dump() | {"undo_seconds": seconds})
    return _with(configuration, agent_id, own, section.muted.get(agent_id, []))


def without_mail(configuration: Configuration, agent_id: str, kind: MutableKind) -> Configuration:
    """Return the configuration with no mail of this kind for this agent, of whatever inbox; the same one when it is so."""
    section = configuration.notifications
    kinds = section.muted.get(agent_id, [])
    before = section.preferences.get(agent_id, Preferences())
    of_inboxes = {
        i: {k: [w for w in ways if k != kind or w != "mail"] for k, ways in kept.items()}
        for i, kept in before.inbox_ways.items()
    }
    if configuration.agent(agent_id) is None or (kind in kinds and of_inboxes == before.inbox_ways):
        return configuration
    own = before.model_copy(update={"inbox_ways": of_inboxes})
    return _with(configuration, agent_id, own, kinds if kind in kinds else [*kinds, kind])


def _usual(section: Notifications, kind: ToldKind) -> frozenset[Way]:
    return WAYS[kind] & frozenset(section.defaults.get(kind, COLUMNS))


def _raw(section: Notifications, agent_id: str, kind: ToldKind) -> frozenset[Way]:
    """Return what stands written, whatever the house has switched off."""
    chosen = section.preferences.get(agent_id, Preferences()).ways.get(kind)
    ways = _usual(section, kind) if chosen is None else WAYS[kind] & frozenset(chosen)
    return ways - {"mail"} if kind in section.muted.get(agent_id, ()) else ways


def _listed(ways: frozenset[Way]) -> list[Way]:
    return [w for w in COLUMNS if w in ways]


def _with(configuration: Configuration, agent_id: str, own: Preferences, muted: list[MutableKind]) -> Configuration:
    section = configuration.notifications
    everybody, kinds = {**section.preferences, agent_id: own}, {**section.muted, agent_id: muted}
    changed = {
        "preferences": {a: p for a, p in everybody.items() if p != Preferences()},
        "muted": {a: k for a, k in kinds.items() if k},
    }
    return configuration.model_copy(update={"notifications": section.model_copy(update=changed)})
