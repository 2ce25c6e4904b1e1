"""What of the door belongs to a deployment: where it listens, whom it lets in, how much at once."""

import ssl
from ipaddress import ip_network
from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

MIB = 1024 * 1024


class DoorSettings(BaseSettings):
    """Environment variables with the prefix `POSTROOM_DOOR_`. Without a port there is no door."""

    model_config = SettingsConfigDict(env_prefix="POSTROOM_DOOR_", extra="ignore", frozen=True)

    host: str = "127.0.0.1"
    smtp_port: int | None = Field(None, ge=0, le=65535)
    """Where SMTP is spoken; 0: a free port."""
    lmtp_port: int | None = Field(None, ge=0, le=65535)
    """Where LMTP is spoken (RFC 2033), which answers for each recipient; 0: a free port."""
    ports_file: Path | None = None
    """Where the ports that were taken are written, `smtp=2525 lmtp=2424`, for whoever started the process."""
    name: str = "postroom.invalid"
    """What the door calls itself in its greeting."""
    networks: str = "127.0.0.0/8,::1/128"
    """From where connections are taken, comma-separated: the servers that forward to us, never the whole world."""
    tls_certificate_file: Path | None = None
    """PEM with the chain; with it STARTTLS is offered."""
    tls_key_file: Path | None = None
    """PEM of the key; None: it stands in the certificate's file."""
    tls_required: bool = False
    """Mail is taken after STARTTLS only."""
    mail_bytes: int = Field(35 * MIB, ge=64 * 1024, le=64 * MIB)
    """Largest mail (SIZE, RFC 1870); 35 MiB hold the 25 MB of attachments that the large providers allow."""
    in_flight_bytes: int = Field(128 * MIB, ge=64 * 1024)
    """Of all mails that are being read or stored; above it senders are asked to come again. Memory holds a mail up to
    four times while it is taken apart."""
    connections: int = Field(200, ge=1, le=10_000)
    connections_per_host: int = Field(50, ge=1, le=10_000)
    recipients: int = Field(100, ge=100, le=10_000)
    """Of one mail; RFC 5321 section 4.5.3.1.8 demands 100."""
    mails_per_connection: int = Field(1000, ge=1)
    idle_seconds: float = Field(300, gt=0)
    """Between two commands; RFC 5321 section 4.5.3.2.7 asks for five minutes."""
    data_seconds: float = Field(600, gt=0)
    """For the whole of one mail, however slowly it drips; section 4.5.3.2.6 asks for ten minutes until the answer."""
    store_seconds: float = Field(60, gt=0)
    """For making a mail safe; then the sender is asked to come again."""
    stop_seconds: float = Field(5, ge=0, le=8)
    """How long a stop waits for mails that are being stored."""

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        for network in value.split(","):
            ip_network(network.strip())
        return value

    @property
    def network_list(self) -> list[str]:
        return [network.strip() for network in self.networks.split(",")]

    def tls(self) -> ssl.SSLContext | None:
        """Return what STARTTLS is spoken with, None without a certificate. Raises OSError, ssl.SSLError, ValueError."""
        if self.tls_certificate_file is None:
            if self.tls_required:
                raise ValueError("POSTROOM_DOOR_TLS_REQUIRED needs POSTROOM_DOOR_TLS_CERTIFICATE_FILE")
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.tls_certificate_file, self.tls_key_file)
        return context
