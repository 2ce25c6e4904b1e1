"""Mail to one agent that the desk hands over to be sent at once: links by which people choose a password.

Nothing of it is kept: not in MongoDB, not on a topic, not in a log. Who is told is told by the answer.
"""

from dataclasses import dataclass
from typing import Annotated, Any

import structlog
from fastapi import APIRouter
from postroom_contracts.configuration import Configuration
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from pydantic import BaseModel, ConfigDict, Field

from postroom_notifier.domain.letter_mail import letter_mail
from postroom_notifier.domain.outcomes import Accepted, Rejected
from postroom_notifier.domain.webhook_mail import sending_account
from postroom_notifier.ports import MailSender

log = structlog.get_logger(__name__)


class LetterAsked(BaseModel):
    """To whom, by the agent's id, and what."""

    model_config = ConfigDict(extra="forbid", strict=True)

    agent_id: Annotated[str, Field(max_length=63)]
    subject: Annotated[str, Field(min_length=1, max_length=250)]
    text: Annotated[str, Field(min_length=1, max_length=10_000)]


@dataclass(frozen=True)
class LetterBox:
    """Sends through the account that sends notifications, to the address that the configuration has."""

    mail: MailSender
    configurations: Configurations
    clock: Clock

    async def send(self, asked: LetterAsked) -> dict[str, Any]:
        """Return `outcome` (`accepted`, `rejected`, `later`) and, but for the first, a `reason`."""
        configuration: Configuration = self.configurations.latest
        account = sending_account(configuration)
        if account is None:
            return {"outcome": "later", "reason": "no_smtp_server"}
        mail = letter_mail(asked.agent_id, asked.subject, asked.text, configuration, account, self.clock.now())
        if isinstance(mail, str):
            return {"outcome": "rejected", "reason": mail}
        outcome = await self.mail.send(account, mail)
        log.info("letter", agent=asked.agent_id, outcome=type(outcome).__name__.lower())
        match outcome:
            case Accepted():
                return {"outcome": "accepted"}
            case Rejected(reason):
                return {"outcome": "rejected", "reason": reason}
        return {"outcome": "later", "reason": outcome.reason}


def router(box: LetterBox) -> APIRouter:
    """Return `POST /api/v1/letters`; the application around it knows who may ask."""
    routes = APIRouter()

    @routes.post("/api/v1/letters")
    async def send(asked: LetterAsked) -> dict[str, Any]:
        return await box.send(asked)

    return routes
