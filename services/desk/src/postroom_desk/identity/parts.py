"""The connected parts of identity."""

from dataclasses import dataclass

from postroom_desk.identity.administration import Administration
from postroom_desk.identity.api_tokens import ApiTokens
from postroom_desk.identity.credentials import Credentials
from postroom_desk.identity.forgotten import Forgotten
from postroom_desk.identity.hashing import Hasher
from postroom_desk.identity.letters import Letters
from postroom_desk.identity.login import LogIn
from postroom_desk.identity.people import PeopleStore
from postroom_desk.identity.second_factor import SecondFactor
from postroom_desk.identity.sessions import Sessions
from postroom_desk.identity.sign_on import SignOn
from postroom_desk.identity.tries import TriesStore


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that says who somebody is."""

    people: PeopleStore
    sessions: Sessions
    tries: TriesStore
    hasher: Hasher
    log_in: LogIn
    credentials: Credentials
    second_factor: SecondFactor
    tokens: ApiTokens
    sign_on: SignOn | None
    """None: there is no provider."""
    letters: Letters
    forgotten: Forgotten
    administration: Administration
