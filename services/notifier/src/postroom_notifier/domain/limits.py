"""How much may leave by itself: the end of every loop that nothing else has stopped."""

from collections.abc import Sequence
from datetime import datetime, timedelta

PER_CONVERSATION = ((10, 10), (30, 15), (60, 25), (180, 50), (600, 100))
"""(minutes, mails): of automatic mails of one conversation (notifications and automatic replies) at most so many leave
within so many minutes. The figures are those of a widely used shared inbox; people never come near them."""
KEPT = max(mails for _, mails in PER_CONVERSATION)


def is_exceeded(left_at: Sequence[datetime], now: datetime) -> bool:
    """Say whether one more mail would be too many. `left_at`: when the last ones left, oldest first."""
    return any(
        sum(now - at < timedelta(minutes=minutes) for at in left_at) >= mails for minutes, mails in PER_CONVERSATION
    )


def noted(left_at: Sequence[datetime], now: datetime) -> tuple[datetime, ...]:
    """Return `left_at` with one more, without those that no window counts any more; at most `KEPT`."""
    longest = timedelta(minutes=PER_CONVERSATION[-1][0])
    return (*(at for at in left_at if now - at < longest), now)[-KEPT:]
