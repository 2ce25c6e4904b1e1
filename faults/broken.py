"""Deliberately broken builds: `python -m faults.broken NAME SERVICE` runs a service with one promise taken out of it.

They show that the checker would see what it claims to see. The services know nothing of this: their code is changed in
memory, in this process.
"""

import asyncio
import sys
import uuid
from collections.abc import Callable, Sequence
from typing import Any

from aiokafka import ConsumerRecord
from postroom_contracts.thread_keys import claim_id
from postroom_runtime import cli, documents
from postroom_runtime.consumer import BatchConsumer

SHORT_CLAIM = 3
"""Characters of a claim that are left: 4,096 different ones."""


def _replace(owner: Any, name: str, by: Any) -> None:
    """Change the code in memory. Raises AttributeError when it has no such part any more: the build would not be broken."""
    getattr(owner, name)
    setattr(owner, name, by)


def ack_first() -> None:
    """Commit a batch before it is handled; what then fails is gone."""

    async def run(self: Any, records: Sequence[ConsumerRecord]) -> None:
        try:
            await self._commit(records)
            await self._batch.carry_out(records)
        except asyncio.CancelledError:
            return
        except Exception as error:  # noqa: BLE001 - the point of this build
            print(f"dropped {len(records)} records: {type(error).__name__}", flush=True)

    _replace(BatchConsumer, "_run", run)


def no_dedup() -> None:
    """Take a mail that comes again, and a command that comes again, for new ones."""
    from postroom_ingest.domain import inbound  # noqa: PLC0415 - only where it is installed and wanted

    once = inbound.ledger_id

    def always_new(*arguments: Any) -> str:
        return once(*arguments)[:20] + uuid.uuid4().hex[:20]

    _replace(inbound, "ledger_id", always_new)
    _replace(documents.Document, "is_applied", lambda _self, _position: False)


def no_resend() -> None:
    """Publish what follows from a decision once, when it is made; never again for a record that comes again."""
    from postroom_ingest import app  # noqa: PLC0415

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    _replace(app, "_sweep", never)
    _replace(documents.Document, "to_publish", lambda self: [pending.record for pending in self.added])


def wrong_thread() -> None:
    """Cut thread claims short, so that foreign mails share one."""
    from postroom_router.domain import threading  # noqa: PLC0415

    def short(inbox_id: str, message_key: str) -> str:
        return claim_id(inbox_id, message_key)[:SHORT_CLAIM]

    _replace(threading, "claim_id", short)


BREAKS: dict[str, Callable[[], None]] = {
    "ack-first": ack_first,
    "no-dedup": no_dedup,
    "no-resend": no_resend,
    "wrong-thread": wrong_thread,
}


def main() -> None:
    name, service = sys.argv[1:]
    BREAKS[name]()
    sys.argv = ["postroom", "run", service]
    cli.main()


if __name__ == "__main__":
    main()
