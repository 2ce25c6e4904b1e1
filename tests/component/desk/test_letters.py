"""Mail with links over doubles: who gets one, what stands where, what is tried again; a password that was forgotten."""

import re
from datetime import timedelta
from typing import Any

import pytest
from postroom_contracts.configuration import Configuration
from postroom_desk.audit.port import Entry, NoAudit
from postroom_desk.identity.letters import GAVE_UP, Never, NotNow, Sent

from tests.component.desk.doubles import DeskBench, settings
from tests.component.desk.test_login import PASSWORD, visitor

MAILING = {"public_url": "http://127.0.0.1", "notifier_url": "http://127.0.0.1:1"}
NEW = "eight tandems on the ferry"
LINK = re.compile(r"http://127\.0\.0\.1(/(?:reset|invitation)/[A-Za-z0-9_-]{43})\b")


async def bench(**changes: Any) -> DeskBench:
    desk = DeskBench(settings(**{**MAILING, **changes}))
    await desk.stores.people.set_password("ana", await desk.identity.hasher.hash(PASSWORD), desk.clock.now())
    return desk


def configuration(desk: DeskBench) -> Configuration:
    return desk.configurations.latest


async def forget(desk: DeskBench, email: str, language: str = "en") -> tuple[int, str]:
    async with visitor(desk) as client:
        answer = await client.post("/login/forgot", data={"email": email}, headers={"Accept-Language": language})
        await desk.identity.forgotten.work(configuration(desk))
        while await desk.identity.letters.send_one(configuration(desk)):
            pass
    return answer.status_code, answer.text


async def test_who_forgot_the_password_gets_a_link_by_mail_that_works_once() -> None:
    desk = await bench()
    async with visitor(desk) as client:
        assert 'href="/login/forgot"' in (await client.get("/login")).text
        assert 'name="email"' in (await client.get("/login/forgot")).text
    status, page = await forget(desk, " Ana@Velo.test ", "de")
    assert (status, "Eine Mail" in page or "eine Mail" in page) == (200, True)
    ((agent, subject, text),) = desk.postman.mails
    assert (agent, subject) == ("ana", "Neues Passwort für Velo wählen")
    (way,) = LINK.findall(text)
    assert "24 Stunden" in text
    everything = repr(vars(desk.stores))
    assert way.rpartition("/")[2] not in everything, "the link lies nowhere"
    async with visitor(desk) as client:
        assert (await client.get(way)).status_code == 200
        assert (await client.get(way)).status_code == 200, "scanners of mail use none up"
        assert (await client.post(way, data={"password": NEW, "again": NEW})).status_code == 303
        assert (await client.post(way, data={"password": NEW, "again": NEW})).status_code == 404


@pytest.mark.parametrize("email", ["nobody@velo.test", "ben@velo.test", "out@velo.test", "ana@velo.test\n", "'; --"])
async def test_the_answer_is_the_same_for_whom_there_is_no_account(email: str) -> None:
    desk, known = await bench(), await bench()
    _, wanted = await forget(known, "ana@velo.test")
    status, page = await forget(desk, email)
    assert (status, page) == (200, wanted)
    assert len(known.postman.mails) == 1
    assert desk.postman.mails == [] or email.strip() == "ana@velo.test"


