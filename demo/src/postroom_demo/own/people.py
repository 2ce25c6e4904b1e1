"""The CSV of people: name, mail, team, time zone; one line each."""

import csv
import io
import re
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

_COLUMNS = {
    "name": "name",
    "mail": "mail",
    "email": "mail",
    "e-mail": "mail",
    "team": "team",
    "time zone": "time_zone",
    "timezone": "time_zone",
    "time_zone": "time_zone",
}
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
MAX_BYTES = 1_000_000


class PeopleError(ValueError):
    """The file is not a list of people; the text says in each line where and what."""


@dataclass(frozen=True, slots=True)
class Person:
    name: str
    mail: str
    team: str
    time_zone: str


def read_people(file: Path) -> list[Person]:
    """Return the people of a CSV file with a head line; at least one. Raises PeopleError naming every faulty line."""
    try:
        raw = file.read_bytes()
        text = raw[:MAX_BYTES].decode("utf-8-sig")
    except OSError as error:
        raise PeopleError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PeopleError(f"{file}: is not UTF-8 text: save it as CSV UTF-8") from error
    return _parsed(text, str(file))


def _parsed(text: str, name: str) -> list[Person]:
    delimiter = ";" if text.partition("\n")[0].count(";") > text.partition("\n")[0].count(",") else ","
    reader = csv.reader(io.StringIO(text), delimiter=delimiter)
    head = [_COLUMNS.get(column.strip().lower(), "") for column in next(reader, [])]
    if missing := {"name", "mail", "team", "time_zone"} - set(head):
        wanted = ", ".join(sorted(m.replace("_", " ") for m in missing))
        raise PeopleError(
            f"{name}:1: the first line must name the columns name, mail, team, time zone; missing: {wanted}"
        )
    people: list[Person] = []
    faults: list[str] = []
    for row in reader:
        if any(cell.strip() for cell in row):
            fields = {column: cell.strip() for column, cell in zip(head, row, strict=False) if column}
            person = Person(*(fields.get(c, "") for c in ("name", "mail", "team", "time_zone")))
            faults += [f"{name}:{reader.line_num}: {fault}" for fault in _faults(person, people)]
            people.append(person)
    if not people:
        faults.append(f"{name}: names nobody")
    if faults:
        raise PeopleError("\n".join(faults))
    return people


def _faults(person: Person, before: list[Person]) -> list[str]:
    faults = [f"{what} is missing" for what in ("name", "team") if not getattr(person, what)]
    if not _ADDRESS.fullmatch(person.mail):
        faults.append(f"{person.mail!r} is not a mail address")
    if any(person.mail.lower() == other.mail.lower() for other in before):
        faults.append(
            f"{person.mail} is listed twice; a person is in one team here, add others in the file that is written"
        )
    try:
        ZoneInfo(person.time_zone)
    except (KeyError, ValueError, OSError):
        faults.append(f"{person.time_zone!r} is not a time zone such as Europe/Berlin")
    return faults
