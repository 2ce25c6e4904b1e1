"""Where the large mail providers give access tokens, and for what.

Sources: developers.google.com/workspace/gmail/imap/xoauth2-protocol and /identity/protocols/oauth2/native-app;
learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth.
"""

from dataclasses import dataclass, field

from postroom_contracts.configuration import OAuth


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses and scopes of one provider. `device_url` None: it gives no mail scope to devices."""

    token_url: str
    device_url: str | None
    authorize_url: str | None
    scopes: tuple[str, ...]
    authorize_extra: dict[str, str] = field(default_factory=dict)


def endpoints_of(oauth: OAuth) -> Endpoints:
    """Return the provider's endpoints with what the configuration says over them."""
    known = _KNOWN[oauth.provider](oauth) if oauth.provider in _KNOWN else Endpoints("", None, None, ())
    return Endpoints(
        oauth.token_url or known.token_url,
        oauth.device_url or known.device_url,
        oauth.authorize_url or known.authorize_url,
        tuple(oauth.scopes) or known.scopes,
        known.authorize_extra,
    )


def _google(_: OAuth) -> Endpoints:
    """Google's device flow refuses the mail scope, so a browser on this machine is needed; `offline` asks for a grant."""
    return Endpoints(
        "https://oauth2.googleapis.com/token",
        None,
        "https://accounts.google.com/o/oauth2/v2/auth",
        ("https://mail.google.com/",),
        {"access_type": "offline", "prompt": "consent"},
    )


def _microsoft(oauth: OAuth) -> Endpoints:
    root = f"https://login.microsoftonline.com/{oauth.tenant}/oauth2/v2.0"
    resource = "https://outlook.office.com"
    scopes = (f"{resource}/IMAP.AccessAsUser.All", f"{resource}/SMTP.Send", "offline_access")
    return Endpoints(f"{root}/token", f"{root}/devicecode", f"{root}/authorize", scopes)


_KNOWN = {"google": _google, "microsoft": _microsoft}
