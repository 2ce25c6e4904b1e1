"""Mail as Gmail, Outlook and Apple Mail write it: plain text and HTML, with what is answered quoted in their manner."""

import html
from dataclasses import dataclass, field
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from postroom_demo.files import File
from postroom_demo.languages import Language
from postroom_demo.people import Client

_RULE = "_" * 32
"""What Outlook puts above the header block in plain text."""
_POLICY = SMTP.clone(max_line_length=998)
"""Long ids in References must stay whole; a line may hold 998 octets (RFC 5322 section 2.1.1)."""
_MAILERS = {"gmail": "", "outlook": "Microsoft Outlook 16.0", "apple": "Apple Mail (2.3826.700)"}


@dataclass(frozen=True, slots=True)
class Quoted:
    """The mail that is answered. `written_at` is in the zone of whoever answers."""

    text: str
    name: str
    address: str
    to: str
    subject: str
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail to be. Ids are without angle brackets; `message_id` None: the header is left out.

    `headers` are added as they are.
    """

    sender_name: str
    sender: str
    to: str
    subject: str
    text: str
    language: Language
    client: Client
    written_at: datetime
    message_id: str | None
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    quoted: Quoted | None = None
    files: tuple[File, ...] = ()
    headers: dict[str, str] = field(default_factory=dict)


def build(draft: Draft) -> bytes:
    """Return the mail with CRLF line ends: text, HTML (not from a machine), attachments."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = formataddr((draft.sender_name, draft.sender), "utf-8")
    mail["To"] = draft.to
    mail["Subject"] = draft.subject
    mail["Date"] = format_datetime(draft.written_at)
    if draft.message_id is not None:
        mail["Message-ID"] = f"<{draft.message_id}>"
    if draft.in_reply_to is not None:
        mail["In-Reply-To"] = f"<{draft.in_reply_to}>"
    if draft.references:
        mail["References"] = " ".join(f"<{one}>" for one in draft.references)
    if _MAILERS[draft.client] and not draft.headers:
        mail["X-Mailer"] = _MAILERS[draft.client]
    for name, value in draft.headers.items():
        mail[name] = value
    mail.set_content(plain(draft), cte="quoted-printable")
    if not draft.headers:
        mail.add_alternative(_HTML[draft.client](draft), subtype="html", cte="quoted-printable")
    for file in draft.files:
        maintype, _, subtype = file.content_type.partition("/")
        mail.add_attachment(file.content, maintype=maintype, subtype=subtype, filename=file.name)
    return mail.as_bytes()


def plain(draft: Draft) -> str:
    """Return the text part."""
    quoted = draft.quoted
    if quoted is None:
        return f"{draft.text}\n"
    if draft.client == "outlook":
        return f"{draft.text}\n\n{_RULE}\n{_header_block(draft, quoted)}\n\n{quoted.text}\n"
    quoting = "\n".join(f"> {line}".rstrip() for line in quoted.text.rstrip().splitlines())
    between = "\n\n" if draft.client == "gmail" else "\n"
    return f"{draft.text}\n\n{attribution(draft, quoted)}{between}{quoting}\n"


def attribution(draft: Draft, quoted: Quoted) -> str:
    """Return the line above the quoted text, in the language of who answers."""
    template = draft.language.gmail if draft.client == "gmail" else draft.language.apple
    return draft.language.dated(template, quoted.written_at, quoted.name, quoted.address)


def _header_block(draft: Draft, quoted: Quoted) -> str:
    from_, sent, to, subject = draft.language.outlook
    date = draft.language.dated(draft.language.outlook_date, quoted.written_at, "", "")
    lines = (f"{from_} {quoted.name} <{quoted.address}>", f"{sent} {date}", f"{to} {quoted.to}")
    return "\n".join((*lines, f"{subject} {quoted.subject}"))


def _paragraphs(text: str) -> str:
    return html.escape(text).replace("\n", "<br>\r\n")


def _gmail_html(draft: Draft) -> str:
    body = f'<div dir="ltr">{_paragraphs(draft.text)}</div>'
    if draft.quoted is None:
        return body
    line = html.escape(attribution(draft, draft.quoted))
    style = "margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex"
    return (
        f'{body}<br><div class="gmail_quote gmail_quote_container"><div dir="ltr" class="gmail_attr">{line}<br></div>'
        f'<blockquote class="gmail_quote" style="{style}">{_paragraphs(draft.quoted.text)}</blockquote></div>'
    )


def _outlook_html(draft: Draft) -> str:
    body = f'<div class="elementToProof">{_paragraphs(draft.text)}</div>'
    quoted = draft.quoted
    if quoted is not None:
        from_, sent, to, subject = draft.language.outlook
        date = draft.language.dated(draft.language.outlook_date, quoted.written_at, "", "")
        block = "<br>".join(
            f"<b>{label}</b> {html.escape(value)}"
            for label, value in (
                (from_, f"{quoted.name} <{quoted.address}>"),
                (sent, date),
                (to, quoted.to),
                (subject, quoted.subject),
            )
        )
        body += (
            '<div id="appendonsend"></div><hr style="display:inline-block;width:98%" tabindex="-1">'
            f'<div id="divRplyFwdMsg" dir="ltr"><font face="Calibri, sans-serif">{block}</font><div>&nbsp;</div></div>'
            f"<div>{_paragraphs(quoted.text)}</div>"
        )
    return f"<html><head></head><body>{body}</body></html>"


def _apple_html(draft: Draft) -> str:
    body = f"<div>{_paragraphs(draft.text)}</div>"
    if draft.quoted is not None:
        line = html.escape(attribution(draft, draft.quoted))
        body += (
            f'<div><br><blockquote type="cite"><div>{line}</div><br class="Apple-interchange-newline">'
            f"<div>{_paragraphs(draft.quoted.text)}</div></blockquote></div>"
        )
    return f'<html><head></head><body style="line-break: after-white-space;">{body}</body></html>'


_HTML = {"gmail": _gmail_html, "outlook": _outlook_html, "apple": _apple_html}