async def test_too_many_are_told_so_alike_whether_there_is_an_account_or_not() -> None:
    desk = await bench()
    for email in ("ana@velo.test", "nobody@velo.test"):
        statuses = [(await forget(desk, email))[0] for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
    assert len(desk.postman.mails) == 3
    statuses = [(await forget(desk, f"n{n}@velo.test"))[0] for n in range(4)]
    assert statuses == [200, 200, 429, 429], "from one place"


@pytest.mark.parametrize(
    "changes",
    [{"notifier_url": None}, {"public_url": None}, {"password_login": False}],
    ids=["no notifier", "no address", "single sign-on alone"],
)
async def test_where_no_mail_can_be_sent_nobody_is_offered_one(changes: dict[str, Any]) -> None:
    if "password_login" in changes:
        changes |= {"oidc_issuer": "https://idp.test", "oidc_client_id": "x"}
    desk = await bench(**changes)
    async with visitor(desk) as client:
        assert "/login/forgot" not in (await client.get("/login")).text
        assert (await client.post("/login/forgot", data={"email": "ana@velo.test"})).headers["location"] == "/login"


async def test_another_site_makes_nobody_ask() -> None:
    desk = await bench()
    async with visitor(desk) as client:
        headers = {"Origin": "https://evil.test"}
        assert (await client.post("/login/forgot", data={"email": "ana@velo.test"}, headers=headers)).status_code == 403


async def test_what_cannot_be_sent_is_tried_again_with_another_link_and_given_up_after_six_hours() -> None:
    desk = await bench()
    desk.postman.outcome = NotNow("unreachable")
    await desk.identity.letters.want(configuration(desk).agents[0], "reset", "", "tests")
    assert await desk.identity.letters.send_one(configuration(desk))
    assert not await desk.identity.letters.send_one(configuration(desk)), "not at once"
    letter = desk.stores.letters.letters["ana"]
    assert (letter.state, letter.reason, letter.due_at) == (
        "waiting",
        "unreachable",
        desk.clock.now() + timedelta(seconds=30),
    )
    desk.clock.advance(30)
    assert await desk.identity.letters.send_one(configuration(desk))
    first, second = (LINK.findall(text)[0] for _, _, text in desk.postman.mails)
    assert first != second
    async with visitor(desk) as client:
        assert ((await client.get(first)).status_code, (await client.get(second)).status_code) == (404, 200)
    desk.clock.advance(6 * 3600)
    assert await desk.identity.letters.send_one(configuration(desk))
    assert (desk.stores.letters.letters["ana"].state, desk.stores.letters.letters["ana"].reason) == ("failed", GAVE_UP)
    desk.clock.advance(3600)
    assert not await desk.identity.letters.send_one(configuration(desk))


class Told(NoAudit):
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def record(self, entry: Entry) -> None:
        self.entries.append(entry)


@pytest.mark.parametrize(
    ("outcome", "state"), [(Sent(), ("sent", "")), (Never("refused"), ("failed", "refused"))], ids=["sent", "refused"]
)
async def test_what_became_of_it_is_kept_and_told_to_the_audit(outcome: Sent | Never, state: tuple[str, str]) -> None:
    desk, told = await bench(), Told()
    desk.postman.outcome, desk.identity.letters.audit = outcome, told
    await desk.identity.letters.want(configuration(desk).agents[0], "reset", "", "session:ada:ada")
    await desk.identity.letters.send_one(configuration(desk))
    letter = desk.stores.letters.letters["ana"]
    assert (letter.state, letter.reason) == state
    (entry,) = told.entries
    assert (entry.action, entry.person, entry.principal) == ("link-mailed", "ana", "session:ada:ada")
    assert "http" not in repr(entry)


async def test_who_was_put_out_before_it_was_sent_gets_none() -> None:
    desk = await bench()
    await desk.identity.letters.want(configuration(desk).agents[0], "reset", "", "tests")
    await desk.stores.people.disable("ana")
    await desk.identity.letters.send_one(configuration(desk))
    assert desk.postman.mails == []
    assert desk.stores.letters.letters["ana"].reason == "no_login"


@pytest.mark.parametrize(
    ("languages", "company", "subject"),
    [
        (["pl-PL"], "de", "Wybierz nowe hasło w Velo"),
        (["ja", "fr"], "de", "Choisir un nouveau mot de passe pour Velo"),
        ([], "es", "Elegir una contraseña nueva para Velo"),
        (["ja"], "ja", "Choose a new password for Velo"),
    ],
)
async def test_it_is_written_in_the_persons_language(languages: list[str], company: str, subject: str) -> None:
    desk = await bench()
    plain = configuration(desk).model_dump()
    plain["agents"][0]["languages"], plain["company"]["language"] = languages, company
    wanted = Configuration.model_validate(plain)
    await desk.identity.letters.want(wanted.agents[0], "reset", "", "tests")
    await desk.identity.letters.send_one(wanted)
    assert desk.postman.mails[0][1] == subject
