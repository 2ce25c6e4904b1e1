"""Everyday work in the house: customers write, agents answer, snooze and resolve, somebody follows live."""

import asyncio
import contextlib
import itertools
import json
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any

import aiosmtplib
import httpx
from standardwebhooks.webhooks import Webhook

from watch.company import AGENTS, WEBHOOK_SECRET, address
from watch.house import API_TOKEN, House

_numbers = itertools.count(1)


def mail(inbox: str, *, sender: str = "", refers_to: Sequence[str] = (), automatic: bool = False) -> EmailMessage:
    """Return a customer's new mail to an inbox."""
    n = next(_numbers)
    made = EmailMessage()
    made["From"] = sender or f"customer{n}@example.test"
    made["To"] = address(inbox)
    made["Subject"] = f"Order {n}"
    made["Message-ID"] = f"<{n}@example.test>"
    made["Date"] = datetime.now(UTC)
    if refers_to:
        made["References"] = " ".join(refers_to)
    if automatic:
        made["Auto-Submitted"] = "auto-replied"
    made.set_content(f"Where is my order {n}?")
    return made


@dataclass
class Traffic:
    """`run` keeps it going until cancelled; what fails while a server is away is tried anew with something else."""

    house: House
    calm: bool = False
    """While true nobody writes and nobody answers."""
    api: httpx.AsyncClient = field(init=False)
    _writers: deque[tuple[str, str]] = field(default_factory=lambda: deque(maxlen=20))

    def __post_init__(self) -> None:
        headers = {"Authorization": f"Bearer {API_TOKEN}"}
        self.api = httpx.AsyncClient(base_url=f"{self.house.url('desk')}/api/v1", headers=headers, timeout=4)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as people:
            for work, pause in (
                (self._write, 1.2),
                (self._call, 1.5),
                (self._answer, 0.5),
                (self._snooze, 4.0),
                (self._look_at_figures, 3.0),
                (self._follow, 1.0),
                (self._write_as_a_machine, 3.0),
                (self._write_again, 1.5),
                (self._join, 8.0),
                (self._knock, 3.0),
            ):
                people.create_task(self._again(work, pause))

    async def _again(self, work: Callable[[], Awaitable[None]], pause: float) -> None:
        while True:
            if not self.calm:
                with contextlib.suppress(
                    httpx.HTTPError, aiosmtplib.SMTPException, KeyError, IndexError, ValueError, OSError
                ):
                    await work()
            await asyncio.sleep(pause * random.uniform(0.7, 1.3))

    # --- customers ----------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        made = mail("support")
        self._writers.append((made["From"], made["Message-ID"]))
        self.house.dovecot.deliver(address("support"), made.as_bytes())
        self.deliver("club")

    async def _write_as_a_machine(self) -> None:
        self.house.dovecot.deliver(address("support"), mail("support", automatic=True).as_bytes())

    async def _write_again(self) -> None:
        """Write once more in a conversation of before, so that somebody has to answer again."""
        sender, earlier = self._writers[0]
        self._writers.rotate(-1)
        self.house.dovecot.deliver(address("support"), mail("support", sender=sender, refers_to=[earlier]).as_bytes())

    async def _join(self) -> None:
        """Write two mails, and a third that answers both: they are one conversation then."""
        sender = f"joiner{next(_numbers)}@example.test"
        pair = [mail("support", sender=sender) for _ in range(2)]
        for one in pair:
            self.house.dovecot.deliver(address("support"), one.as_bytes())
        await asyncio.sleep(2)
        third = mail("support", sender=sender, refers_to=[one["Message-ID"] for one in pair])
        self.house.dovecot.deliver(address("support"), third.as_bytes())

    async def _knock(self) -> None:
        """Hand a mail over at the door, with a pause in it, as slow servers do."""
        made = mail("gate")
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=self.house.door_port, timeout=5) as client:
            await client.execute_command(b"MAIL", b"FROM:<a@example.test>")
            await client.execute_command(b"RCPT", f"TO:<{address('gate')}>".encode())
            await asyncio.sleep(1.2)
            await client.data(made.as_bytes() + b"x" * 300_000)

    def deliver(self, mailbox: str, inbox: str | None = None, *, seconds_ago: float = 0.0) -> str:
        """Put a mail into a mailbox, `seconds_ago` by its provider's clock; return its file."""
        at = datetime.now(UTC) - timedelta(seconds=seconds_ago)
        return str(self.house.dovecot.deliver(address(mailbox), mail(inbox or mailbox).as_bytes(), at))

    async def _call(self) -> None:
        n = next(_numbers)
        body = json.dumps(
            {"type": "message.received", "data": {"from": {"address": f"app-{n}"}, "text": f"Question {n}"}}
        )
        moment = datetime.now(UTC)
        signature = Webhook(WEBHOOK_SECRET).sign(f"call-{n}", moment, body)
        headers = {
            "webhook-id": f"call-{n}",
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": signature if n % 5 else "v1,bad",
            "content-type": "application/json",
        }
        async with httpx.AsyncClient(timeout=4) as client:
            await client.post(f"{self.house.url('ingest')}/webhooks/shop", content=body, headers=headers)

    # --- agents -------------------------------------------------------------------------------------------------

    async def open_ones(self, **wanted: str) -> list[dict[str, Any]]:
        """Return a page of open conversations."""
        answer = await self.api.get("/conversations", params={"status": "open", "limit": "50", **wanted})
        return [dict(one) for one in answer.raise_for_status().json()["items"]]

    async def ask(self, conversation_id: str, request: str, **body: Any) -> httpx.Response:
        return await self.api.post(f"/conversations/{conversation_id}/{request}", json={"agent": AGENTS[0], **body})

    async def _answer(self) -> None:
        mine = [c for c in await self.open_ones() if c["channel"] == "email" and c["inbox_id"] != "letters"]
        then = random.choice(("resolve", "resolve", "wait", None))
        await self.ask(random.choice(mine)["id"], "reply", text="It left today.", **({"then": then} if then else {}))

    async def _snooze(self) -> None:
        until = datetime.now(UTC) + timedelta(seconds=2)
        found = await self.open_ones()
        await self.ask(random.choice(found)["id"], "snooze", until=until.isoformat())
        await self.ask(random.choice(found)["id"], "resolve")

    async def _look_at_figures(self) -> None:
        async with httpx.AsyncClient(timeout=4) as client:
            await client.get(f"{self.house.url('analytics')}/api/v1/metrics/summary")

    async def _follow(self) -> None:
        async with self.api.stream("GET", "/events", timeout=httpx.Timeout(4, read=30)) as stream:
            seen = 0
            async for line in stream.aiter_lines():
                seen += line.startswith("data")
                if seen > 150:  # somebody else opens the page
                    return
