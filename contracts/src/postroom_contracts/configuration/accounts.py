"""How messages come in and go out: mail accounts, our own mail door, signed webhooks."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from postroom_contracts.configuration.base import SecretReference, Section
from postroom_contracts.fields import Slug
from postroom_contracts.values import Channel

NO_PASSWORD = SecretReference(env="POSTROOM_OAUTH_INSTEAD")
"""Stands as the password of an account that logs in by OAuth, so that the field is always there; it is never read."""


class MoveTo(Section):
    move: str
    """A folder of the same account that is not read."""


class ImapServer(Section):
    host: str
    port: int = 993
    tls: bool = True
    """The server's certificate is always verified, by `tls_ca_file` or the system's authorities."""
    tls_ca_file: str | None = None
    user: str
    password: SecretReference
    """Left out where the account has `oauth`."""
    folders: list[str] = Field(default_factory=lambda: ["INBOX"], min_length=1)
    poll_seconds: float = Field(60, ge=1, le=3600)
    """How often it is looked at where the server has no IDLE, and as a second look where it has."""
    after_import: Literal["leave", "mark_seen", "delete"] | MoveTo = "leave"
    """What becomes of a mail on the server once it is safely stored here."""
    first_days: int = Field(1, ge=0, le=36_500)
    """How many days back a folder begins that is read for the first time (0: with the next mail). What is older is left
    alone until `postroom ingest import` takes it in as history."""


class SmtpServer(Section):
    host: str
    port: int = 587
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    tls_ca_file: str | None = None
    user: str | None = None
    """None: no log-in; with `oauth`, the user of `imap`."""
    password: SecretReference | None = None


class MailDoor(Section):
    """Mail that other servers hand to our own SMTP and LMTP door, in place of a mailbox that is read."""

    networks: list[str] = Field(default_factory=list)
    """From where mail for this account is taken (`192.0.2.0/24`); empty: from wherever the deployment lets in."""

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for network in value:
            try:
                ip_network(network)
            except ValueError as error:
                raise ValueError(f"{network!r} is not a network such as 192.0.2.0/24 or 2001:db8::/32") from error
        return value


class DkimSigning(Section):
    """How mail of an account is signed (RFC 6376); the public key stands at `SELECTOR._domainkey.DOMAIN`."""

    domain: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$", max_length=253)
    selector: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$", max_length=63)
    key: SecretReference
    """The private RSA key, PEM."""


class OAuth(Section):
    """Log-in by OAuth 2.0 access tokens (SASL XOAUTH2) instead of a password. `postroom ingest connect` gets the grant."""

    provider: Literal["google", "microsoft", "custom"]
    client_id: str = Field(min_length=1)
    client_secret: SecretReference | None = None
    """None: a public client."""
    tenant: str = "common"
    """Microsoft's directory: an id, a domain, `organizations` or `common`."""
    token_url: str | None = None
    device_url: str | None = None
    """Device authorization endpoint (RFC 8628)."""
    authorize_url: str | None = None
    scopes: list[str] = Field(default_factory=list)
    """Empty: what IMAP and SMTP need at the provider."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.provider == "custom" and not (self.token_url and (self.device_url or self.authorize_url)):
            raise ValueError("provider custom needs `token_url` and one of `device_url` and `authorize_url`")
        for url in (self.token_url, self.device_url, self.authorize_url):
            if url is not None and not re.match(r"https://|http://(127\.0\.0\.1|localhost|\[::1\])[:/]", url):
                raise ValueError(f"{url!r} must begin with https://: tokens travel by it")
        return self


class MailAccount(Section):
    """One set of credentials at one mail provider."""

    id: Slug
    channel: Literal[Channel.EMAIL] = Channel.EMAIL
    imap: ImapServer | None = None
    door: MailDoor | None = None
    smtp: SmtpServer | None = None
    oauth: OAuth | None = None
    internal: bool = False
    """Only the company's own, authenticated people can deliver to it: From is trusted."""
    trusted_authserv_ids: list[str] = Field(default_factory=list)
    """Whose Authentication-Results count (RFC 8601 section 5)."""
    dkim: DkimSigning | None = None
    """None: the mail server signs, or nobody."""

    @model_validator(mode="before")
    @classmethod
    def _no_password_with_oauth(cls, value: object) -> object:
        """Accept an `imap` without `password` beside `oauth`."""
        if not isinstance(value, dict) or not value.get("oauth") or not isinstance(value.get("imap"), dict):
            return value
        return {**value, "imap": {"password": NO_PASSWORD.model_dump(), **value["imap"]}}

    @property
    def smtp_user(self) -> str | None:
        """Who logs in at the SMTP server."""
        if self.smtp is not None and self.smtp.user is None and self.oauth is not None and self.imap is not None:
            return self.imap.user
        return self.smtp.user if self.smtp else None


class WebhookAccount(Section):
    """The generic signed webhook channel (Standard Webhooks)."""

    id: Slug
    channel: Literal[Channel.WEBHOOK]
    secrets: list[SecretReference] = Field(min_length=1, max_length=2)
    """Two while a key is rotated."""


Account = Annotated[MailAccount | WebhookAccount, Field(discriminator="channel")]
