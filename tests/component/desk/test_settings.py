"""The settings' pages over doubles: look, apply, a colleague who was first, the history, and who may."""

import html
import re

import pytest

from tests.component.desk.doubles import DeskBench


def text_of(page: str) -> str:
    found = re.search(r"<textarea[^>]*>(.*?)</textarea>", page, re.DOTALL)
    assert found is not None
    return html.unescape(found[1])


async def post(desk: DeskBench, section: str, text: str, version: int, step: str = "look") -> tuple[int, str]:
    async with desk.client() as client:
        data = {"text": text, "version": str(version), "step": step}
        answer = await client.post(f"/settings/{section}", data=data)
    return answer.status_code, answer.text


async def test_a_change_is_looked_at_then_applied_and_stands_in_the_history() -> None:
    desk = DeskBench()
    async with desk.client() as client:
        text = text_of((await client.get("/settings/teams")).text)
    wanted = text.replace("Workshop", "Garage")
    status, looked = await post(desk, "teams", wanted, 1)
    assert status == 200
    assert "-    name: Workshop" in looked
    assert "+    name: Garage" in looked
    assert len(desk.versions.versions) == 1, "looking changes nothing"

    status, _ = await post(desk, "teams", wanted, 1, "apply")
    assert status == 303
    assert desk.configurations.latest.teams[0].name == "Garage"
    assert desk.versions.versions[-1].applied_by.startswith("desk: ")
    async with desk.client() as client:
        history = (await client.get("/settings/history")).text
        assert "+    name: Garage" in history
        assert (await client.post("/settings/history/1/restore")).status_code == 303
    assert desk.configurations.latest.teams[0].name == "Workshop"
    assert [v.configuration_version for v in desk.versions.versions] == [1, 2, 3], "nothing of the history is lost"


async def test_a_fault_is_named_by_its_line_and_changes_nothing() -> None:
    desk = DeskBench()
    async with desk.client() as client:
        text = text_of((await client.get("/settings/inboxes")).text)
    status, page = await post(desk, "inboxes", text.replace("account: mail", "account: letters", 1), 1, "apply")
    assert status == 422
    assert "inboxes[0].account" in page
    assert "is not an account" in html.unescape(page)
    assert len(desk.versions.versions) == 1


async def test_who_was_overtaken_keeps_the_text_and_sees_the_difference() -> None:
    desk = DeskBench()
    async with desk.client() as client:
        text = text_of((await client.get("/settings/tags")).text)
    assert (await post(desk, "tags", text.replace("Brakes", "Brake"), 1, "apply"))[0] == 303
    status, page = await post(desk, "tags", text.replace("Brakes", "Stoppers"), 1, "apply")
    assert status == 409
    assert "Stoppers" in text_of(page)
    assert 'name="version" value="2"' in page
    assert desk.configurations.latest.tags[0].name == "Brake"


@pytest.mark.parametrize("path", ["/settings", "/settings/history", "/settings/agents"])
async def test_an_agent_sees_no_settings(path: str) -> None:
    desk = DeskBench()
    client = await desk.browser("ana")
    async with client:
        assert (await client.get(path)).status_code == 403
        assert 'href="/settings"' not in (await client.get("/")).text


async def test_a_section_that_does_not_exist_is_not_found() -> None:
    desk = DeskBench()
    async with desk.client() as client:
        assert (await client.get("/settings/secrets")).status_code == 404
