"""`postroom ingest ...`: what ingest makes of a mail, for anybody who wants to judge it."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from postroom_ingest.cli_audit import audit
from postroom_ingest.cli_connect import connect
from postroom_ingest.cli_import import import_history
from postroom_ingest.domain.mail import MAX_MAIL_BYTES, Address, ParsedMail, parse_mail
from postroom_ingest.domain.mail.reply_text import visible_reply, visible_reply_html
from postroom_ingest.domain.mail.safe_html import sanitise_html

app = typer.Typer(help="Read mail as Postroom does.", no_args_is_help=True)


app.command("connect")(connect)
app.command("import")(import_history)
app.command("audit")(audit)


def register(parent: typer.Typer) -> None:
    """Hang these commands under the one program."""
    parent.add_typer(app, name="ingest")


@app.command("parse")
def parse(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Mails; standard input without one.", exists=True, dir_okay=False)
    ] = None,
) -> None:
    """Print what each mail says, one JSON object a line, in the order of the files."""
    for raw in (_read(path) for path in files) if files else [sys.stdin.buffer.read(MAX_MAIL_BYTES + 1)]:
        line = json.dumps(described(parse_mail(raw)), ensure_ascii=False) + "\n"
        sys.stdout.buffer.write(line.encode("utf-8", "replace"))  # whatever the terminal's charset is


def _read(path: Path) -> bytes:
    """Return the file, or enough of it to see that it is too large."""
    with path.open("rb") as mail:
        return mail.read(MAX_MAIL_BYTES + 1)


@app.command("reply-text")
def reply_text(
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help="One JSON object a line: {kind: text or html, input}.")
    ] = False,
) -> None:
    """Split what a person newly wrote from what is quoted: standard input to standard output, in order.

    A line that is no such object ends the command with its number; the lines before it are answered.
    """
    if not jsonl:
        _print_reply("text", sys.stdin.buffer.read().decode("utf-8", "replace"))
        return
    for number, line in enumerate(sys.stdin.buffer, start=1):
        if line.strip():
            _print_reply(*_reply_case(number, line))


def _reply_case(number: int, line: bytes) -> tuple[str, str]:
    try:
        case = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"line {number} of standard input is no JSON: {error}") from error
    kind, text = (case.get("kind"), case.get("input")) if isinstance(case, dict) else (None, None)
    if kind not in {"text", "html"} or not isinstance(text, str):
        raise typer.BadParameter(
            f'line {number} of standard input is no object with "kind" (text or html) and "input" (a string)'
        )
    return kind, text


def _print_reply(kind: str, text: str) -> None:
    reply = visible_reply_html(text) if kind == "html" else visible_reply(text)
    answer = json.dumps(
        {"visible": reply.visible, "quoted": reply.quoted, "signature": reply.signature}, ensure_ascii=False
    )
    sys.stdout.write(answer.encode("utf-8", "backslashreplace").decode() + "\n")  # half a surrogate pair stays JSON


def described(mail: ParsedMail) -> dict[str, Any]:
    """Return a mail as the JSON object of `postroom ingest parse`; contents of attachments are left out."""
    return {
        "message_id": mail.message_id,
        "in_reply_to": mail.in_reply_to,
        "references": list(mail.references),
        "from": _person(mail.from_),
        "sender": _person(mail.sender),
        "reply_to": [_person(address) for address in mail.reply_to],
        "to": [_person(address) for address in mail.to],
        "cc": [_person(address) for address in mail.cc],
        "subject": mail.subject,
        "date": mail.date.isoformat().replace("+00:00", "Z") if mail.date else None,
        "text": mail.text,
        "html": sanitise_html(mail.html) if mail.html is not None else None,
        "reply_text": visible_reply(mail.text).visible,
        "auto": mail.auto,
        "dsn": _dsn(mail),
        "attachments": [
            {
                "filename": part.filename,
                "content_type": part.content_type,
                "bytes": part.size_bytes,
                "sha256": part.sha256,
                "content_id": part.content_id,
                "disposition": part.disposition,
            }
            for part in mail.attachments
        ],
        "thread": _thread(mail),
        "warnings": list(mail.warnings),
    }


def _person(address: Address | None) -> dict[str, str] | None:
    return {"email": address.email, "name": address.name} if address else None


def _dsn(mail: ParsedMail) -> dict[str, str | None] | None:
    if mail.dsn is None:
        return None
    return {
        "recipient": mail.dsn.recipient,
        "action": mail.dsn.action,
        "status": mail.dsn.status,
        "diagnostic": mail.dsn.diagnostic,
        "original_message_id": mail.dsn.original_message_id,
    }


def _thread(mail: ParsedMail) -> list[str]:
    """Return the ids it would be threaded by, the nearest first: In-Reply-To, then References from the newest."""
    bounced = [mail.dsn.original_message_id] if mail.dsn and mail.dsn.original_message_id else []
    parents = [mail.in_reply_to] if mail.in_reply_to else []
    return list(dict.fromkeys([*bounced, *parents, *reversed(mail.references)]))


if __name__ == "__main__":
    app()
