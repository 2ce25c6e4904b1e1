"""Which account is read by which replica: leases, spread evenly, moved within 30 s when a replica dies."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable

import structlog
from postroom_contracts.configuration import Account
from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.leases import Lease, LeaseStore

from postroom_ingest.metrics import ACCOUNTS, ACCOUNTS_HELD, forget

log = structlog.get_logger(__name__)

Reader = Callable[[Account, Lease], Awaitable[None]]
"""Reads an account until cancelled."""


class AccountSupervisor:
    """Holds leases of accounts and runs one reader for each account held."""

    def __init__(
        self, configurations: Configurations, leases: LeaseStore, clock: Clock, reader: Reader, lease_seconds: float
    ) -> None:
        self._configurations = configurations
        self._leases = leases
        self._clock = clock
        self._reader = reader
        self._lease_seconds = lease_seconds
        self._running: dict[str, tuple[Account, Lease, asyncio.Task[None]]] = {}
        self._dropped: set[str] = set()
        """Whose readers were stopped without knowing who reads on: shown as not read until that is known."""

    @property
    def held(self) -> list[str]:
        return list(self._running)

    async def run(self) -> None:
        """Renew, take and give back leases every third of a lease's time, until cancelled."""
        try:
            while True:
                try:
                    async with asyncio.timeout(self._lease_seconds * 0.6):
                        await self.turn()
                except (InfrastructureError, TimeoutError) as error:
                    log.warning("leases wait", error=str(error) or "timeout")
                    self._drop_all()
                await asyncio.sleep(self._lease_seconds / 3 if self._running else min(1.0, self._lease_seconds / 3))
        finally:
            for account_id in list(self._running):
                await self._give_back(account_id)

    async def turn(self) -> None:
        """One round over all accounts."""
        await self._leases.acquire(f"replica:{self._leases.holder}", self._lease_seconds)
        accounts = {a.id: a for a in self._configurations.latest.accounts}
        held = await self._leases.holders()
        replicas = sum(1 for name in held if name.startswith("replica:")) or 1
        share = math.ceil(len(accounts) / replicas)
        for account_id in list(self._running):
            if accounts.get(account_id) != self._running[account_id][0] or self._running[account_id][2].done():
                await self._give_back(account_id)
        while len(self._running) > share:
            await self._give_back(next(reversed(self._running)))
        for account_id, account in accounts.items():
            await self._take(account_id, account, share)
        for account_id in self._dropped - self._running.keys():
            forget(account_id)
        self._dropped.clear()
        ACCOUNTS.set(len(accounts))
        ACCOUNTS_HELD.set(len(self._running))

    async def _take(self, account_id: str, account: Account, share: int) -> None:
        running = self._running.get(account_id)
        if running is None and len(self._running) >= share:
            return
        lease = await self._leases.acquire(f"account:{account_id}", self._lease_seconds)
        if running is not None and (lease is None or lease.fence != running[1].fence):
            log.warning("lease lost", account=account_id)
            await self._cancel(account_id)
            running = None
        if lease is not None and running is None:
            task = asyncio.create_task(self._guarded(account, lease), name=f"account {account_id}")
            self._running[account_id] = (account, lease, task)

    async def _guarded(self, account: Account, lease: Lease) -> None:
        while True:
            try:
                await self._reader(account, lease)
                return
            except asyncio.CancelledError:
                raise
            except Exception:  # one account's trouble is not the others'
                log.exception("account failed", account=account.id)
                await asyncio.sleep(5)

    def _drop_all(self) -> None:
        """Stop all readers: without a renewal our leases lapse, and somebody else may read on."""
        for _, _, task in self._running.values():
            task.cancel()
        self._dropped |= self._running.keys()
        self._running.clear()
        ACCOUNTS_HELD.set(0)

    async def _cancel(self, account_id: str) -> None:
        _, _, task = self._running.pop(account_id)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task}, timeout=5)
        forget(account_id)

    async def _give_back(self, account_id: str) -> None:
        lease = self._running[account_id][1]
        await self._cancel(account_id)
        with contextlib.suppress(InfrastructureError):
            await self._leases.release(lease)
