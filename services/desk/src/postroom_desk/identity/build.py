"""Puts identity together from its stores."""

from dataclasses import dataclass
from datetime import timedelta

from postroom_runtime.clock import Clock
from postroom_runtime.secret_cipher import Sealer

from postroom_desk.audit.port import AuditLog, NoAudit
from postroom_desk.console.letter_texts import letter_text
from postroom_desk.identity.administration import Administration
from postroom_desk.identity.api_tokens import ApiTokens, TokenStore
from postroom_desk.identity.credentials import Credentials
from postroom_desk.identity.forgotten import Forgotten
from postroom_desk.identity.hashing import Hasher
from postroom_desk.identity.letters import Letters, LetterStore, Postman
from postroom_desk.identity.links import LinkStore
from postroom_desk.identity.login import LogIn, Policy
from postroom_desk.identity.parts import Identity
from postroom_desk.identity.people import PeopleStore
from postroom_desk.identity.second_factor import SecondFactor
from postroom_desk.identity.sessions import Limits, Sessions, SessionStore
from postroom_desk.identity.sign_on import JourneyStore, Provider, SignOn
from postroom_desk.identity.states import Ways
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
    letters: LetterStore


def identity_of(
    stores: Stores,
    settings: DeskSettings,
    clock: Clock,
    hasher: Hasher | None = None,
    provider: Provider | None = None,
    postman: Postman | None = None,
    audit: AuditLog | None = None,
) -> Identity:
    """Return the connected parts. `provider` None: no single sign-on. `postman` None: this process sends no mail."""
    hasher = hasher or Hasher()
    limits = Limits(timedelta(minutes=settings.session_idle_minutes), timedelta(days=settings.session_days))
    policy = Policy(settings.password_login, settings.roles_with_second_factor())

    log_in = LogIn(stores.people, stores.sessions, stores.tries, hasher, clock, limits, policy)
    keys = settings.sealer_keys()
    sealer = Sealer(keys) if keys else None
    credentials = Credentials(stores.people, stores.sessions, stores.links, stores.tokens, hasher, log_in, clock)
    base = settings.public_url if settings.notifier_url else None
    letters = Letters(stores.letters, credentials, postman, letter_text, clock, base, audit or NoAudit())
    ways = Ways(settings.password_login, settings.oidc_issuer is not None)
    return Identity(
        people=stores.people,
        sessions=Sessions(stores.sessions, clock, limits),
        tries=stores.tries,
        hasher=hasher,
        log_in=log_in,
        credentials=credentials,
        second_factor=SecondFactor(stores.people, stores.sessions, log_in, clock, sealer),
        tokens=ApiTokens(stores.tokens, clock),
        sign_on=None
        if provider is None
        else SignOn(provider, stores.journeys, stores.people, log_in, clock, settings.oidc_trust_addresses),
        letters=letters,
        forgotten=Forgotten(log_in, letters),
        administration=Administration(stores.people, stores.sessions, stores.tokens, credentials, letters, clock, ways),
    )
