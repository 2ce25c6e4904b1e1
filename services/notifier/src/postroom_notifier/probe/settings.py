"""Settings of `postroom probe`, beside those of the notifier, whose way out it takes."""

from pydantic import Field, SecretStr

from postroom_notifier.settings import NotifierSettings


class ProbeSettings(NotifierSettings):
    probe_seconds: float = Field(60, ge=1, le=3600)
    """How often each account gets a probe."""
    probe_timeout_seconds: float = Field(120, ge=1, le=3600)
    """A probe that is not seen by then is lost."""
    probe_desk_url: str | None = None
    """Where the desk's API is asked; None: `desk_url`."""
    probe_token: SecretStr | None = None
    """A token of that API which may read every inbox; None: `api_token`."""
    api_token: SecretStr | None = None

    @property
    def token(self) -> str | None:
        """The token that the desk is asked with."""
        chosen = self.probe_token or self.api_token
        return chosen.get_secret_value() if chosen else None
