"""Tells admins of subscriptions that were disabled: at least once each, the same mail if it must be repeated."""

import asyncio
from dataclasses import dataclass

import structlog
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import is_infrastructure

from postroom_notifier.domain.outcomes import Accepted, Rejected
from postroom_notifier.domain.webhook_mail import admins, disabled_mail, sending_account
from postroom_notifier.domain.webhooks import Receiver
from postroom_notifier.ports import MailSender
from postroom_notifier.webhooks.port import WebhookStore

log = structlog.get_logger(__name__)
PAUSE_SECONDS = 5.0


@dataclass
class TellAdmins:
    """`run` is a background loop; it is quick when there is nobody to tell of anything."""

    store: WebhookStore
    mail: MailSender
    configurations: Configurations
    clock: Clock
    desk_url: str

    async def run(self) -> None:
        while True:
            try:
                for receiver in (await self.store.disabled()).values():
                    if receiver.told_at is None:
                        await self.tell(receiver)
            except Exception as error:
                if not is_infrastructure(error):
                    raise
                log.warning("telling admins waits", error=str(error) or type(error).__name__)
            await asyncio.sleep(PAUSE_SECONDS)

    async def tell(self, receiver: Receiver) -> None:
        """Send a mail to each admin; it is done when none of them is to be tried again."""
        configuration = self.configurations.latest
        account = sending_account(configuration)
        done = True
        for agent in admins(configuration):
            mail = disabled_mail(receiver, agent, configuration, self.desk_url)
            if account is None or mail is None:
                log.error("nobody can be told", subscription=receiver.subscription_id, agent=agent.id)
                continue
            outcome = await self.mail.send(account, mail)
            done = done and isinstance(outcome, Accepted | Rejected)
        if done:
            await self.store.mark_receiver(receiver.model_copy(update={"told_at": self.clock.now()}))
