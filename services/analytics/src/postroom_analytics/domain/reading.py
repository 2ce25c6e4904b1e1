"""What analytics reads of the facts: the contracts' models, but for one whose body is large and of which we need little."""

from collections.abc import Mapping
from typing import ClassVar, Literal

from postroom_contracts.events import Data
from postroom_contracts.registry import models_of
from postroom_contracts.topics import CONVERSATION_EVENTS


class ConversationAssigned(Data):
    """The fact without its record of candidates, which is most of its body (3 kB with 200 agents) and no figure's."""

    kind: ClassVar[Literal["inbound", "command", "fact", "configuration"]] = "fact"
    agent_id: str
    team_id: str | None = None
    epoch: int


FACTS: Mapping[str, type[Data]] = {
    **models_of(CONVERSATION_EVENTS),
    ConversationAssigned.type_name(): ConversationAssigned,
}
"""Every fact of the log by its type."""
