"""People and their log-in, as admins see and change them: by the API, on the page, never to the last admin's cost."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_desk.audit.port import Entry, NoAudit
from postroom_desk.identity.people import Person
from postroom_desk.identity.states import Ways, admins_who_can, login_state

from tests.component.desk.doubles import NOW, TOKEN, DeskBench, settings
from tests.component.desk.test_login import PASSWORD, give, visitor
from tests.integration.desk.office import company

MAILING = {"public_url": "http://127.0.0.1", "notifier_url": "http://127.0.0.1:1"}


def staffed() -> Configuration:
    plain = company().model_dump()
    people = {"ada": "admin", "abe": "admin", "otto": "auditor"}
    plain["agents"] += [
        {"id": i, "first_name": i.capitalize(), "email": f"{i}@velo.test", "role": role} for i, role in people.items()
    ]
    return Configuration.model_validate(plain)


class Told(NoAudit):
    def __init__(self) -> None:
        self.entries: list[Entry] = []

    async def record(self, entry: Entry) -> None:
        self.entries.append(entry)


async def bench(**changes: Any) -> DeskBench:
    """Return a desk where ada and ana have passwords, ben was invited, abe and the others are not let in."""
    desk = DeskBench(settings(**changes))
    applied = ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed())
    desk.configurations.add(applied)
    await desk.versions.add(applied)
    for agent_id in ("ada", "ana"):
        await desk.stores.people.set_password(agent_id, await desk.identity.hasher.hash(PASSWORD), desk.clock.now())
    await desk.stores.people.add("ben")
    return desk


async def admin(desk: DeskBench, agent_id: str = "ada") -> httpx.AsyncClient:
    return await desk.browser(agent_id)


def path(agent_id: str, end: str = "") -> str:
    return f"/api/v1/people/{agent_id}{end}"


@pytest.mark.parametrize(
    ("person", "changes", "ways", "state"),
    [
        (None, {}, Ways(), "not_invited"),
        (Person("ana"), {}, Ways(), "invited"),
        (Person("ana", password_hash="x"), {}, Ways(), "active"),
        (Person("ana", password_hash="x", disabled=True), {}, Ways(), "disabled"),
        (Person("ana", password_hash="x"), {"enabled": False}, Ways(), "not_enabled"),
        (Person("ana", last_login_by="sso"), {}, Ways(sign_on=True), "single_sign_on"),
        (Person("ana", password_hash="x"), {}, Ways(passwords=False, sign_on=True), "single_sign_on"),
        (None, {}, Ways(passwords=False, sign_on=True), "single_sign_on"),
    ],
)
def test_the_state_that_counts_first(person: Person | None, changes: dict[str, Any], ways: Ways, state: str) -> None:
    agent = company().agents[0].model_copy(update=changes)
    assert login_state(agent, person, ways) == state


def test_an_admin_who_never_logged_in_counts_where_there_is_single_sign_on() -> None:
    people = {"ada": Person("ada", password_hash="x"), "abe": Person("abe", disabled=True)}
    assert admins_who_can(staffed(), people, Ways()) == {"ada"}
    assert admins_who_can(staffed(), {}, Ways(sign_on=True)) == {"ada", "abe"}
    assert admins_who_can(staffed(), people, Ways(passwords=False, sign_on=True)) == {"ada"}


async def test_everybody_is_listed_with_what_an_admin_must_know() -> None:
    desk = await bench(**MAILING)
    async with visitor(desk) as client:
        assert (await give(client)).status_code == 303
    await desk.identity.tokens.make("ana", "export", ["read"], 30)
    await desk.identity.letters.want(staffed().agents[1], "invitation", "", "tests")
    await desk.stores.people.add("gone")
    async with await admin(desk) as client:
        shown = {p["id"]: p for p in (await client.get("/api/v1/people")).json()["items"]}
        assert {i: p["login"] for i, p in shown.items()} == {
            "ana": "active",
            "ben": "invited",
            "mira": "not_invited",
            "ada": "active",
            "abe": "not_invited",
            "otto": "not_invited",
            "gone": "gone",
        }
        ana = shown["ana"]
        assert (ana["sessions"], ana["tokens"], ana["last_login_by"]) == (1, 1, "password")
        assert ana["last_login_at"] == desk.clock.now().isoformat().replace("+00:00", "Z")
        assert shown["ben"]["letter"]["state"] == "waiting"
        details = (await client.get(path("ana"))).json()
        assert [s["address"] for s in details["open_sessions"]] == ["192.0.2.1"]
        assert [t["name"] for t in details["api_tokens"]] == ["export"]
        assert details["inboxes"][0] == {
            "inbox_id": "support",
            "own": None,
            "abilities": ["handle", "note", "read", "send"],
        }
        assert (await client.get(path("nobody"))).status_code == 404
        page = (await client.get("/settings/people")).text
        assert 'id="person-mira"' in page
        assert "waits to be sent" in page
        assert "Ana Ruiz" in (await client.get("/settings/people/ana")).text
        everything = page + str(shown) + str(details)
        assert "argon2" not in everything


async def test_an_invitation_goes_by_mail_and_without_mail_is_shown_once() -> None:
    desk = await bench(**MAILING)
    async with await admin(desk) as client:
        assert (await client.post(path("mira", "/invitation"))).json() == {
            "mailed": True,
            "link": None,
            "ends_at": None,
        }
        assert desk.stores.letters.letters["mira"].made_by == "session:ada:ada"
        assert (await client.post("/settings/people/mira/link", data={"purpose": "invitation"})).headers[
            "location"
        ] == "/settings/people/mira?did=invitation"
        assert (await client.post(path("ana", "/invitation"))).json()["code"] == "active"
        assert (await client.post(path("otto", "/reset"))).json()["code"] == "not_invited"
    desk = await bench()
    async with await admin(desk) as client:
        made = await client.post(path("mira", "/invitation"))
        assert (made.status_code, made.headers["cache-control"]) == (201, "no-store")
        way = made.json()["link"]
        shown = (await client.post("/settings/people/ana/link", data={"purpose": "reset"})).text
        assert "/reset/" in shown.split('id="link"')[1]
        assert "/reset/" not in (await client.get("/settings/people/ana")).text
    async with visitor(desk) as client:
        assert 'value="mira@velo.test"' in (await client.get(way)).text


async def test_a_token_with_scopes_is_shown_no_link() -> None:
    desk = await bench()
    text, _ = await desk.identity.tokens.make("ada", "settings", ["settings"], 30)
    async with desk.client(text) as client:
        answer = await client.post(path("mira", "/invitation"))
    assert answer.status_code == 403
    assert desk.stores.links.links == {}
    assert "mira" not in desk.stores.people.people


async def test_who_is_put_out_is_out_at_once_and_can_be_let_in_again() -> None:
    desk = await bench()
    text, _ = await desk.identity.tokens.make("ana", "export", ["read"], 30)
    theirs = await desk.browser("ana")
    async with await admin(desk) as client:
        assert (await theirs.get("/account")).status_code == 200
        assert (await client.post(path("ana", "/disable"))).status_code == 204
        assert (await theirs.get("/account")).status_code == 303
        async with desk.client(text) as token:
            assert (await token.get("/api/v1/conversations")).status_code == 401
        async with visitor(desk) as them:
            assert (await give(them)).status_code == 401
        assert (await client.post(path("ana", "/enable"))).status_code == 204
        assert (await client.post(path("ana", "/enable"))).status_code == 409
        async with visitor(desk) as them:
            assert (await give(them)).status_code == 303


async def test_sessions_factor_and_tokens_are_ended_and_told_to_the_audit() -> None:
    desk, told = await bench(), Told()
    object.__setattr__(desk.app.state.parts, "audit", told)
    _, token = await desk.identity.tokens.make("ana", "export", ["read"], 30)
    await desk.stores.people.set_second_factor("ana", b"sealed", ["digest"], 1)
    theirs = await desk.browser("ana")
    async with await admin(desk) as client:
        page = (await client.get("/settings/people/ana")).text
        assert "do/factor" in page
        assert (await client.delete(path("ana", "/second-factor"))).status_code == 204
        assert (await theirs.get("/account")).status_code == 303
        assert desk.stores.people.people["ana"].second_factor is None
        await desk.browser("ana")
        assert (await client.delete(path("ana", "/sessions"))).status_code == 204
        assert [s for s in desk.stores.sessions.sessions.values() if s.agent_id == "ana"] == []
        assert (await client.delete(path("ben", f"/tokens/{token.id}"))).status_code == 404
        assert (await client.delete(path("ana", f"/tokens/{token.id}"))).status_code == 204
    done = [(e.action, e.person, e.about, e.outcome) for e in told.entries]
    assert done == [
        ("second-factor-taken-off", "ada", "ana", "done"),
        ("sessions-ended", "ada", "ana", "done"),
        ("token-withdrawn", "ada", token.id, "not_found"),
        ("token-withdrawn", "ada", token.id, "done"),
    ]


async def test_the_last_admin_who_can_log_in_stays_one() -> None:
    desk = await bench()
    async with await admin(desk) as client:
        refused = await client.post(path("ada", "/disable"))
        assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
        assert (await client.put(path("ada", "/rights"), json={"role": "agent"})).status_code == 409
        page = await client.post("/settings/people/ada/do/disable")
        assert (page.status_code, "the last admin" in page.text) == (409, True)
        assert not desk.stores.people.people["ada"].disabled
        assert (await client.get("/account")).status_code == 200, "no session ended"
        await desk.stores.people.set_password("abe", "x", desk.clock.now())
        assert (await client.put(path("ada", "/rights"), json={"role": "agent"})).status_code == 200
        assert (await client.get("/api/v1/people")).status_code == 403, "who is no admin any more manages nobody"


async def test_two_admins_who_put_each_other_out_at_once_leave_one() -> None:
    desk = await bench()
    await desk.stores.people.set_password("abe", "x", desk.clock.now())
    disable = desk.stores.people.disable

    async def both(agent_id: str) -> bool:
        desk.stores.people.people["abe"] = replace(desk.stores.people.people["abe"], disabled=True)
        return await disable(agent_id)

    desk.stores.people.disable = both  # type: ignore[method-assign]
    async with await admin(desk) as client:
        answer = await client.post(path("ada", "/disable"))
    assert answer.json()["code"] == "last_admin"
    assert not desk.stores.people.people["ada"].disabled


async def test_the_settings_page_keeps_an_admin_too() -> None:
    desk = await bench()
    async with await admin(desk) as client:
        text = "agents:\n" + "".join(
            f"  - {{id: {a.id}, first_name: {a.first_name}, email: {a.email}}}\n" for a in staffed().agents
        )
        data = {"text": text, "version": "2", "step": "apply"}
        answer = await client.post("/settings/agents", data=data)
        assert (answer.status_code, "the last admin" in answer.text) == (409, True)
        restored = await client.post("/settings/history/1/restore")
        assert restored.status_code == 409
    assert desk.configurations.latest.agent("ada") is not None


async def test_role_and_rights_are_written_into_the_configuration() -> None:
    desk = await bench()
    async with await admin(desk) as client:
        rights = {"role": "lead", "inboxes": {"sales": "send_on_behalf"}}
        assert (await client.put(path("ben", "/rights"), json=rights)).json() == {"configuration_version": 3}
        latest = desk.configurations.latest
        ben, sales = latest.agent("ben"), latest.inbox("sales")
        assert ben is not None
        assert sales is not None
        assert ben.role == "lead"
        assert [(e.agent, e.team, e.rights) for e in sales.access or []] == [
            (None, "sales", ["full_access", "send_as"]),
            ("ben", None, ["send_on_behalf"]),
        ], "the teams keep what they had"
        assert desk.versions.versions[-1].applied_by == "desk: ada"
        page = (await client.get("/settings/people/ben")).text
        assert '<option value="sales:send_on_behalf" selected>' in page
        form = {"role": "lead", "inbox": ["support:", "sales:"]}
        assert (await client.post("/settings/people/ben/rights", data=form)).status_code == 303
        sales = desk.configurations.latest.inbox("sales")
        assert sales is not None
        assert sales.access is None, "as it was before"
        for wrong in ({"inboxes": {"nowhere": "send_as"}}, {"role": "king"}, {"inboxes": {"sales": "all"}}):
            assert (await client.put(path("ben", "/rights"), json=wrong)).status_code == 422


async def test_the_palette_names_no_page_that_its_reader_may_not_open() -> None:
    desk = await bench()
    for agent_id, pages in {
        "ada": {
            "/audit",
            "/settings/people/ana",
            "/settings/teams",
            "/settings/people",
            "/account/tokens",
            "/scheduled",
            "/drafts",
        },
        "otto": {"/audit", "/settings/teams", "/account/tokens", "/scheduled", "/drafts"},
        "ana": {"/account/tokens", "/scheduled", "/drafts"},
    }.items():
        async with await desk.browser(agent_id) as client:
            places = {p["href"] for p in (await client.get("/panes/palette")).json()}
            some = {"/audit", "/settings/people/ana", "/settings/teams", "/settings/people", "/account/tokens"}
            assert places & (some | {"/scheduled", "/drafts"}) == pages, agent_id
            for href in sorted(places - {"/audit"}):  # this bench keeps none
                assert (await client.get(href)).status_code == 200, href


@pytest.mark.parametrize("agent_id", ["ana", "otto"])
async def test_nobody_else_manages_people(agent_id: str) -> None:
    desk = await bench()
    client = await desk.browser(agent_id)
    for address in ("/api/v1/people", path("ana"), "/settings/people", "/settings/people/ana"):
        assert (await client.get(address)).status_code == 403
    assert (await client.post(path("ada", "/disable"))).status_code == 403
    assert not desk.stores.people.people["ada"].disabled
    assert TOKEN not in repr(desk.stores)
