"""`python -m watch.older VERSION COMMAND...`: a process of Postroom that cannot read configuration above VERSION.

So does a replica of an older release that meets a field it does not know: it goes on with what it has.
"""

import sys
from typing import Any

from postroom_contracts.events import decode
from postroom_runtime import configuration_feed
from postroom_runtime.cli import main


def _up_to(newest: int) -> Any:
    def older(*arguments: Any) -> Any:
        event = decode(*arguments)
        version = getattr(event.data, "configuration_version", 0)
        if version > newest:
            raise ValueError(f"version {version} has a field that this release does not know")
        return event

    return older


if __name__ == "__main__":
    configuration_feed.decode = _up_to(int(sys.argv.pop(1)))  # type: ignore[attr-defined]  # what it imported
    main()
