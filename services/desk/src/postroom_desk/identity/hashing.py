"""argon2id in threads, a few at once: each hash takes 64 MiB and a fifth of a second of a core."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

from postroom_desk.identity.passwords import normalised

_T = TypeVar("_T")
THREADS = 2
WAITING = 16
"""Log-ins that may wait for a thread; one more is told to come again."""


class TooBusyError(Exception):
    """More log-ins at once than can be checked in time."""


class Hasher:
    """Hashes and verifies. `strength` None: argon2id with 64 MiB, 3 passes, 4 lanes (above RFC 9106's second choice)."""

    def __init__(self, strength: Argon2Hasher | None = None) -> None:
        self._hashes = PasswordHash((strength or Argon2Hasher(),))
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="password")
        self._waiting = 0
        self._nobody: str | None = None

    async def prepare(self) -> None:
        """Make the hash that unknown people are checked against, so that their first log-in takes no longer than others."""
        if self._nobody is None:
            self._nobody = await self.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """Return the hash with its parameters and salt. Raises TooBusyError."""
        return await self._run(lambda: self._hashes.hash(normalised(password)))

    async def verify(self, password: str, against: str | None) -> tuple[bool, str | None]:
        """Return (right, a newer hash to store or None). `against` None: a person without password; takes as long.

        Raises TooBusyError.
        """
        await self.prepare()
        stored = against or self._nobody or ""
        right, newer = await self._run(lambda: self._verify(normalised(password), stored))
        return right and against is not None, newer

    def _verify(self, password: str, stored: str) -> tuple[bool, str | None]:
        try:
            return self._hashes.verify_and_update(password, stored)
        except UnknownHashError:
            return False, None

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self._waiting >= WAITING:
            raise TooBusyError
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._waiting -= 1
