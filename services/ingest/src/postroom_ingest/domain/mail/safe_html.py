"""HTML of strangers made harmless. Source: the allow lists of nh3 (ammonia), less what reaches out of its box."""

import nh3

_TAGS = nh3.ALLOWED_TAGS | {"center", "font", "u"}
_ATTRIBUTES = {tag: set(names) for tag, names in nh3.ALLOWED_ATTRIBUTES.items()}
_SCHEMES = {"http", "https", "mailto", "tel", "cid"}
_MAX_CHARACTERS = 2_000_000


def sanitise_html(markup: str) -> str:
    """Return the HTML without script, style, forms and SVG; links carry `rel`, images of the mail itself keep `cid:`.

    At most 2,000,000 characters are read.
    """
    return nh3.clean(
        markup[:_MAX_CHARACTERS],
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer nofollow",
    )
