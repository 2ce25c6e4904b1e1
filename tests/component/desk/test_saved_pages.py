"""Saved replies in the console: one's own, and those of a team, which its lead changes within the configuration."""

import asyncio
import re
from html import unescape

import httpx
from postroom_contracts.configuration import ConfigurationApplied, SavedReply

from tests.component.desk.doubles import NOW, DeskBench
from tests.component.desk.test_people import staffed

PATH = "/account/saved-replies"


async def bench() -> DeskBench:
    """Return a desk where lea leads the workshop; the workshop, sales and everybody have a saved reply each."""
    desk, plain = DeskBench(), staffed().model_dump(mode="json")
    plain["agents"].append({"id": "lea", "first_name": "Lea", "email": "lea@velo.test", "role": "lead"})
    plain["teams"][0]["members"].append("lea")
    replies = [("oil", "Oil it", ["workshop"]), ("price", "Price", ["sales"]), ("bye", "Bye", [])]
    plain["saved_replies"] = [
        SavedReply(id=i, name=name, text=f"{name}, [customer.first_name|there]", teams=teams).model_dump()
        for i, name, teams in replies
    ]
    applied = ConfigurationApplied.model_validate(
        {"configuration_version": 2, "applied_at": NOW, "configuration": plain}
    )
    desk.configurations.add(applied)
    await desk.versions.add(applied)
    return desk


def listed(page: str, part: str) -> list[str]:
    found = re.search(rf'<ul class="rows" id="{part}">(.*?)</ul>', page, re.DOTALL)
    return re.findall(r'id="saved-([^"]+)"', found[1]) if found else []


def fields(page: str) -> dict[str, str]:
    """Return what the form says, to be sent again."""
    hidden = dict(re.findall(r'<input type="hidden" name="(id|seen)" value="([^"]*)"', page))
    name = re.search(r'<input name="name"[^>]* value="([^"]*)"', page)
    text = re.search(r'<textarea name="text"[^>]*>\n?(.*?)</textarea>', page, re.DOTALL)
    assert name is not None
    assert text is not None
    return {**hidden, "name": unescape(name[1]), "text": unescape(text[1])}


async def edited(client: httpx.AsyncClient, saved_id: str) -> dict[str, str]:
    page = await client.get(PATH, params={"edit": saved_id})
    assert page.status_code == 200
    return fields(page.text)


def texts(desk: DeskBench) -> dict[str, str]:
    return {r.id: r.text for r in desk.configurations.latest.saved_replies}


async def test_ones_own_are_made_changed_and_deleted() -> None:
    desk = await bench()
    async with await desk.browser("ana") as ana, await desk.browser("ben") as ben:
        wrong = await ana.post(PATH, data={"name": "Hello", "text": "Hi [customer.nick]"})
        assert (wrong.status_code, "[customer.nick] is not a variable" in wrong.text) == (422, True)
        assert fields(wrong.text)["text"] == "Hi [customer.nick]", "nothing typed is lost"
        assert (await ana.post(PATH, data={"name": " ", "text": "x"})).status_code == 422
        done = await ana.post(PATH, data={"name": " Hello  you ", "text": "Hi [customer.first_name],\r\n\r\nbye"})
        assert (done.status_code, done.headers["location"]) == (303, f"{PATH}?done=true")
        [own] = desk.saved_replies.saved.values()
        assert (own.name, own.text, own.owner) == ("Hello you", "Hi [customer.first_name],\n\nbye", "ana")
        assert listed((await ana.get(PATH)).text, "own") == [own.id]
        assert listed((await ben.get(PATH)).text, "own") == []
        assert (await ben.get(PATH, params={"edit": own.id})).status_code == 404
        assert (await ben.post(PATH + "/delete", data={"id": own.id})).status_code == 404

        first, second = await edited(ana, own.id), await edited(ana, own.id)
        assert (await ana.post(PATH, data=first | {"text": "Hi"})).status_code == 303
        late = await ana.post(PATH, data=second | {"text": "Hello"})  # in another window
        assert (late.status_code, desk.saved_replies.saved[own.id].text) == (409, "Hi")
        assert fields(late.text)["text"] == "Hello"
        assert (await ana.post(PATH, data=fields(late.text))).status_code == 303
        assert desk.saved_replies.saved[own.id].text == "Hello"
        assert (await ana.post(PATH + "/delete", data=await edited(ana, own.id))).status_code == 303
        assert desk.saved_replies.saved == {}


