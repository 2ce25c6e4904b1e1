"""The stores of identity in the desk's database, and the provider that the settings name."""

from postroom_runtime.mongo import Database

from postroom_desk.adapters.journey_store import MongoJourneys
from postroom_desk.adapters.letter_store import MongoLetters
from postroom_desk.adapters.link_store import MongoLinks
from postroom_desk.adapters.oidc import OidcClient, OidcProvider
from postroom_desk.adapters.people_store import MongoPeople
from postroom_desk.adapters.session_store import MongoSessions
from postroom_desk.adapters.token_store import MongoTokens
from postroom_desk.adapters.tries_store import MongoTries
from postroom_desk.identity.build import Stores
from postroom_desk.settings import DeskSettings


async def prepare_identity(database: Database) -> None:
    """Make the indexes of the stores; again: no change."""
    for store in (MongoSessions, MongoTries, MongoLinks, MongoTokens, MongoJourneys, MongoLetters):
        await store(database).prepare()


def identity_stores(database: Database) -> Stores:
    """Return the stores; they are prepared already."""
    return Stores(
        people=MongoPeople(database),
        sessions=MongoSessions(database),
        tries=MongoTries(database),
        links=MongoLinks(database),
        tokens=MongoTokens(database),
        journeys=MongoJourneys(database),
        letters=MongoLetters(database),
    )


def provider_of(settings: DeskSettings) -> OidcProvider | None:
    """Return the provider of single sign-on, if there is one."""
    if settings.oidc_issuer is None or settings.oidc_client_id is None:
        return None
    client = OidcClient(
        settings.oidc_issuer,
        settings.oidc_client_id,
        settings.oidc_secret(),
        f"{settings.public_url}/login/sso/callback",
        settings.oidc_scopes,
    )
    return OidcProvider(client)
