"""Read-only mode: what would have been done is said instead, to whoever tries Postroom on a mailbox of their own.

This goes to standard output, not to the log: it names addresses and subjects, which the log never does.
"""

import sys

MARK = "read-only: would "


def would(what: str) -> None:
    """Say what would have been done, such as `move 3 mails of INBOX to Done`; one line."""
    sys.stdout.write(f"{MARK}{' '.join(what.split())}\n")
    sys.stdout.flush()
