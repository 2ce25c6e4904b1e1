"""Saved replies of teams, which lie in the configuration: who changes which, and the configuration with a change. Pure."""

import hashlib
import json
import re
import unicodedata
from collections.abc import Collection, Iterable

from postroom_contracts.configuration import Agent, Configuration, SavedReply

from postroom_desk.domain.saved_replies import Saved

MAX_ID_CHARACTERS = 40


class ChangedMeanwhileError(Exception):
    """The saved reply is not what its writer saw; `now` is what stands there, None: it is gone."""

    def __init__(self, now: Saved | None) -> None:
        super().__init__(now.id if now else "")
        self.now = now


def teams_of(configuration: Configuration, agent: Agent) -> list[str]:
    """Return the teams whose saved replies this person keeps: an admin all, a lead those that they are in, others none."""
    if agent.role == "admin":
        return [t.id for t in configuration.teams]
    return [t.id for t in configuration.teams if agent.role == "lead" and agent.id in t.members]


def keeps(configuration: Configuration, agent: Agent, teams: Collection[str]) -> bool:
    """Say whether this person changes saved replies of these teams; of nobody in particular (everybody's) an admin does."""
    if not teams:
        return agent.role == "admin"
    return set(teams) <= set(teams_of(configuration, agent))


def fingerprint(saved: Saved) -> str:
    """Return what changes with everything that is written in it."""
    said = json.dumps([saved.name, saved.text, saved.html or "", sorted(saved.teams)])
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def is_among(saved: Saved, others: Iterable[Saved]) -> bool:
    """Say whether one of them says the same under the same name, for the same teams: the form was sent twice."""
    return fingerprint(saved) in map(fingerprint, others)


def shared(reply: SavedReply) -> Saved:
    return Saved(reply.id, reply.name, reply.text, reply.html, tuple(reply.teams))


def with_reply(configuration: Configuration, saved: Saved, seen: str) -> Configuration:
    """Return the configuration with a saved reply changed, or added when `seen` is empty, unless it is there already.

    Raises ChangedMeanwhileError when it is not what was seen.
    """
    if not seen and is_among(saved, map(shared, configuration.saved_replies)):
        return configuration
    now = _there(configuration, saved.id, seen)
    reply = SavedReply(id=saved.id, name=saved.name, text=saved.text, html=saved.html, teams=list(saved.teams))
    others = configuration.saved_replies
    replies = [reply if r.id == saved.id else r for r in others] if now else [*others, reply]
    return configuration.model_copy(update={"saved_replies": replies})


def without_reply(configuration: Configuration, reply_id: str, seen: str) -> Configuration:
    """Return the configuration without a saved reply. Raises ChangedMeanwhileError when it is not what was seen."""
    _there(configuration, reply_id, seen)
    left = [r for r in configuration.saved_replies if r.id != reply_id]
    return configuration.model_copy(update={"saved_replies": left})


def _there(configuration: Configuration, reply_id: str, seen: str) -> Saved | None:
    found = next((shared(r) for r in configuration.saved_replies if r.id == reply_id), None)
    if (fingerprint(found) if found else "") != seen:
        raise ChangedMeanwhileError(found)
    return found


def id_for(configuration: Configuration, name: str) -> str:
    """Return a new id that says what it is called."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:MAX_ID_CHARACTERS].strip("-") or "reply"
    taken = {r.id for r in configuration.saved_replies}
    return next(i for n in range(len(taken) + 1) if (i := base if n == 0 else f"{base}-{n + 1}") not in taken)
