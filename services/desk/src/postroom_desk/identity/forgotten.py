"""A password that was forgotten. Whoever asks learns nothing: the answer is given before anybody looks whether there is
such an account, and tries are counted for every address that is typed.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from postroom_contracts.configuration import Configuration
from postroom_runtime.errors import InfrastructureError

from postroom_desk.identity.letters import Letters
from postroom_desk.identity.login import LogIn, TooMany
from postroom_desk.identity.people import agent_with_address
from postroom_desk.identity.sessions import Where
from postroom_desk.identity.tries import Limit, address_key, key_of

log = structlog.get_logger(__name__)
BY_ASKER = Limit("forgotten-asker", 10, 3600)
BY_ADDRESS = Limit("forgotten", 3, 3600)
"""Few enough that nobody's mailbox is filled, nor their newest link replaced again and again."""
WAITING = 200
PAUSE_SECONDS = 2.0
ASKED_BY = "log-in page"


@dataclass(slots=True)
class Forgotten:
    """Takes what was typed, and looks at it a moment later."""

    log_in: LogIn
    letters: Letters
    _asked: deque[tuple[str, str]] = field(default_factory=deque)
    _some: asyncio.Event = field(default_factory=asyncio.Event)

    async def ask(self, email: str, language: str, where: Where) -> TooMany | None:
        """Take a request; TooMany when too many came from this place, or for this address. Raises InfrastructureError."""
        keys = ((BY_ASKER, address_key(where.address)), (BY_ADDRESS, key_of(email)))
        if (wait := await self.log_in.counted(keys, secrets.token_hex(8))) is not None:
            return TooMany(wait)
        if len(self._asked) >= WAITING:
            log.warning("too many ask for a new password; one was passed over")
            return None
        self._asked.append((email, language))
        self._some.set()
        return None

    async def run(self, configuration: Callable[[], Configuration]) -> None:
        """Look for ever at what was asked."""
        while True:
            await self._some.wait()
            try:
                await self.work(configuration())
            except InfrastructureError as error:
                log.warning("requests for a new password wait", error=str(error))
                await asyncio.sleep(PAUSE_SECONDS)

    async def work(self, configuration: Configuration) -> None:
        """Have links mailed to those who may have one. Raises InfrastructureError; what was not looked at stays."""
        while self._asked:
            email, language = self._asked[0]
            agent = agent_with_address(configuration, email)
            if agent is not None and await self.letters.credentials.may_have_link(agent):
                await self.letters.want(agent, "reset", language, ASKED_BY)
            self._asked.popleft()
        self._some.clear()
