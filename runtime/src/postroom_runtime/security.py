"""FastStream's security object from the settings."""

import ssl

from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512

from postroom_runtime.settings import RuntimeSettings


def faststream_security(settings: RuntimeSettings) -> BaseSecurity | None:
    """Return what FastStream's broker needs, None for plain text."""
    context = None
    if settings.kafka_security.endswith("SSL"):
        context = ssl.create_default_context(cafile=settings.kafka_ca_file)
    if settings.kafka_security.startswith("SASL"):
        classes = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
        password = settings.kafka_password.get_secret_value() if settings.kafka_password else ""
        return classes[settings.kafka_sasl_mechanism](
            username=settings.kafka_user or "", password=password, ssl_context=context, use_ssl=context is not None
        )
    return BaseSecurity(ssl_context=context, use_ssl=True) if context else None
