"""What one request does, noted while it is done, for its entry in the audit."""

import re
from dataclasses import dataclass, field

from postroom_contracts.ids import digest

from postroom_desk.audit.port import Entry, Outcome
from postroom_desk.identity.principal import Principal

_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")
_OUTCOMES: dict[int, Outcome] = {401: "refused", 403: "refused", 404: "not_found"}
_ERROR = 400


@dataclass(slots=True)
class Trace:
    """`person`: the agent who acts, where a token of the house names one. `conversations`: id to inbox, in order."""

    action: str
    principal: Principal | None = None
    person: str | None = None
    conversations: dict[str, str | None] = field(default_factory=dict)
    about: str = ""
    details: dict[str, str] = field(default_factory=dict)

    def touches(self, conversation_id: str, inbox_id: str | None) -> None:
        """Note a conversation; None: for this person there is none of this id."""
        self.conversations[conversation_id] = inbox_id

    def did(self, action: str, about: str = "", **details: str) -> None:
        """Name what this request does more closely than its operation, once it has been allowed."""
        self.action, self.about = action, about
        self.details |= details

    def entry(self, status: int, *, ip: str, user_agent: str, request_id: str) -> Entry:
        """Return the entry, as the request was answered with `status` of HTTP."""
        first, *others = self.conversations.items() or [("", None)]
        who = self.principal
        session = digest(who.session_id)[:16] if who is not None and who.session_id else None
        return Entry(
            action=self.action,
            outcome="done" if status < _ERROR else _OUTCOMES.get(status, "failed"),
            person=self.person or (who.agent_id if who else None),
            principal=who.key if who else "",
            session_id=session,
            ip=ip,
            user_agent=user_agent,
            request_id=request_id,
            conversation_id=safe_id(first[0]) or None,
            inbox_id=first[1],
            about=self.about,
            details=self.details | {f"other_{n}": safe_id(c) for n, (c, _) in enumerate(others, 1)},
        )


def safe_id(text: str) -> str:
    """Return an id as it is; in place of anything else, which may be a text that somebody typed, a question mark."""
    return text if not text or _ID.fullmatch(text) else "?"
