"""The notifier, asked to hand one mail to a mail server at once: it alone knows the accounts' passwords."""

from http import HTTPStatus

from postroom_desk.identity.letters import Never, NotNow, Sent
from postroom_desk.ports import WebhookDoor


class NotifierPostman:
    """Port Postman. `door`: the notifier's REST API, with the deployment's key."""

    def __init__(self, door: WebhookDoor) -> None:
        self._door = door

    async def send(self, agent_id: str, subject: str, text: str) -> Sent | NotNow | Never:
        body = {"agent_id": agent_id, "subject": subject, "text": text}
        answer = await self._door.ask("POST", "/api/v1/letters", None, body)
        if answer is None:
            return NotNow("notifier_silent")
        status, found = answer
        if status != HTTPStatus.OK or not isinstance(found, dict):
            return Never("refused") if status == HTTPStatus.UNPROCESSABLE_ENTITY else NotNow("notifier_silent")
        reason = str(found.get("reason") or "")
        match found.get("outcome"):
            case "accepted":
                return Sent()
            case "rejected":
                return Never(reason)
        return NotNow(reason)