async def test_a_form_that_is_sent_twice_gives_one() -> None:
    """A double click on Save made two of it."""
    desk = await bench()
    async with await desk.browser("ana") as ana:
        new = {"name": "Hello", "text": "Hi"}
        sent = await asyncio.gather(*(ana.post(PATH, data=new) for _ in range(2)))
        assert [answer.status_code for answer in sent] == [303, 303]
        [own] = desk.saved_replies.saved.values()
        assert (await ana.post(PATH, data=await edited(ana, own.id) | {"text": "Good day"})).status_code == 303
        assert (await ana.post(PATH, data=new)).status_code == 303  # what it said once is said anew
        assert sorted(r.text for r in desk.saved_replies.saved.values()) == ["Good day", "Hi"]


async def test_a_lead_changes_those_of_her_team_and_no_others() -> None:
    desk = await bench()
    async with await desk.browser("lea") as lea, await desk.browser("ana") as ana, await desk.browser("ada") as ada:
        assert listed((await lea.get(PATH)).text, "shared") == ["bye", "oil"]
        assert listed((await ada.get(PATH)).text, "shared") == ["bye", "oil", "price"]
        for client, closed in ((lea, ("bye", "price")), (ana, ("bye", "oil", "price"))):
            for saved_id in closed:
                assert (await client.get(PATH, params={"edit": saved_id})).status_code == 404
                assert (await client.post(PATH, data={"id": saved_id, "name": "x", "text": "y"})).status_code == 404
                assert (await client.post(PATH + "/delete", data={"id": saved_id})).status_code == 404
        for client, whose in ((lea, "sales"), (lea, "*"), (ana, "workshop"), (ada, "nobody")):
            assert (await client.post(PATH, data={"name": "x", "text": "y", "whose": whose})).status_code == 422
        assert len(desk.versions.versions) == 2, "nothing was changed"

        hers, admins = await edited(lea, "oil"), await edited(ada, "oil")
        assert (await lea.post(PATH, data=hers | {"text": "Grease it"})).status_code == 303
        assert texts(desk)["oil"] == "Grease it"
        assert (desk.versions.versions[-1].applied_by, len(desk.versions.versions)) == ("desk: lea", 3)
        late = await ada.post(PATH, data=admins | {"text": "Wax it"})
        assert (late.status_code, "Grease it" in late.text) == (409, True)
        assert (await ada.post(PATH, data=fields(late.text))).status_code == 303
        assert texts(desk)["oil"] == "Wax it"

        for text in ("both", "both", "both of them"):  # the first one by a double click
            new = {"name": "Öl & Fett!", "text": text, "whose": "workshop"}
            assert (await lea.post(PATH, data=new)).status_code == 303
        added = [r for r in desk.configurations.latest.saved_replies if r.text.startswith("both")]
        assert [(r.id, r.name, r.teams) for r in added] == [
            ("ol-fett", "Öl & Fett!", ["workshop"]),
            ("ol-fett-2", "Öl & Fett!", ["workshop"]),
        ]
        assert (await lea.post(PATH + "/delete", data=await edited(lea, "ol-fett"))).status_code == 303
        assert set(texts(desk)) == {"oil", "price", "bye", "ol-fett-2"}
        found = (await ana.get("/api/v1/saved-replies?q=fett")).json()["items"]
        assert [r["id"] for r in found] == ["ol-fett-2"]
