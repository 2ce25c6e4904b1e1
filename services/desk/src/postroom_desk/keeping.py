"""A file and the desk both write the configuration: what was changed in the desk is not lost when a file is applied."""

from postroom_contracts.configuration import Configuration
from postroom_contracts.configuration_checks import findings, shown

from postroom_desk.merging import merged
from postroom_desk.ports import ConfigurationStore

IN_THE_DESK = ("desk: ", "one-click of ")
"""How `applied_by` of a version begins that no file made."""
LOOKED_BACK = 1000


class InvalidMergeError(ValueError):
    """The file and the changes of the desk do not fit together."""


async def with_changes_of_the_desk(store: ConfigurationStore, file: Configuration) -> tuple[Configuration, int]:
    """Return the file's configuration with what the desk changed since the last file, and the latest version.

    Raises MergeConflictError where both changed the same thing, InvalidMergeError.
    """
    versions = await store.history(None, LOOKED_BACK)
    if not versions:
        return file, 0
    latest = versions[0]
    by_file = next((v for v in versions if not v.applied_by.startswith(IN_THE_DESK)), None)
    if by_file is None or by_file.configuration_version == latest.configuration_version:
        return file, latest.configuration_version
    found = merged(by_file.configuration, latest.configuration, file)
    if faults := findings(found):
        raise InvalidMergeError("; ".join(f"{shown(f.path)}: {f.message}" for f in faults))
    return found, latest.configuration_version
