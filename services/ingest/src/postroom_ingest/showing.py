"""What is shown of a mail account that this process reads: of its folders the worst."""

from collections.abc import Sequence
from datetime import datetime

from postroom_ingest.metrics import LAST_SUCCESS, MESSAGES, RECOVERED, SESSION


class ShownAccount:
    """The series of one account, from the moment at which this process took it: one that never answers has series, too.

    Its session is up while every folder is followed. Its last success is that of the folder which was read longest ago;
    `taken_at` stands for a folder that was not read yet, so that a process that starts while a server hangs counts on.
    """

    def __init__(self, account_id: str, folders: Sequence[str], taken_at: datetime) -> None:
        self._account_id = account_id
        self._up = dict.fromkeys(folders, False)
        self._read_at = dict.fromkeys(folders, taken_at)
        RECOVERED.labels(account_id)
        MESSAGES.labels(account_id, "quarantined")
        self._show()

    def followed(self, folder: str, *, up: bool) -> None:
        self._up[folder] = up
        self._show()

    def read(self, folder: str, at: datetime) -> None:
        """Note that the folder was read to its end."""
        self._read_at[folder] = at
        self._show()

    def _show(self) -> None:
        SESSION.labels(self._account_id).set(all(self._up.values()))
        LAST_SUCCESS.labels(self._account_id).set(min(at.timestamp() for at in self._read_at.values()))
