"""The desk's settings: environment variables with the prefix `POSTROOM_`."""

import ipaddress
from pathlib import Path
from typing import Self, get_args
from urllib.parse import urlsplit

from postroom_contracts.configuration import Role
from postroom_runtime.outbound import parse_networks
from postroom_runtime.secret_cipher import HOW
from postroom_runtime.settings import RuntimeSettings
from pydantic import Field, SecretStr, field_validator, model_validator

from postroom_desk.tokens import Token, TokenFormatError, parse_tokens


class DeskSettings(RuntimeSettings):
    """Beside those that every service shares. Without a token nobody can use the API; there is no default one."""

    api_token: SecretStr | None = None
    """One token, at least 16 characters; the agent is named in each request."""
    api_tokens: SecretStr | None = None
    """Several, separated by commas or newlines: `name=token` or `name@agent=token` (acts as that agent alone)."""
    api_tokens_file: Path | None = None
    """The same, one in a line; lines that begin with # are passed over."""
    public_url: str | None = Field(None, pattern=r"^https?://[^/?#@\s]+$")
    """Where people reach the desk, `https://desk.example.com`: for links in mail, the cookie, and single sign-on."""
    session_idle_minutes: int = Field(720, ge=5, le=43_200)
    """A session ends after so long without use."""
    session_days: int = Field(7, ge=1, le=90)
    """A session ends after so long in any case."""
    password_login: bool = True
    """False: people log in by single sign-on alone."""
    second_factor_roles: str = ""
    """Roles that must have a second factor, by commas: `admin,lead`."""
    oidc_issuer: str | None = Field(None, pattern=r"^https?://\S+$")
    """The OpenID provider of single sign-on; needs PUBLIC_URL and OIDC_CLIENT_ID."""
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_client_secret_file: Path | None = None
    """Neither: a public client."""
    oidc_name: str = Field("single sign-on", min_length=1, max_length=60)
    """What the log-in page calls it."""
    oidc_scopes: str = "openid email profile"
    oidc_trust_addresses: bool = False
    """Addresses count without `email_verified`: only where every address at the provider is the company's own."""
    requests_per_minute: int = Field(1200, ge=10, le=1_000_000)
    """Of one session, token or unknown address at one replica; tokens of the deployment have no limit."""
    desk_open: bool = False
    """No token is asked for: for the demo. Refused unless the desk listens on loopback alone."""
    analytics_url: str | None = None
    """Where the REST API of analytics is, for the figures on the page."""
    notifier_url: str | None = None
    """Where the notifier's REST API is, for the state and the deliveries of webhooks."""
    router_url: str | None = None
    """Where the router's REST API is, for how far the erasure of a person is."""
    webhook_timeout_seconds: float = Field(60.0, gt=0, le=600)
    """A replay of a long range takes its time."""
    remote_pictures: bool = True
    """Agents may have pictures shown that lie on strangers' servers; the desk fetches them."""
    picture_networks: str = ""
    """Networks that are not public and from which pictures may come all the same, such as `10.20.0.0/16`; by commas."""
    demo_url: str | None = None
    """Where the demo's controls are; the page shows them only then."""
    request_wait_seconds: float = Field(2.0, gt=0, le=30)
    """How long a request waits for its fact before it is answered with 202."""
    read_wait_seconds: float = Field(2.0, gt=0, le=30)
    """How long a read waits for `min_position`."""
    live_queue: int = Field(1000, ge=10, le=100_000)
    """Facts that a slow live stream may be behind."""
    upload_bytes: int = Field(25_000_000, ge=1_000, le=100_000_000)
    """Most that the files of one message may have together; mail servers take about 25 MB with everything."""
    command_timeout_seconds: float = Field(5.0, gt=0, le=60)
    peer_timeout_seconds: float = Field(2.0, gt=0, le=30)

    @field_validator("picture_networks")
    @classmethod
    def _are_networks(cls, value: str) -> str:
        parse_networks(value)
        return value

    @field_validator("second_factor_roles")
    @classmethod
    def _are_roles(cls, value: str) -> str:
        if unknown := set(_words(value)) - set(get_args(Role)):
            raise ValueError(f"{min(unknown)!r} is none of {', '.join(get_args(Role))}")
        return value

    @model_validator(mode="after")
    def _open_only_on_loopback(self) -> Self:
        if self.desk_open and not is_loopback(self.http_host):
            raise ValueError("POSTROOM_DESK_OPEN asks for no token, so POSTROOM_HTTP_HOST must be a loopback address")
        self.tokens()
        return self

    @model_validator(mode="after")
    def _sign_on_is_whole(self) -> Self:
        if self.oidc_issuer is None:
            if not self.password_login:
                raise ValueError("without POSTROOM_PASSWORD_LOGIN people need single sign-on: set POSTROOM_OIDC_ISSUER")
            return self
        if not (self.oidc_client_id and self.public_url):
            raise ValueError("POSTROOM_OIDC_ISSUER needs POSTROOM_OIDC_CLIENT_ID and POSTROOM_PUBLIC_URL")
        if not self.oidc_issuer.startswith("https://") and not is_loopback(urlsplit(self.oidc_issuer).hostname or ""):
            raise ValueError("POSTROOM_OIDC_ISSUER must be an https address")
        self.oidc_secret()
        return self

    @model_validator(mode="after")
    def _second_factors_can_be_kept(self) -> Self:
        if self.second_factor_roles and not self.sealer_keys():
            raise ValueError(f"POSTROOM_SECOND_FACTOR_ROLES asks for secrets at rest: {HOW}")
        return self

    def oidc_secret(self) -> str | None:
        """Return the client's secret at the provider. Raises ValueError naming the file that cannot be read."""
        if self.oidc_client_secret is not None or self.oidc_client_secret_file is None:
            return self.oidc_client_secret.get_secret_value() if self.oidc_client_secret else None
        try:
            return self.oidc_client_secret_file.read_text(encoding="utf-8").strip()
        except OSError as error:
            raise ValueError(f"the file {self.oidc_client_secret_file} cannot be read: {error.strerror}") from error

    def roles_with_second_factor(self) -> frozenset[Role]:
        return frozenset(role for role in get_args(Role) if role in _words(self.second_factor_roles))

    def tokens(self) -> list[Token]:
        """Return all configured tokens. Raises ValueError naming the faulty entry by its number, never by its text."""
        texts = [self.api_tokens.get_secret_value()] if self.api_tokens else []
        if self.api_tokens_file is not None:
            texts.append(self.api_tokens_file.read_text(encoding="utf-8"))
        if self.api_token is not None:
            texts.append(f"default={self.api_token.get_secret_value()}")
        try:
            return parse_tokens("\n".join(texts))
        except TokenFormatError as error:
            raise ValueError(str(error)) from error


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def is_loopback(host: str) -> bool:
    """Say whether `host` can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
