"""One deployment among several that one Prometheus watches: every selector of an expression is narrowed to it.

Without that a house for trial beside the real one hides that a service of the real one is missing, and has its own version of the
configuration taken for an older one of the same house.
"""

import re

_SELECTOR = re.compile(r"\bpostroom[_:][a-z0-9_:]+(\{)?")


def narrowed(expr: str, matcher: str) -> str:
    """Return the expression with `matcher`, such as `job="support"`, in each selector of a series of ours.

    Series of others (`process_...`) are joined to ours by `job` and `instance`, and narrowed with them.
    """
    return _SELECTOR.sub(lambda found: f"{found[0]}{matcher}, " if found[1] else f"{found[0]}{{{matcher}}}", expr)
