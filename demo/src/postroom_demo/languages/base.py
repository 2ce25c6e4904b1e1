"""What one language brings: texts that people write, and how its mail clients quote."""

from dataclasses import dataclass
from datetime import datetime

Texts = tuple[str, ...]
Request = tuple[str, str]
"""Subject and body of a first mail. Slots: {order}, {model}, {part}, {days}."""


@dataclass(frozen=True, slots=True)
class Language:
    """Texts by hand, with slots in braces. Lists are never empty.

    `gmail` and `apple` are the lines that these clients put above what they quote. Slots: {weekday}, {day}, {month},
    {month_number}, {year}, {time}, {name}, {address}. `outlook` has the labels From, Sent, To, Subject.
    """

    code: str
    greetings: Texts
    closings: Texts
    requests: dict[str, tuple[Request, ...]]
    parts: Texts
    answers: Texts
    thanks: Texts
    more: Texts
    reminders: Texts
    attached: str
    absence_subject: str
    absence: str
    reply_prefix: str
    weekdays: Texts
    months: Texts
    gmail: str
    apple: str
    outlook: tuple[str, str, str, str]
    outlook_date: str
    clock: str
    words: frozenset[str]
    """Frequent short words of this language that the other five do not use: by them it is recognised."""

    def dated(self, template: str, at: datetime, name: str, address: str) -> str:
        """Return the quoting line for a mail that `name` wrote at `at` (in the reader's own zone)."""
        return template.format(
            weekday=self.weekdays[at.weekday()],
            day=at.day,
            month=self.months[at.month - 1],
            month_number=f"{at.month:02d}",
            day_number=f"{at.day:02d}",
            year=at.year,
            time=at.strftime(self.clock).lstrip("0"),
            name=name,
            address=address,
        )
