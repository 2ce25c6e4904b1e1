"""The desk's settings: environment variables with the prefix `POSTROOM_`."""

import ipaddress
from pathlib import Path
from typing import Self

from postroom_runtime.settings import RuntimeSettings
from pydantic import Field, SecretStr, model_validator

from postroom_desk.tokens import Token, TokenFormatError, parse_tokens


class DeskSettings(RuntimeSettings):
    """Beside those that every service shares. Without a token nobody can use the API; there is no default one."""

    api_token: SecretStr | None = None
    """One token, at least 16 characters; the agent is named in each request."""
    api_tokens: SecretStr | None = None
    """Several, separated by commas or newlines: `name=token` or `name@agent=token` (acts as that agent alone)."""
    api_tokens_file: Path | None = None
    """The same, one in a line; lines that begin with # are passed over."""
    desk_open: bool = False
    """No token is asked for: for the demo. Refused unless the desk listens on loopback alone."""
    analytics_url: str | None = None
    """Where the REST API of analytics is, for the figures on the page."""
    notifier_url: str | None = None
    """Where the notifier's REST API is, for the state and the deliveries of webhooks."""
    webhook_timeout_seconds: float = Field(60.0, gt=0, le=600)
    """A replay of a long range takes its time."""
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

    @model_validator(mode="after")
    def _open_only_on_loopback(self) -> Self:
        if self.desk_open and not is_loopback(self.http_host):
            raise ValueError("POSTROOM_DESK_OPEN asks for no token, so POSTROOM_HTTP_HOST must be a loopback address")
        self.tokens()
        return self

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


def is_loopback(host: str) -> bool:
    """Say whether `host` can be reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
