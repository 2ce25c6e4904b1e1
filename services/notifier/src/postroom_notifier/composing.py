"""From a leased delivery to the mail: fetches the contents that it names, in one query for many."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postroom_contracts.configuration import Configuration, MailAccount
from postroom_contracts.signed_ids import signed_message_id
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import ContentStore

from postroom_notifier.domain.delivery import Delivery
from postroom_notifier.domain.mime import File, OutgoingMail
from postroom_notifier.domain.notification_mail import notification_mail
from postroom_notifier.domain.reply_mail import CannotBeSentError, Content, file_list, reply_mail
from postroom_notifier.domain.returned import undelivered
from postroom_notifier.domain.telling import notification_account


@dataclass(frozen=True)
class Composer:
    """Builds mails. `keys` are the signing keys, newest first."""

    content: ContentStore
    configurations: Configurations
    clock: Clock
    keys: Sequence[bytes]
    desk_url: str
    mail_bytes: int

    async def load(self, deliveries: Sequence[Delivery]) -> dict[str, dict[str, Any]]:
        """Return all contents that the deliveries name, by content id. Raises InfrastructureError."""
        return await self.content.get(i for delivery in deliveries for i in delivery.contents.values())

    def account(self, delivery: Delivery) -> MailAccount | None:
        """Return the account that sends it, as the newest configuration has it: a mended server or password counts at once."""
        wanted = delivery.account_id
        for version in (0, delivery.configuration_version):
            for account in self.configurations.at(version).accounts:
                if account.id == wanted and isinstance(account, MailAccount):
                    return account
        return None

    async def compose(self, delivery: Delivery, loaded: Mapping[str, Content]) -> OutgoingMail:
        """Return the mail. Raises CannotBeSentError, InfrastructureError, ConfigurationNotYetError."""
        configuration = self.configurations.at(delivery.configuration_version)
        contents = {role: loaded[i] for role, i in delivery.contents.items() if i in loaded}
        message_id = signed_message_id(
            delivery.conversation_id, delivery.id, configuration.company.domain, self.keys[0]
        )
        if delivery.is_reply:
            mail = await self._reply(delivery, configuration, contents, message_id)
        else:
            mail = notification_mail(
                delivery,
                configuration,
                contents,
                desk_url=self.desk_url,
                message_id=message_id,
                now=self.clock.now(),
                key=self.keys[0],
            )
        if len(mail.body) > self.mail_bytes:
            raise CannotBeSentError("too_large")
        return mail

    def undelivered(self, about: Delivery, reason: str, code: str | None) -> Delivery | None:
        """Return the notification to the author of a reply that failed; None when there is nobody to tell."""
        configuration = self.configurations.at(about.configuration_version)
        account = notification_account(configuration, about.inbox_id)
        return undelivered(about, configuration, account, self.clock.now(), reason=reason, code=code)

    async def _reply(
        self, delivery: Delivery, configuration: Configuration, contents: Mapping[str, Content], message_id: str
    ) -> OutgoingMail:
        reply = contents.get("reply")
        if reply is None:
            raise CannotBeSentError("content_erased")
        wanted = file_list(reply)
        if sum(int(item["body_bytes"]) for item in wanted) > self.mail_bytes:
            raise CannotBeSentError("too_large")
        files = [await self._file(item) for item in wanted]
        return reply_mail(delivery, configuration, reply, contents.get("answers"), files, message_id)

    async def _file(self, item: Mapping[str, Any]) -> File:
        body = await self.content.get_blob(item["blob_id"])
        if body is None:
            raise CannotBeSentError("content_erased")
        return File(
            filename=str(item["filename"]),
            content_type=str(item["content_type"]),
            body=body,
            content_id=item.get("content_id"),
            inline=bool(item.get("inline", False)),
        )
