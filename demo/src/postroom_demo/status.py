"""The demo's controls on loopback: how far it is, a test mail, the end of a service by SIGKILL.

Only programs of this machine reach it, and no web page of another site: Host must be ours, a foreign Origin is refused.
"""

import asyncio
import contextlib
import smtplib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from postroom_demo.services import SERVICES

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_START_SECONDS = 20.0


class TestMail(BaseModel):
    """A mail that somebody wants to see arrive. Empty fields get a default."""

    __test__ = False
    model_config = ConfigDict(extra="ignore")

    sender: str = Field("", max_length=320)
    subject: str = Field("", max_length=500)
    text: str = Field(min_length=1, max_length=100_000)
    to: str = Field("", max_length=320)


@dataclass(frozen=True, slots=True)
class Controls:
    """What the server may do. `send` returns the Message-ID, and raises ValueError for an address that is none."""

    status: Callable[[], Awaitable[dict[str, Any]]]
    send: Callable[[TestMail], Awaitable[str]]
    kill: Callable[[str], None]


def application(controls: Controls) -> Starlette:
    async def status(_request: Request) -> Response:
        return JSONResponse(await controls.status())

    async def post_mail(request: Request) -> Response:
        try:
            mail = TestMail.model_validate_json(await request.body())
            return JSONResponse({"message_id": await controls.send(mail)}, 202)
        except ValidationError as error:
            return _problem(422, "; ".join(f"{e['loc'][0]}: {e['msg']}" for e in error.errors() if e["loc"]))
        except ValueError as error:
            return _problem(422, str(error))
        except (OSError, smtplib.SMTPException) as error:
            return _problem(503, f"the mail server does not take it: {type(error).__name__}")

    async def kill(request: Request) -> Response:
        name = request.path_params["service"]
        if name not in SERVICES:
            return _problem(404, f"no service {name}; there is {', '.join(SERVICES)}")
        await asyncio.to_thread(controls.kill, name)
        return JSONResponse({"killed": name}, 202)

    guarded = {"/status": (status, "GET"), "/send": (post_mail, "POST"), "/kill/{service}": (kill, "POST")}
    return Starlette(
        routes=[Route(path, _guarded(handler), methods=[method]) for path, (handler, method) in guarded.items()]
    )


Handler = Callable[[Request], Awaitable[Response]]


def _guarded(handler: Handler) -> Handler:
    async def answer(request: Request) -> Response:
        host = request.headers.get("host", "")
        origin = request.headers.get("origin")
        if host.rpartition(":")[0] not in _LOOPBACK or (origin is not None and urlsplit(origin).netloc != host):
            return _problem(403, "only programs of this machine may ask")
        return await handler(request)

    return answer


def _problem(status: int, detail: str) -> JSONResponse:
    body = {"type": "about:blank", "status": status, "title": "Not done", "detail": detail}
    return JSONResponse(body, status, media_type="application/problem+json")


class StatusServer:
    """Serves the controls in the caller's loop."""

    def __init__(self, controls: Controls, port: int) -> None:
        config = uvicorn.Config(
            application(controls), host="127.0.0.1", port=port, log_config=None, access_log=False, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment]
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._task = asyncio.create_task(self._server.serve(), name="status")
        async with asyncio.timeout(_START_SECONDS):
            while not self._server.started:
                if self._task.done():
                    raise OSError("the port of the demo's controls is taken")
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(SystemExit):
                await asyncio.wait({self._task}, timeout=5)
