"""What belongs to a deployment: addresses, secrets, limits. Environment variables with the prefix `POSTROOM_`."""

from pathlib import Path
from typing import Literal, Self

from postroom_contracts.events import EventMode
from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from postroom_runtime.oauth_cipher import TokenKeyError, read_keys
from postroom_runtime.secret_cipher import HOW, SealError


class RuntimeSettings(BaseSettings):
    """Settings that every service shares. Services extend this class with their own."""

    model_config = SettingsConfigDict(env_prefix="POSTROOM_", extra="ignore", frozen=True)

    kafka_bootstrap: str = "127.0.0.1:9092"
    kafka_security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    kafka_user: str | None = None
    kafka_password: SecretStr | None = None
    kafka_sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = "SCRAM-SHA-512"
    kafka_ca_file: Path | None = None
    """Certificates to trust instead of the system's (PEM)."""
    kafka_certificate_file: Path | None = None
    """Our own certificate with its chain (PEM), where the brokers ask for one."""
    kafka_key_file: Path | None = None
    """Its key (PEM); None: it stands in the certificate's file."""
    kafka_oauth_token_file: Path | None = None
    """OAUTHBEARER: a file with the access token, read at each log-in; whoever writes it renews it."""
    kafka_oauth_token_url: str | None = Field(None, pattern=r"^https?://[^\s]+$")
    """OAUTHBEARER without a file: the identity provider's token endpoint, asked by client credentials."""
    kafka_oauth_client_id: str | None = None
    kafka_oauth_client_secret: SecretStr | None = None
    kafka_oauth_scope: str | None = None
    kafka_oauth_ca_file: Path | None = None
    """Certificates to trust at the token endpoint instead of the system's (PEM)."""
    mongo_uri: SecretStr = SecretStr("mongodb://127.0.0.1:27017/?replicaSet=rs0&directConnection=true")
    mongo_ca_file: Path | None = None
    """Certificates to trust instead of the system's (PEM); with it, or a certificate of ours, TLS is spoken."""
    mongo_certificate_file: Path | None = None
    """Our own certificate and its key in one file (PEM), for X.509 or where the servers ask for one."""
    mongo_driver: Literal["motor", "pymongo"] = "motor"
    mongo_timeout_seconds: float = Field(10, gt=0, le=300)
    event_mode: EventMode = "binary"
    """How events stand on the topics that other systems read: CloudEvents' binary or structured mode of Kafka."""
    topic_prefix: str = Field("postroom-", pattern=r"^[a-z0-9-]*$", max_length=100)
    database_prefix: str = Field("postroom_", pattern=r"^[a-z0-9_]*$", max_length=30)
    partitions: int = Field(4, ge=1, le=1000)
    replication: int = Field(1, ge=1, le=9)
    clock_offset_seconds: float = 0.0
    http_host: str = "127.0.0.1"
    http_port: int = Field(0, ge=0, le=65535)
    """0: a free port, printed in the log."""
    http_port_file: Path | None = None
    """Where the port that was taken is written, for whoever started the process."""
    read_only: bool = False
    """Nothing leaves the house and nothing changes on mail servers: what would have been done is printed instead."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    log_messages: bool = False
    """A line for each record that was handled and each mail that left, with the ids that lead from one to the next."""
    traces_endpoint: str | None = None
    """Where spans go by OTLP over HTTP, such as http://collector:4318. None: nothing is traced."""
    traces_ratio: float = Field(1.0, ge=0, le=1)
    """The share of messages that are traced."""
    signing_keys: SecretStr | None = None
    """One or two keys for signed ids, comma-separated, newest first, at least 16 bytes each."""
    signing_keys_file: Path | None = None
    token_keys: SecretStr | None = None
    """One or two keys that OAuth grants are encrypted with, comma-separated, newest first: base64 of 32 bytes each."""
    token_keys_file: Path | None = None
    secrets_key: SecretStr | None = None
    """The key of secrets at rest, base64 of 32 bytes; several, by commas, while it is rotated, newest first."""
    secrets_key_file: Path | None = None
    secret_reminder_days: int = Field(365, ge=1, le=3650)
    """A stored secret that was set longer ago is called old: in the log, in a series, by `postroom doctor`."""
    max_records: int = Field(500, ge=1, le=2000)
    """Records in one batch."""
    poll_timeout_ms: int = Field(200, ge=1, le=1000)
    session_timeout_ms: int = Field(10_000, ge=1_000)
    heartbeat_interval_ms: int = Field(1_000, ge=100)
    rebalance_timeout_ms: int = Field(30_000, ge=5_000)
    graceful_timeout_seconds: float = Field(20, gt=0)
    commit_timeout_seconds: float = Field(3, gt=0)
    commit_pause_ms: int = Field(100, ge=0, le=5000)
    """For how long what is done may wait for its commit; 0: each batch is committed at its end."""
    publish_timeout_seconds: float = Field(30, gt=0)

    @field_validator("kafka_bootstrap")
    @classmethod
    def _host_and_port(cls, value: str) -> str:
        for server in value.split(","):
            host, colon, port = server.strip().rpartition(":")
            if not (host and colon and port.isdigit()):
                raise ValueError(f"{server!r} is not host:port")
        return value

    @model_validator(mode="after")
    def _can_log_in(self) -> Self:
        """What a log-in needs is asked for here: a broker's refusal says much less."""
        if self.kafka_uses_oauth:
            credentials = (self.kafka_oauth_token_url, self.kafka_oauth_client_id, self.kafka_oauth_client_secret)
            if self.kafka_oauth_token_file is None and None in credentials:
                raise ValueError(
                    "OAUTHBEARER needs POSTROOM_KAFKA_OAUTH_TOKEN_FILE, or POSTROOM_KAFKA_OAUTH_TOKEN_URL with "
                    "POSTROOM_KAFKA_OAUTH_CLIENT_ID and POSTROOM_KAFKA_OAUTH_CLIENT_SECRET"
                )
        elif self.kafka_security.startswith("SASL") and None in (self.kafka_user, self.kafka_password):
            raise ValueError(f"{self.kafka_sasl_mechanism} needs POSTROOM_KAFKA_USER and POSTROOM_KAFKA_PASSWORD")
        if self.kafka_key_file is not None and self.kafka_certificate_file is None:
            raise ValueError("POSTROOM_KAFKA_KEY_FILE needs POSTROOM_KAFKA_CERTIFICATE_FILE")
        return self

    @property
    def kafka_uses_oauth(self) -> bool:
        return self.kafka_security.startswith("SASL") and self.kafka_sasl_mechanism == "OAUTHBEARER"

    def topic(self, name: str) -> str:
        return f"{self.topic_prefix}{name}"

    def database(self, name: str) -> str:
        return f"{self.database_prefix}{name}"

    def keys(self) -> list[bytes]:
        """Return the signing keys, newest first. Raises ValueError when none is set: there is no default secret."""
        text = self.signing_keys.get_secret_value() if self.signing_keys else ""
        if not text and self.signing_keys_file:
            text = self.signing_keys_file.read_text().strip()
        if not text:
            raise ValueError("set POSTROOM_SIGNING_KEYS or POSTROOM_SIGNING_KEYS_FILE (at least 16 random bytes)")
        return [key.strip().encode() for key in text.split(",")]

    def token_cipher_keys(self) -> list[bytes]:
        """Return the keys of OAuth grants, newest first. Raises TokenKeyError saying how to make one when none is set.

        Without keys of their own they lie under those of all secrets.
        """
        given = self._text(self.token_keys, self.token_keys_file)
        secrets = self._text(self.secrets_key, self.secrets_key_file)
        return read_keys(",".join(filter(None, (given, secrets))))

    def sealer_keys(self) -> list[bytes]:
        """Return the keys of secrets at rest, newest first; empty when none is set. Raises SealError for one that is none."""
        text = self._text(self.secrets_key, self.secrets_key_file)
        try:
            return read_keys(text) if text else []
        except TokenKeyError as error:
            raise SealError(HOW) from error

    @staticmethod
    def _text(value: SecretStr | None, file: Path | None) -> str:
        text = value.get_secret_value().strip() if value else ""
        if not text and file:
            try:
                text = file.read_text().strip()
            except OSError as error:
                raise TokenKeyError(f"the key file {file} cannot be read: {error.strerror}") from error
        return ",".join(filter(None, (part.strip() for part in text.replace("\n", ",").split(","))))
