"""Settings that cannot work are refused at start, naming what is missing."""

import pytest
from postroom_runtime.settings import RuntimeSettings
from pydantic import ValidationError


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kafka_security": "SASL_SSL"}, "POSTROOM_KAFKA_USER and POSTROOM_KAFKA_PASSWORD"),
        ({"kafka_security": "SASL_SSL", "kafka_user": "me"}, "POSTROOM_KAFKA_USER and POSTROOM_KAFKA_PASSWORD"),
        (
            {"kafka_security": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER", "kafka_user": "me"},
            "OAUTHBEARER needs POSTROOM_KAFKA_OAUTH_TOKEN_FILE",
        ),
        (
            {
                "kafka_security": "SASL_SSL",
                "kafka_sasl_mechanism": "OAUTHBEARER",
                "kafka_oauth_token_url": "https://id.example/token",
                "kafka_oauth_client_id": "postroom",
            },
            "POSTROOM_KAFKA_OAUTH_CLIENT_SECRET",
        ),
        ({"kafka_oauth_token_url": "id.example/token"}, "kafka_oauth_token_url"),
        ({"kafka_key_file": "/k"}, "POSTROOM_KAFKA_CERTIFICATE_FILE"),
    ],
    ids=["no user", "no password", "no token", "half of a client", "no url", "key alone"],
)
def test_a_log_in_that_lacks_something_is_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RuntimeSettings(**given)  # type: ignore[arg-type]


def test_without_sasl_no_credentials_are_asked_for() -> None:
    assert not RuntimeSettings(kafka_sasl_mechanism="OAUTHBEARER").kafka_uses_oauth
