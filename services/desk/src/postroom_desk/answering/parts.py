"""What writing needs, connected."""

from dataclasses import dataclass
from typing import Protocol

from postroom_desk.answering.drafts import Drafts
from postroom_desk.answering.uploads import Uploads
from postroom_desk.domain.saved_replies import Saved


class SavedReplyStore(Protocol):
    """Keeps the saved replies of single people."""

    async def of(self, owner: str) -> list[Saved]: ...

    async def put(self, saved: Saved) -> None: ...

    async def remove(self, owner: str, saved_id: str) -> bool:
        """False: there is none of this id that is theirs."""
        ...


@dataclass(frozen=True, slots=True)
class Writing:
    uploads: Uploads
    drafts: Drafts
    saved_replies: SavedReplyStore
