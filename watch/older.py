"""`python -m watch.older VERSION COMMAND...`: a process of Postroom that cannot read configuration above VERSION.

So does a replica of an older release that meets a field it does not know: it goes on with what it has.
"""

import sys

from postroom_contracts.configuration import ConfigurationApplied
from postroom_runtime import configuration_feed
from postroom_runtime.cli import main


def reads_up_to(newest: int) -> None:
    """Let this process find every version above `newest` wrong."""
    read = configuration_feed.read_applied

    def older(body: bytes) -> ConfigurationApplied:
        applied = read(body)
        if applied.configuration_version > newest:
            return ConfigurationApplied.model_validate({"a field that this release does not know": True})  # raises
        return applied

    configuration_feed.read_applied = older


if __name__ == "__main__":
    reads_up_to(int(sys.argv.pop(1)))
    main()
