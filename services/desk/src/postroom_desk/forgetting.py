"""What the desk forgets of a person with each `ContentErased`, besides read model and search: its own copies."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from postroom_contracts.facts import ContentErased
from postroom_runtime.content_store import ContentStore

from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import LogPosition


class Copies(Protocol):
    """Every call may be repeated."""

    async def drafts(self, conversation_id: str, addresses: Sequence[str], before: datetime) -> dict[str, str]:
        """Return key -> id of drafts in the conversation, or ever addressed to one of these, begun by then."""
        ...

    async def drop_drafts(self, keys: Collection[str]) -> None: ...

    async def files(self, draft_ids: Collection[str], blob_ids: Collection[str]) -> dict[str, str]:
        """Return upload id -> blob id of files that these drafts hold, and of these blobs."""
        ...

    async def drop_files(self, upload_ids: Collection[str]) -> None: ...

    async def refused_contents(self, conversation_id: str, until: LogPosition) -> list[str]:
        """Return the content ids of texts that were refused in a conversation before this fact."""
        ...

    async def addresses(self, contact_ids: Collection[str]) -> list[str]:
        """Return the addresses of contacts, as far as they can be found here."""
        ...

    async def drop_filters(self, addresses: Sequence[str]) -> None:
        """Delete saved filters whose name or search holds one of these."""
        ...


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Called by the indexer, in the order of the log, before the index forgets the address. Again: no change."""

    copies: Copies
    content: ContentStore

    async def forget(self, event: LoggedEvent, erased: ContentErased) -> None:
        """Delete the copies. Drafts and refused texts of the conversation go whoever they were meant for: nobody sent them.

        Drafts that were to go to the person go as well, wherever they lie: those of conversations that were never begun, too.
        """
        addresses = await self.copies.addresses([erased.contact_id])
        await self.copies.drop_filters(addresses)
        refused = await self.copies.refused_contents(event.conversation_id, event.position)
        at = datetime.fromisoformat(event.time)
        drafts = await self.copies.drafts(event.conversation_id, addresses, at)
        files = await self.copies.files(drafts.values(), erased.blob_ids)
        await self.content.delete([*refused, *files.values()])
        await self.copies.drop_files(files)
        await self.copies.drop_drafts(drafts)  # last: they say which files were theirs
