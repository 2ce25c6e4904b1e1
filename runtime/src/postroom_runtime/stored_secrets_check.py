"""Whether the stored secrets that a configuration names can be used: they lie in the database and open under the key."""

import asyncio
from collections.abc import Mapping, Sequence

from postroom_contracts.configuration import Configuration
from postroom_contracts.configuration_checks import shown

from postroom_runtime import mongo
from postroom_runtime.configuration_file import UnresolvedSecret, secret_references
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.secret_cipher import Sealer, SealError
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stored_secrets import DATABASE, MongoSecretStore, StoredSecret, stored_names


def unreadable_stored(configuration: Configuration) -> list[UnresolvedSecret]:
    """Return each reference to a stored secret that cannot be used, and why; asks the database only if there is one."""
    names = stored_names(configuration)
    if not names:
        return []
    settings = RuntimeSettings()
    try:
        found = {s.name: s for s in asyncio.run(_read(settings, names))}
        reasons = reasons_of(names, found, settings.sealer_keys())
    except InfrastructureError as error:
        reasons = dict.fromkeys(names, f"the database does not answer (POSTROOM_MONGO_URI): {error}")
    return [
        UnresolvedSecret(shown(path), reasons[reference.stored])
        for path, reference in secret_references(configuration)
        if reference.stored in reasons
    ]


def reasons_of(names: frozenset[str], found: Mapping[str, StoredSecret], keys: Sequence[bytes]) -> dict[str, str]:
    """Return why each of those that cannot be used cannot."""
    reasons = {}
    for name in names:
        if name not in found:
            reasons[name] = f"nothing is stored as {name}: run `postroom secret set {name}`"
            continue
        try:
            Sealer(keys).open(found[name].sealed, name)
        except SealError as error:
            reasons[name] = f"{name} cannot be opened: {error}"
    return reasons


async def _read(settings: RuntimeSettings, names: frozenset[str]) -> list[StoredSecret]:
    client = mongo.connect(settings)
    try:
        return await MongoSecretStore(mongo.database(client, settings, DATABASE)).read(names)
    finally:
        await mongo.close(client)
