"""Structured logs: one JSON object a line, with ids, without content."""

import logging
import sys
from typing import Any

import structlog

from postroom_runtime.settings import RuntimeSettings

_NOISY = (
    "aiokafka",
    "aiokafka.consumer.group_coordinator",
    "faststream",
    "uvicorn",
    "uvicorn.error",
    "pymongo",
    "mail.log",
)


def configure(settings: RuntimeSettings, service: str) -> None:
    """Set up logging of this process; called once, first."""
    level = getattr(logging, settings.log_level.upper())
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.dict_tracebacks
            if settings.log_format == "json"
            else structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(
        level=logging.WARNING, stream=sys.stderr, format='{"level":"%(levelname)s","event":"%(message)s"}'
    )
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
