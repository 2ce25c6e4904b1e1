"""`postroom init`: the list of people, what is written, and what is said when something is wrong."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml
from postroom_demo.own.cli import register
from postroom_demo.own.people import PeopleError, Person, read_people
from postroom_demo.own.trial import Mailbox, TrialError, try_imap, try_smtp
from postroom_demo.own.writing import Answers, as_yaml, configuration
from postroom_demo.place import write_private
from postroom_local.ports import free_port
from postroom_runtime.configuration_file import parse_configuration
from typer import Typer
from typer.testing import CliRunner

HEAD = "Name;E-Mail;Team;Time zone\n"


def listed(tmp_path: Path, text: str, encoding: str = "utf-8") -> list[Person]:
    file = tmp_path / "people.csv"
    file.write_bytes(text.encode(encoding))
    return read_people(file)


def mailbox(**changes: Any) -> Mailbox:
    values: dict[str, Any] = {
        "host": "127.0.0.1",
        "port": 993,
        "tls": True,
        "user": "support@acme.test",
        "password": "p",
        "smtp_host": "127.0.0.1",
        "smtp_port": 587,
        "smtp_tls": "starttls",
        "smtp_user": "support@acme.test",
    }
    return Mailbox(**values | changes)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_people_as_spreadsheets_write_them(tmp_path: Path, encoding: str) -> None:
    text = HEAD + "Zoë Müller;zoe@acme.test;Front desk;Europe/Berlin\n\nAnn;ann@acme.test;Front desk;America/New_York\n"
    assert listed(tmp_path, text, encoding) == [
        Person("Zoë Müller", "zoe@acme.test", "Front desk", "Europe/Berlin"),
        Person("Ann", "ann@acme.test", "Front desk", "America/New_York"),
    ]


def test_every_fault_of_the_list_is_named_with_its_line(tmp_path: Path) -> None:
    text = HEAD + "Ann;ann(at)acme;Support;Berlin\n;ben@acme.test;;UTC\nBen;BEN@acme.test;Support;UTC\n"
    with pytest.raises(PeopleError) as told:
        listed(tmp_path, text)
    name = tmp_path / "people.csv"
    assert str(told.value).splitlines() == [
        f"{name}:2: 'ann(at)acme' is not a mail address",
        f"{name}:2: 'Berlin' is not a time zone such as Europe/Berlin",
        f"{name}:3: name is missing",
        f"{name}:3: team is missing",
        f"{name}:4: BEN@acme.test is listed twice; a person is in one team here, add others in the file that is written",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "the first line must name the columns", id="empty"),
        pytest.param("name,mail,team\nA,a@b.test,T\n", "missing: time zone", id="column-missing"),
        pytest.param(HEAD, "names nobody", id="nobody"),
    ],
)
def test_file_that_is_no_list_says_so(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(PeopleError, match=said):
        listed(tmp_path, text)
    with pytest.raises(PeopleError, match="save it as CSV UTF-8"):
        listed(tmp_path, HEAD + "Zoë;z@acme.test;T;UTC\n", "latin-1")
    with pytest.raises(PeopleError, match="cannot be read"):
        read_people(tmp_path / "none.csv")


def test_what_is_written_is_in_order_and_holds_no_secret() -> None:
    people = [
        Person("Zoë Müller", "zoe@acme.test", "Front desk", "Europe/Berlin"),
        Person("Zoe Muller", "zoe2@acme.test", "Back", "America/New_York"),
    ]
    answers = Answers("Acme", "support@acme.test", mailbox(password="geheim"), {"env": "MAIL_PASSWORD"}, people)
    text = as_yaml(configuration(answers))
    assert "geheim" not in text
    written = parse_configuration(text.encode(), "company.yaml")
    assert [(a.id, a.first_name, a.last_name, a.calendar) for a in written.agents] == [
        ("zoe-muller", "Zoë", "Müller", "europe-berlin"),
        ("zoe-muller-2", "Zoe", "Muller", "america-new-york"),
    ]
    assert [(t.id, t.members) for t in written.teams] == [("back", ["zoe-muller-2"]), ("front-desk", ["zoe-muller"])]
    assert written.inboxes[0].teams == ["front-desk", "back"], "the team of the first person answers first"
    assert yaml.safe_load(text)["accounts"][0]["imap"]["password"] == {"env": "MAIL_PASSWORD"}


def test_server_that_is_not_there_is_named() -> None:
    port = free_port()
    with pytest.raises(TrialError, match=rf"IMAP server 127.0.0.1:{port}: not reached .*look at host and port"):
        try_imap(mailbox(port=port, tls=False))
    with pytest.raises(TrialError, match=rf"SMTP server 127.0.0.1:{port}: not reached"):
        try_smtp(mailbox(smtp_port=port), "support@acme.test")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--smtp-tls", "ssl"], "--smtp-tls ssl: one of starttls, implicit, none", id="tls"),
        pytest.param(["--password-env", "NOT_THERE"], "the environment has no NOT_THERE", id="environment"),
        pytest.param(["--password-file", "none"], "none: cannot be read", id="file"),
        pytest.param(["--output", "there.yaml"], "there.yaml is there already: --force writes over it", id="output"),
    ],
)
def test_options_that_do_not_fit_are_told_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.yaml").write_text("mine")
    app = Typer()
    app.callback()(lambda: None)
    register(app)
    given = ["init", "--host", "x", "--user", "u", "--inbox", "i@x.test", "--smtp-host", "", "--people", "p.csv"]
    result = CliRunner().invoke(app, [*given, *arguments], env={"COLUMNS": "200"})
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["there.yaml"]
    assert (tmp_path / "there.yaml").read_text() == "mine"


@pytest.mark.parametrize("left", ["file", "link"])
def test_a_secret_is_its_owners_alone_whatever_lies_where_it_is_written(tmp_path: Path, left: str) -> None:
    secret, elsewhere, partial = (tmp_path / name for name in ("password", "elsewhere", "password.partial"))
    if left == "file":
        partial.touch(0o666)
        partial.chmod(0o666)
    else:
        partial.symlink_to(elsewhere)
    write_private(secret, "s3cret")
    assert (secret.read_text(), secret.is_symlink(), elsewhere.exists()) == ("s3cret", False, False)
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
