"""Trying a mailbox out before anything is written: log-in over IMAP, and what SMTP would say to a mail of ours."""

import imaplib
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import make_msgid

TIMEOUT_SECONDS = 20.0


class TrialError(Exception):
    """The mailbox cannot be used like this; the text says what to look at."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where and how. `smtp_tls`: none, starttls or implicit. `smtp_host` None: nothing can be sent."""

    host: str
    port: int
    tls: bool
    user: str
    password: str
    smtp_host: str | None
    smtp_port: int
    smtp_tls: str
    smtp_user: str | None
    ca_file: str | None = None


def try_imap(mailbox: Mailbox, folder: str = "INBOX") -> int:
    """Log in and return how many mails the folder holds. Reads nothing and changes nothing. Raises TrialError."""
    where = f"IMAP server {mailbox.host}:{mailbox.port}"
    try:
        with _imap(mailbox) as client:
            try:
                client.login(mailbox.user, mailbox.password)
            except imaplib.IMAP4.error as error:
                raise TrialError(f"{where} refuses the log-in of {mailbox.user}: {_hint(mailbox.host)}") from error
            status, told = client.select(folder, readonly=True)
            if status != "OK":
                raise TrialError(f"{where} has no folder {folder}")
            return int((told[0] or b"0").decode())
    except imaplib.IMAP4.error as error:
        raise TrialError(f"{where} does not answer as an IMAP server does: look at --port and --no-tls") from error
    except OSError as error:
        raise TrialError(f"{where}: {_network(error)}") from error


def _imap(mailbox: Mailbox) -> imaplib.IMAP4:
    if not mailbox.tls:
        return imaplib.IMAP4(mailbox.host, mailbox.port, timeout=TIMEOUT_SECONDS)
    return imaplib.IMAP4_SSL(mailbox.host, mailbox.port, ssl_context=_tls(mailbox), timeout=TIMEOUT_SECONDS)


def try_smtp(mailbox: Mailbox, sender: str, test_mail_to: str | None = None) -> None:
    """Log in and ask whether a mail from `sender` would be taken; send one only to `test_mail_to`. Raises TrialError."""
    where = f"SMTP server {mailbox.smtp_host}:{mailbox.smtp_port}"
    try:
        with _smtp(mailbox) as client:
            _log_in(client, mailbox, where)
            if test_mail_to is None:
                _would_take(client, sender, where)
            else:
                client.send_message(_test_mail(sender, test_mail_to))
    except smtplib.SMTPResponseException as error:
        raise TrialError(f"{where} says {error.smtp_code} {_text(error.smtp_error)} to a mail from {sender}") from error
    except smtplib.SMTPException as error:
        raise TrialError(f"{where}: {error}: look at --smtp-port and --smtp-tls") from error
    except OSError as error:
        raise TrialError(f"{where}: {_network(error)}") from error


def _smtp(mailbox: Mailbox) -> smtplib.SMTP:
    host = mailbox.smtp_host or ""
    if mailbox.smtp_tls == "implicit":
        return smtplib.SMTP_SSL(host, mailbox.smtp_port, timeout=TIMEOUT_SECONDS, context=_tls(mailbox))
    client = smtplib.SMTP(host, mailbox.smtp_port, timeout=TIMEOUT_SECONDS)
    if mailbox.smtp_tls == "starttls":
        client.starttls(context=_tls(mailbox))
    return client


def _log_in(client: smtplib.SMTP, mailbox: Mailbox, where: str) -> None:
    client.ehlo()
    if mailbox.smtp_user is None:
        return
    try:
        client.login(mailbox.smtp_user, mailbox.password)
    except smtplib.SMTPAuthenticationError as error:
        hint = _hint(mailbox.smtp_host or "")
        raise TrialError(f"{where} refuses the log-in of {mailbox.smtp_user}: {hint}") from error
    except smtplib.SMTPNotSupportedError as error:
        raise TrialError(
            f"{where} offers no log-in here: look at --smtp-tls, or give --smtp-user '' for none"
        ) from error


def _would_take(client: smtplib.SMTP, sender: str, where: str) -> None:
    code, told = client.mail(sender)
    client.rset()
    if code != 250:
        raise TrialError(f"{where} takes no mail from {sender}: {code} {_text(told)}")


def _test_mail(sender: str, receiver: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, receiver, "Postroom can send mail"
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message.set_content("This mail was sent by `postroom init` to try your settings out.\n")
    return message


def _tls(mailbox: Mailbox) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=mailbox.ca_file)


def _hint(host: str) -> str:
    if any(part in host for part in ("gmail", "google", "outlook", "office365", "hotmail")):
        return "this provider wants OAuth (see docs/mail-accounts.md), or an app password where it still has them"
    return "look at the user and the password"


def _network(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate cannot be verified ({error.verify_message}); give --ca-file if it is of an authority of yours"
    if isinstance(error, ssl.SSLError):
        return "does not speak TLS here: look at the port and the TLS option"
    return f"not reached ({error.strerror or error or type(error).__name__}): look at host and port"


def _text(told: bytes | str) -> str:
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else told
