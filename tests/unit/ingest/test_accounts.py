"""What is shown of accounts: while nobody knows who reads them, and when another replica does or they are taken out."""

import asyncio
from typing import Any

from postroom_contracts.configuration import SecretReference, WebhookAccount
from postroom_ingest.accounts import AccountSupervisor
from postroom_ingest.metrics import LAST_SUCCESS
from postroom_runtime.clock import SystemClock
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.leases import Lease
from prometheus_client import REGISTRY


class Leases:
    """One replica's view: `away` while MongoDB is, `mine` what it can get."""

    holder = "a"

    def __init__(self) -> None:
        self.away = False
        self.mine = True

    async def acquire(self, name: str, _seconds: float) -> Lease | None:
        if self.away:
            raise InfrastructureError("mongodb")
        return Lease(name, self.holder, 1) if self.mine or name.startswith("replica:") else None

    async def holders(self) -> dict[str, str]:
        return {"replica:a": "a"}

    async def release(self, _lease: Lease) -> None: ...


class Company:
    accounts = (WebhookAccount(id="shown", channel="webhook", secrets=[SecretReference(env="X")]),)

    @property
    def latest(self) -> "Company":
        return self


async def test_an_account_that_was_dropped_while_mongodb_was_away_and_is_another_s_now_is_shown_no_more() -> None:
    async def reads(account: Any, _lease: Lease) -> None:
        LAST_SUCCESS.labels(account.id).set(7)
        await asyncio.Event().wait()

    def shown() -> float | None:
        return REGISTRY.get_sample_value(LAST_SUCCESS._name, {"account": "shown"})

    leases = Leases()
    supervisor = AccountSupervisor(Company(), leases, SystemClock(), reads, 0.03)  # type: ignore[arg-type]
    running = asyncio.create_task(supervisor.run())
    try:
        await _until(lambda: shown() == 7)
        leases.away = True
        await _until(lambda: not supervisor.held)
        assert shown() == 7
        leases.away, leases.mine = False, False
        await _until(lambda: shown() is None)
    finally:
        running.cancel()


async def _until(is_true: Any) -> None:
    async with asyncio.timeout(30):
        while not is_true():
            await asyncio.sleep(0.005)
