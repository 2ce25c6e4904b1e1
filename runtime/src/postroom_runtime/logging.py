"""Structured logs: one JSON object a line, with ids, without content."""

import logging
import sys
import traceback
from collections.abc import MutableMapping
from pathlib import Path
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
    renderers: list[Any] = (
        [structlog.processors.JSONRenderer()]
        if settings.log_format == "json"
        else [exception_as_text, structlog.dev.ConsoleRenderer(colors=False)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            exception_without_content,
            *renderers,
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


MAX_FRAMES = 15


def exception_without_content(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace `exc_info` by types and places of the exception and of what caused it.

    No local variables and no foreign message: both hold what people wrote (a KeyError its address, a ValidationError its
    input). Our own errors name ids and limits only, so their text stays. Rendering locals also took up to a second for
    one record, in which no heartbeat was sent.
    """
    info = event.pop("exc_info", None)
    error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info else None
    chain: list[dict[str, Any]] = []
    while error is not None and len(chain) < 5:  # noqa: PLR2004 - what is deeper explains no more
        ours = type(error).__module__.startswith("postroom_")
        frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
        chain.append(
            {
                "type": type(error).__qualname__,
                **({"text": str(error)[:500]} if ours else {}),
                "frames": [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in frames],
            }
        )
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if chain:
        event["exception"] = chain
    return event


def exception_as_text(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Write what `exception_without_content` found as lines: the console's renderer takes nothing but text, and raises."""
    chain = event.pop("exception", None)
    if chain:
        event["exception"] = "\n".join(
            line
            for error in chain
            for line in (f"{error['type']}: {error.get('text', '')}", *(f"    {frame}" for frame in error["frames"]))
        )
    return event
