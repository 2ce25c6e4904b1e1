"""Saved replies by the API: found, filled for a conversation, one's own kept for oneself."""

from postroom_contracts.configuration import ConfigurationApplied, SavedReply

from tests.component.desk.doubles import NOW, DeskBench, settings
from tests.component.desk.facts import CONVERSATION, customer_content, received
from tests.component.desk.writers import ANAS, BENS
from tests.integration.desk.office import company

PATH = f"/api/v1/conversations/{CONVERSATION}/saved-replies"


async def bench() -> DeskBench:
    desk = DeskBench(settings=settings(api_tokens=f"a@ana={ANAS},m@mira={BENS}"))
    replies = [
        SavedReply(id="hello", name="Hello", text="Hi [customer.first_name|there], [agent.first_name] here."),
        SavedReply(id="price", name="Price", text="x", teams=["sales"]),
    ]
    changed = company().model_copy(update={"saved_replies": replies})
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=changed))
    await desk.content.put([customer_content() | {"from": {"address": "carla@example.test", "name": "Carla Cruz"}}])
    await desk.happens(received(), CONVERSATION)
    return desk


async def test_they_are_found_and_filled_for_the_conversation() -> None:
    desk = await bench()
    async with desk.client(ANAS) as ana, desk.client(BENS) as mira:
        found = (await ana.get("/api/v1/saved-replies?q=he")).json()["items"]
        assert [(x["id"], x["own"]) for x in found] == [("hello", False)]
        filled = await ana.post(f"{PATH}/hello/render", json={})
        assert filled.json() == {"text": "Hi Carla, Ana here.", "html": "<p>Hi Carla, Ana here.</p>"}
        assert (await ana.post(f"{PATH}/price/render", json={})).status_code == 404
        assert (await mira.post(f"{PATH}/hello/render", json={})).status_code == 404, "not her inbox"
        assert {x["id"] for x in (await mira.get("/api/v1/saved-replies")).json()["items"]} == {"hello", "price"}


async def test_they_are_filled_for_a_first_message() -> None:
    desk = await bench()
    path = "/api/v1/saved-replies/hello/render"
    dora = {"inbox_id": "support", "to": [{"address": "dora@example.test", "name": "Dora Lind"}], "subject": "Offer"}
    async with desk.client(ANAS) as ana:
        assert (await ana.post(path, json=dora)).json()["text"] == "Hi Dora, Ana here."
        assert (await ana.post(path, json={"inbox_id": "support"})).json()["text"] == "Hi there, Ana here."
        assert (await ana.post(path, json=dora | {"inbox_id": "sales"})).status_code == 422, "not her inbox"
        assert (await ana.post("/api/v1/saved-replies/price/render", json=dora)).status_code == 404


async def test_ones_own_are_checked_and_nobody_elses() -> None:
    desk = await bench()
    async with desk.client(ANAS) as ana, desk.client(BENS) as mira:
        wrong = await ana.post("/api/v1/saved-replies", json={"name": "Bye", "text": "[customer.nick]"})
        assert (wrong.status_code, wrong.json()["type"]) == (422, "urn:postroom:problem:template")
        kept = await ana.post("/api/v1/saved-replies", json={"name": "Bye", "text": "Bye [customer.first_name]"})
        assert kept.status_code == 201
        own = f"/api/v1/saved-replies/{kept.json()['id']}"
        assert (await ana.post(f"{PATH}/{kept.json()['id']}/render", json={})).json()["text"] == "Bye Carla"
        assert (await mira.put(own, json={"name": "Bye", "text": "x"})).status_code == 404
        assert (await mira.delete(own)).status_code == 404
        assert (await ana.put(own, json={"name": "Bye", "text": "Ciao"})).json()["text"] == "Ciao"
        assert (await ana.delete(own)).status_code == 204
        assert (await ana.get("/api/v1/saved-replies?q=bye")).json()["items"] == []
