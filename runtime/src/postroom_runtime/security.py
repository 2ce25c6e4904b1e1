"""How this process proves who it is to Kafka, and whom it trusts: for aiokafka's clients and for FastStream's broker."""

import ssl
from typing import Any

from faststream.security import BaseSecurity, SASLOAuthBearer, SASLPlaintext, SASLScram256, SASLScram512

from postroom_runtime.kafka_token import token_provider
from postroom_runtime.settings import RuntimeSettings


def tls_context(settings: RuntimeSettings) -> ssl.SSLContext | None:
    """Return the context of TLS, with our certificate if there is one; None without TLS.

    Raises OSError (ssl.SSLError is one) when a file cannot be read or key and certificate do not belong together.
    """
    if not settings.kafka_security.endswith("SSL"):
        return None
    context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if settings.kafka_certificate_file is not None:
        context.load_cert_chain(settings.kafka_certificate_file, settings.kafka_key_file)
    return context


def security_options(settings: RuntimeSettings) -> dict[str, Any]:
    """Return what an aiokafka client is told about security."""
    options: dict[str, Any] = {"security_protocol": settings.kafka_security}
    if settings.kafka_uses_oauth:
        options |= {"sasl_mechanism": "OAUTHBEARER", "sasl_oauth_token_provider": token_provider(settings)}
    elif settings.kafka_security.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password.get_secret_value() if settings.kafka_password else None,
        }
    if context := tls_context(settings):
        options["ssl_context"] = context
    return options


def faststream_security(settings: RuntimeSettings) -> BaseSecurity | None:
    """Return what FastStream's broker needs, None for plain text. Its token provider: `faststream_options`."""
    context = tls_context(settings)
    if settings.kafka_uses_oauth:
        return SASLOAuthBearer(ssl_context=context, use_ssl=context is not None)
    if settings.kafka_security.startswith("SASL"):
        classes = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
        password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
        return classes[settings.kafka_sasl_mechanism](
            username=settings.kafka_user or "", password=password, ssl_context=context, use_ssl=context is not None
        )
    return BaseSecurity(ssl_context=context, use_ssl=True) if context else None


def faststream_options(settings: RuntimeSettings) -> dict[str, Any]:
    """Return what FastStream's broker takes beside its security object."""
    return {"sasl_oauth_token_provider": token_provider(settings)} if settings.kafka_uses_oauth else {}
