"""Puts identity together from its stores."""

from dataclasses import dataclass
from datetime import timedelta

from postroom_runtime.clock import Clock
from postroom_runtime.secret_cipher import Sealer

from postroom_desk.identity.api_tokens import ApiTokens, TokenStore
from postroom_desk.identity.credentials import Credentials
from postroom_desk.identity.hashing import Hasher
from postroom_desk.identity.links import LinkStore
from postroom_desk.identity.login import LogIn, Policy
from postroom_desk.identity.parts import Identity
from postroom_desk.identity.people import PeopleStore
from postroom_desk.identity.second_factor import SecondFactor
from postroom_desk.identity.sessions import Limits, Sessions, SessionStore
from postroom_desk.identity.sign_on import JourneyStore, Provider, SignOn
from postroom_desk.identity.tries import TriesStore
from postroom_desk.settings import DeskSettings


@dataclass(frozen=True, slots=True)
class Stores:
    """What identity keeps, wherever."""

    people: PeopleStore
    sessions: SessionStore
    tries: TriesStore
    links: LinkStore
    tokens: TokenStore
    journeys: JourneyStore


def identity_of(
    stores: Stores,
    settings: DeskSettings,
    clock: Clock,
    hasher: Hasher | None = None,
    provider: Provider | None = None,
) -> Identity:
    """Return the connected parts. `provider` None: no single sign-on."""
    hasher = hasher or Hasher()
    limits = Limits(timedelta(minutes=settings.session_idle_minutes), timedelta(days=settings.session_days))
    policy = Policy(settings.password_login, settings.roles_with_second_factor())

    log_in = LogIn(stores.people, stores.sessions, stores.tries, hasher, clock, limits, policy)
    keys = settings.sealer_keys()
    sealer = Sealer(keys) if keys else None
    return Identity(
        people=stores.people,
        sessions=Sessions(stores.sessions, clock, limits),
        tries=stores.tries,
        hasher=hasher,
        log_in=log_in,
        credentials=Credentials(stores.people, stores.sessions, stores.links, stores.tokens, hasher, log_in, clock),
        second_factor=SecondFactor(stores.people, stores.sessions, log_in, clock, sealer),
        tokens=ApiTokens(stores.tokens, clock),
        sign_on=None
        if provider is None
        else SignOn(provider, stores.journeys, stores.people, log_in, clock, settings.oidc_trust_addresses),
    )
