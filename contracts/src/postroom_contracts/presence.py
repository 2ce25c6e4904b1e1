"""`agent-presence`: who looks at which conversation and who writes there, at this moment. Nobody keeps it."""

from typing import ClassVar, Literal

from pydantic import Field

from postroom_contracts.events import Data

Doing = Literal["viewing", "typing", "none"]


class AgentPresence(Data):
    """What one console of an agent shows. It counts for 15 s; a console says it every 5 s, and at once when it changes.

    Told only to who may read the conversation's inbox. Auditors are not on the topic.
    """

    kind: ClassVar[Literal["presence"]] = "presence"

    agent_id: str
    console_id: str = Field(min_length=1, max_length=64)
    """Which of the agent's open pages: made up by the page, the same while it is open."""
    state: Literal["online", "away"]
    """`away`: the page is hidden or closed."""
    doing: Doing = "none"
    """`typing`: writes a reply. `none`: shows no conversation."""
    conversation_id: str | None = None
    inbox_id: str | None = None
    """The conversation's, when it was said."""
