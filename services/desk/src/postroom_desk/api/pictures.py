"""From whom one always wants the pictures of their mails: a list of one's own."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from postroom_desk.api.auth import PartsOf
from postroom_desk.api.folders import AgentNamed, acting_agent
from postroom_desk.api.guard import Asker, needs
from postroom_desk.api.models import Answer, Asked, MailAddress
from postroom_desk.api.problems import not_found
from postroom_desk.domain.permissions import Operation
from postroom_desk.parts import Parts
from postroom_desk.ports import PictureSenders

router = APIRouter(prefix="/pictures")
Own = Annotated[Asker, Depends(needs(Operation.OWN_ACCOUNT))]


class SenderAsked(Asked):
    """An address whose mails show their pictures."""

    address: MailAddress


class Senders(Answer):
    addresses: list[str]
    """At most 500, the latest last."""


def _senders(parts: Parts) -> PictureSenders:
    """Raises Problem 404."""
    if parts.picture_senders is None:
        raise not_found("pictures of other servers are not shown here")
    return parts.picture_senders


@router.get("/senders", summary="From whom pictures are always shown", responses={404: {}})
async def read_senders(parts: PartsOf, asker: Own, agent: AgentNamed = None) -> Senders:
    return Senders(addresses=await _senders(parts).of(acting_agent(asker, parts, agent)))


@router.put("/senders", summary="Always show this sender's pictures", status_code=204, responses={404: {}})
async def add_sender(asked: SenderAsked, parts: PartsOf, asker: Own) -> Response:
    """To this person alone. Who writes under another's address gets their pictures shown, too."""
    await _senders(parts).add(acting_agent(asker, parts, asked.agent), asked.address.lower())
    return Response(status_code=204)


@router.delete("/senders", summary="Ask again before this sender's pictures", status_code=204, responses={404: {}})
async def remove_sender(
    parts: PartsOf, asker: Own, address: Annotated[str, Query(min_length=3, max_length=320)], agent: AgentNamed = None
) -> Response:
    await _senders(parts).remove(acting_agent(asker, parts, agent), address.lower())
    return Response(status_code=204)
