"""What of a configuration only the desk can check: that saved replies can be filled."""

from collections.abc import Iterator

from postroom_contracts.configuration import Configuration
from postroom_contracts.configuration_checks import Finding

from postroom_desk.domain.saved_replies import faults, of_configuration


def saved_reply_findings(configuration: Configuration) -> Iterator[Finding]:
    """Find saved replies whose Liquid cannot be read, or names what there is not."""
    for n, saved in enumerate(of_configuration(configuration, None)):
        for fault in faults(saved):
            field, _, message = fault.partition(": ")
            yield Finding(("saved_replies", n, field), message)
