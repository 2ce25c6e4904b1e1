"""Settings of the router."""

from postroom_runtime.settings import RuntimeSettings
from pydantic import Field


class RouterSettings(RuntimeSettings):
    """Settings of the router beside the shared ones."""

    erasure_settle_seconds: float = Field(60, ge=0.5, le=3600)
    """For so long after a contact was forgotten an erasure looks for conversations that still know them: longer than any
    batch that had read the contact before."""
