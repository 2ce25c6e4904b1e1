"""Postroom on a mailbox of one's own, on this machine: `postroom init`, `postroom run --local all`."""
