"""What writing needs, connected."""

from dataclasses import dataclass

from postroom_desk.answering.drafts import Drafts
from postroom_desk.answering.uploads import Uploads


@dataclass(frozen=True, slots=True)
class Writing:
    uploads: Uploads
    drafts: Drafts
