"""What somebody did by command: an entry as those of the desk, whose principal is the user of the machine."""

import getpass
import uuid

from postroom_runtime.clock import Clock
from postroom_runtime.mongo import Database

from postroom_desk.audit.chain import fields_of
from postroom_desk.audit.port import Entry
from postroom_desk.audit.store import MongoAuditStore


def command_user() -> str:
    """Return who types the command, for records of what was changed by whom."""
    try:
        return f"command line, {getpass.getuser()}"
    except (KeyError, OSError):
        return "command line"


async def record_command(database: Database, clock: Clock, action: str, about: str = "", **details: str) -> None:
    """Append the entry to the desk's audit. Raises InfrastructureError."""
    entry = Entry(action, principal=command_user(), about=about, details=details)
    store = MongoAuditStore(database)
    await store.prepare()
    await store.append([fields_of(entry, uuid.uuid4().hex, clock.now())])
