"""From a mailbox and a list of people to the first mail as a conversation with an owner, read-only."""

import asyncio
import json
import os
import re
import signal
import sys
import urllib.request
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from postroom_local.dovecot import DovecotServer
from postroom_local.smtp_sink import SmtpSink

from tests.integration.ingest.reading import mail, until

pytestmark = pytest.mark.connected
PEOPLE = "name,mail,team,time zone\nAnn Lee,ann@acme.test,Support,Europe/Berlin\n"
EXPORTED = re.compile(r"(POSTROOM_\w+)='([^']*)'")
PAGE = re.compile(r"The page: (http://127\.0\.0\.1:\d+)/")


async def postroom(folder: Path, *arguments: str, **env: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "postroom_runtime.cli",
        *arguments,
        cwd=folder,
        env={**os.environ, "COLUMNS": "300", **env},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )


async def kept(process: asyncio.subprocess.Process, lines: list[str]) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        lines.append(line.decode())


def get(url: str) -> Any:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return json.loads(answer.read())


@pytest.mark.timeout(300)
async def test_first_mail_has_an_owner_and_nothing_was_sent_or_marked(
    dovecot: DovecotServer, smtp_sink: SmtpSink, tmp_path: Path
) -> None:
    (tmp_path / "people.csv").write_text(PEOPLE)
    dovecot.deliver("support@acme.test", mail(1))
    dovecot.deliver("support@acme.test", mail(0), datetime(2021, 6, 1, tzinfo=UTC))
    imap = ("--host", "127.0.0.1", "--port", str(dovecot.port), "--no-tls", "--user", "support@acme.test")
    smtp = ("--smtp-host", smtp_sink.host, "--smtp-port", str(smtp_sink.port), "--smtp-tls", "none", "--smtp-user", "")
    rest = ("--inbox", "support@acme.test", "--people", "people.csv", "--password-env", "MAIL_PASSWORD")
    init = await postroom(tmp_path, "init", *imap, *smtp, *rest, MAIL_PASSWORD="wrong")
    told, _ = await init.communicate()
    assert init.returncode == 1
    assert (
        "refuses the log-in of support@acme.test: look at the user and the password. Nothing was written"
        in told.decode()
    )
    init = await postroom(tmp_path, "init", *imap, *smtp, *rest, MAIL_PASSWORD="support-password")
    told, _ = await init.communicate()
    assert init.returncode == 0, told.decode()
    assert "IMAP: logged in as support@acme.test, 2 mails in INBOX" in told.decode()
    written = (tmp_path / "company.yaml").read_text()
    assert "support-password" not in written
    (tmp_path / "company.yaml").write_text(
        written.replace("    tls: false\n", "    tls: false\n    after_import: delete\n")
    )

    run = await postroom(tmp_path, "run", "--local", "all", MAIL_PASSWORD="support-password")
    lines: list[str] = []
    reading = asyncio.create_task(kept(run, lines))
    try:
        await until(lambda: PAGE.search("".join(lines)) or run.returncode, 120)
        found = PAGE.search("".join(lines))
        assert found is not None, "".join(lines)
        await until(lambda: "would send" in "".join(lines) and "would delete" in "".join(lines), 90)
        shown: list[Any] = []
        while not shown or shown[0]["owner_id"] is None:  # the read model follows; the test's time limit ends this
            shown = (await asyncio.to_thread(get, f"{found[1]}/api/v1/conversations"))["items"]
        assert [(c["subject"], c["owner_id"]) for c in shown] == [("Question 1", "ann-lee")]

        env = {**dict(EXPORTED.findall("".join(lines))), "MAIL_PASSWORD": "support-password"}
        import_ = await postroom(tmp_path, "ingest", "import", "mail", "--since", "2020-01-01", **env)
        told, _ = await import_.communicate()
        assert "mail INBOX: 1 mails taken in as history, 0 known before, 1 are ingest's" in told.decode()
        every = f"{found[1]}/api/v1/conversations?status=resolved"
        while not (shown := (await asyncio.to_thread(get, every))["items"]):
            await asyncio.sleep(0.1)
        assert [(c["subject"], c["status"], c["owner_id"]) for c in shown] == [("Question 0", "resolved", None)]
        audit = await postroom(tmp_path, "ingest", "audit", "mail", "--summary", **env)
        told, _ = await audit.communicate()
        assert (audit.returncode, "2 on the server: 2 stored" in told.decode()) == (0, True), told.decode()
    finally:
        run.send_signal(signal.SIGINT)
        await asyncio.wait_for(run.wait(), 90)
        await reading
    said = "".join(lines)
    assert run.returncode == 0, said
    assert re.search(r"read-only: would send by account mail to ann@acme\.test: .*Question 1", said), said
    assert "read-only: would delete 1 mails of mail INBOX" in said
    assert smtp_sink.mails == []
    assert "Question 0" not in said, "nobody would have been told of history"
    stored = [*dovecot.maildir("support@acme.test").glob("*/*.*")]
    assert [one.name.partition(":2,")[2] for one in stored] == ["", ""], "no flag was set, nothing was deleted"
