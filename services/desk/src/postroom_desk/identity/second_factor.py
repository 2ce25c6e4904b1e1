"""Codes of an authenticator (TOTP, RFC 6238: SHA-1, 6 digits, 30 s), each once, and recovery codes for when it is lost."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import datetime

import pyotp
from postroom_contracts.configuration import Agent
from postroom_runtime.clock import Clock
from postroom_runtime.secret_cipher import Sealer

from postroom_desk.identity.login import LogIn, Outcome, Refused, TooMany
from postroom_desk.identity.people import PeopleStore
from postroom_desk.identity.sessions import Session, SessionStore, Where, digest
from postroom_desk.identity.tries import BY_ACCOUNT, BY_ADDRESS, address_key, key_of

STEP_SECONDS = 30
DRIFT_STEPS = 1
"""A clock may be so many steps off (RFC 6238 section 5.2 advises one)."""
SECRET_CHARACTERS = 32
"""160 bits in base 32 (RFC 4226 section 4, R6)."""
RECOVERY_CODES = 10
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
ISSUER = "Postroom"


class NoSealError(Exception):
    """This deployment has no key for secrets at rest, so it can keep no authenticator's secret."""


def matching_step(secret: str, code: str, now: datetime) -> int | None:
    """Return the time step whose code this is, the newest if several; None when it is none."""
    present = int(now.timestamp()) // STEP_SECONDS
    totp = pyotp.TOTP(secret)
    given = "".join(code.split())
    steps = range(present + DRIFT_STEPS, present - DRIFT_STEPS - 1, -1)
    right = [s for s in steps if hmac.compare_digest(totp.generate_otp(s).encode(), given.encode("utf-8", "replace"))]
    return right[0] if right else None


def new_recovery_codes() -> list[str]:
    """Return codes such as `k3m7p-x9qwe-r2tyu`: 74 random bits each."""
    return [
        "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(3)) for _ in range(RECOVERY_CODES)
    ]


def recovery_digest(code: str) -> str:
    return digest("".join(c for c in code.casefold() if c in _ALPHABET))


def sealed_name(agent_id: str) -> str:
    """Return the name that an authenticator's secret is sealed for."""
    return f"second factor of {agent_id}"


@dataclass(frozen=True, slots=True)
class SecondFactor:
    """Setting up, asking for, and taking off. `sealer` None: the deployment has no key, nobody can set one up."""

    people: PeopleStore
    sessions: SessionStore
    log_in: LogIn
    clock: Clock
    sealer: Sealer | None

    def new_secret(self) -> str:
        """Return a secret for an authenticator. Raises NoSealError."""
        if self.sealer is None:
            raise NoSealError
        return pyotp.random_base32(SECRET_CHARACTERS)

    def address(self, agent: Agent, secret: str) -> str:
        """Return the otpauth address that authenticators read from a QR code."""
        return pyotp.TOTP(secret).provisioning_uri(name=agent.email, issuer_name=ISSUER)

    async def set_up(self, agent: Agent, secret: str, code: str) -> list[str] | None:
        """Store the secret when `code` is its code, and return recovery codes, which are shown once; None: it is not.

        Raises NoSealError.
        """
        if self.sealer is None:
            raise NoSealError
        step = matching_step(secret, code, self.clock.now())
        if step is None:
            return None
        codes = new_recovery_codes()
        sealed = self.sealer.seal(secret, sealed_name(agent.id))
        await self.people.set_second_factor(agent.id, sealed, [recovery_digest(c) for c in codes], step)
        return codes

    async def take_off(self, agent: Agent) -> None:
        await self.people.set_second_factor(agent.id, None, [], 0)

    async def check(self, agent: Agent, code: str, where: Where) -> TooMany | bool:
        """Say whether this code is right, and use it up. Wrong ones count as wrong passwords do."""
        try_id = secrets.token_hex(8)
        keys = ((BY_ADDRESS, address_key(where.address)), (BY_ACCOUNT, key_of(agent.email)))
        if (wait := await self.log_in.counted(keys, try_id)) is not None:
            return TooMany(wait)
        if not await self._used(agent.id, code):
            return False
        for limit, key in keys:
            await self.log_in.tries.give_back(limit, key, try_id)
        return True

    async def _used(self, agent_id: str, code: str) -> bool:
        person = await self.people.get(agent_id)
        if person is None or person.second_factor is None or person.disabled:
            return False
        if self.sealer is not None and len("".join(code.split())) == 6:  # noqa: PLR2004 - digits of a code
            secret = self.sealer.open(person.second_factor, sealed_name(agent_id))
            step = matching_step(secret, code, self.clock.now())
            return step is not None and await self.people.use_step(agent_id, step)
        return await self.people.use_recovery(agent_id, recovery_digest(code))

    async def complete(self, agent: Agent, session: Session, code: str, where: Where) -> Outcome:
        """Turn a session that waits for a code into a full one, under a new cookie."""
        match await self.check(agent, code, where):
            case TooMany() as too_many:
                return too_many
            case True if await self.sessions.remove(session.id):
                return await self.log_in.begin_at("full", agent.id, session.version, session.by, where)
        return Refused()
