"""Who is where: consoles say what they show, every 5 s and at once when it changes; readers see it for 15 s."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from postroom_contracts.presence import AgentPresence
from pydantic import Field, StringConstraints, model_validator

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.folders import acting_agent
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.models import Answer, Asked
from postroom_desk.api.presence_teller import as_shown
from postroom_desk.domain.access import Access, access_of
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.reading import UnknownConversationError

router = APIRouter()


class PresenceAsked(Asked):
    """What a page shows. Without `conversation_id` none."""

    console_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{8,64}$")]
    """Of this page, made up by it: the same while it is open."""
    state: Literal["online", "away"] = "online"
    doing: Literal["viewing", "typing", "none"] = "none"
    conversation_id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None

    @model_validator(mode="after")
    def _does_something_somewhere(self) -> "PresenceAsked":
        if (self.conversation_id is None) != (self.doing == "none"):
            raise ValueError("`conversation_id` goes with `viewing` or `typing`")
        return self


class There(Answer):
    conversation_id: str
    doing: Literal["viewing", "typing"]


class PersonPresent(Answer):
    agent_id: str
    name: str
    state: Literal["online", "away", "offline"]
    """`offline` stands in live updates alone: who was there and is not any more."""
    at: list[There] = Field(default_factory=list)


class PeoplePresent(Answer):
    whole: bool
    agents: list[PersonPresent]


@router.post(
    "/presence",
    status_code=204,
    summary="Say what a page shows",
    responses={404: {"description": "No such conversation"}},
)
async def say_presence(
    request: Request,
    asked: PresenceAsked,
    parts: PartsOf,
    asker: Annotated[Asker, Depends(needs(Operation.OWN_ACCOUNT))],
) -> Response:
    """Counts for 15 s, at every replica. An auditor's is taken and told to nobody."""
    request.state.audit = None  # it is stored nowhere: what was read there has an entry already
    agent_id = acting_agent(asker, parts, asked.agent)
    access = access_of(parts.reader.configuration, agent_id)
    inbox_id = await _inbox_of(asked.conversation_id, asker, access, parts) if asked.conversation_id else None
    if access.role != "auditor":
        await parts.presence.say(
            AgentPresence(
                agent_id=agent_id,
                console_id=asked.console_id,
                state=asked.state,
                doing=asked.doing,
                conversation_id=asked.conversation_id,
                inbox_id=inbox_id,
            )
        )
    return Response(status_code=204)


async def _inbox_of(conversation_id: str, asker: Asker, access: Access, parts: Parts) -> str:
    """Return the conversation's inbox. Raises UnknownConversationError unless both who asks and who acts may read it."""
    inbox_id = await asker.inbox_of(parts, conversation_id)
    if inbox_id not in access.readable:
        raise UnknownConversationError(conversation_id)
    return inbox_id


@router.get("/presence", summary="Who is where")
async def read_presence(
    parts: PartsOf, asker: Annotated[Asker, Depends(needs(Operation.LIST_CONVERSATIONS))]
) -> PeoplePresent:
    """Everybody whose page is open, and where, among what you may read. Live: `GET /events?presence=true`."""
    shown = parts.presence.seen_by(asker.readable, parts.reader.configuration)
    return PeoplePresent.model_validate(as_shown(shown, parts, whole=True))
