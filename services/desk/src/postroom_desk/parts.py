"""The connected parts that the API and the page are built from."""

from dataclasses import dataclass, field

from postroom_runtime.clock import Clock
from postroom_runtime.configuration_feed import Configurations
from postroom_runtime.content_store import ContentStore
from starlette.requests import HTTPConnection

from postroom_desk.answering.parts import Writing
from postroom_desk.audit.checking import AuditChecks
from postroom_desk.audit.port import AuditLog, AuditSearch, NoAudit
from postroom_desk.bell.parts import Bell
from postroom_desk.bulk import Bulks
from postroom_desk.configuration_writer import ConfigurationWriter
from postroom_desk.erasures import Erasures
from postroom_desk.folder_feed import FolderFeed
from postroom_desk.identity.parts import Identity
from postroom_desk.inboxes import Inboxes
from postroom_desk.live import Broadcaster
from postroom_desk.ports import (
    Demo,
    EventLog,
    Figures,
    Filters,
    Marks,
    Pictures,
    PictureSenders,
    RequestStore,
    Suggestions,
    WebhookDoor,
)
from postroom_desk.presence import Presence
from postroom_desk.reading import Reader
from postroom_desk.searching import Searcher
from postroom_desk.settings import DeskSettings
from postroom_desk.submit import RequestDoor


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a request may need. `demo` is None outside the demo."""

    settings: DeskSettings
    clock: Clock
    reader: Reader
    door: RequestDoor
    requests: RequestStore
    events: EventLog
    live: Broadcaster
    inboxes: Inboxes
    content: ContentStore
    configurations: Configurations
    figures: Figures
    writing: Writing
    audit: AuditLog = field(default_factory=NoAudit)
    audit_log: AuditSearch | None = None
    audit_checks: AuditChecks | None = None
    demo: Demo | None = None
    writer: ConfigurationWriter | None = None
    """Writes what agents may change of the configuration themselves."""
    identity: Identity = field(kw_only=True)
    pictures: Pictures | None = None
    """None: pictures on strangers' servers are never fetched."""
    picture_senders: PictureSenders | None = None
    webhooks: WebhookDoor | None = None
    """None: there is no notifier to ask."""
    presence: Presence = field(kw_only=True)
    folders: FolderFeed = field(kw_only=True)
    marks: Marks = field(kw_only=True)
    filters: Filters = field(kw_only=True)
    searcher: Searcher = field(kw_only=True)
    suggestions: Suggestions = field(kw_only=True)
    bulks: Bulks = field(kw_only=True)
    bell: Bell = field(kw_only=True)
    erasures: Erasures = field(kw_only=True)


def parts_of(connection: HTTPConnection) -> Parts:
    """Return the parts of the running application."""
    parts = connection.app.state.parts
    assert isinstance(parts, Parts)
    return parts
