"""What belongs to a deployment of the notifier. Environment variables with the prefix `POSTROOM_`."""

from pathlib import Path
from typing import Self

from postroom_runtime.outbound import parse_networks
from postroom_runtime.settings import RuntimeSettings
from pydantic import Field, field_validator, model_validator


class NotifierSettings(RuntimeSettings):
    """Settings of the notifier. The lease must outlast a whole send, or a slow server would get a mail twice."""

    desk_url: str = "http://127.0.0.1:8080"
    """Where agents open a conversation; links in notifications are `{desk_url}/conversations/{id}`."""
    smtp_command_seconds: float = Field(30, gt=0, le=600)
    """Longest wait for one answer of a mail server, and for its connection."""
    smtp_send_seconds: float = Field(60, gt=0, le=1800)
    """Longest time for one whole mail: connection, log-in and DATA together."""
    smtp_lease_seconds: float = Field(100, gt=0, le=3600)
    """How long a delivery belongs to one process; after a crash it is taken up again when this has passed."""
    smtp_sends: int = Field(8, ge=1, le=64)
    """Mails in flight per process, and so the most that can be repeated when it dies."""
    smtp_connections: int = Field(6, ge=1, le=64)
    """Connections per account and process; below `smtp_sends`, so that one slow server cannot take every slot."""
    smtp_idle_seconds: float = Field(20, ge=0, le=300)
    """A connection unused for longer is not used again."""
    smtp_mails_per_connection: int = Field(100, ge=1)
    smtp_ca_file: Path | None = None
    """Certificates to trust instead of the system's."""
    smtp_hostname: str | None = None
    """Name said in EHLO; None: this host's."""
    delivery_poll_seconds: float = Field(0.25, gt=0, le=60)
    """How often due work of other processes, and of the past, is looked for; our own is seen at once."""
    delivery_sweep_seconds: float = Field(1, gt=0, le=60)
    """After which time a result that was not reported is published again."""
    delivery_buffer: int = Field(24, ge=0, le=500)
    """Deliveries leased ahead of the free slots."""
    too_old_hours: float = Field(72, gt=0)
    """A cause that is older when it is read is not acted on any more."""
    give_up_hours: float = Field(72, gt=0)
    """How long a refused or unreachable delivery is tried."""
    receiver_mails_per_hour: int = Field(1000, ge=1)
    """Most that leaves by itself for one address within an hour; more is skipped and counted."""
    mail_bytes: int = Field(25 * 1024 * 1024, gt=0)
    """Largest mail that is handed to a server."""

    webhook_seconds: float = Field(15, gt=0, le=60)
    """Longest time for one request to a receiver."""
    webhook_lease_seconds: float = Field(90, gt=0, le=3600)
    """How long a receiver belongs to one process; after a crash it is taken up again when this has passed."""
    webhook_networks: str = ""
    """Networks that are not public and to which webhooks may go all the same, such as `10.20.0.0/16`; separated by commas."""

    @field_validator("webhook_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @model_validator(mode="after")
    def _lease_outlasts_send(self) -> Self:
        if self.smtp_lease_seconds < self.smtp_send_seconds + 5:
            raise ValueError("smtp_lease_seconds must be at least smtp_send_seconds + 5")
        if self.webhook_lease_seconds < self.webhook_seconds + 2:
            raise ValueError("webhook_lease_seconds must be at least webhook_seconds + 2")
        return self
