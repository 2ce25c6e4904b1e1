"""The demo's controls and its directory: no other site's request, no second demo, no mail with a broken address."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from postroom_demo.controls import compose
from postroom_demo.place import DemoError, Place
from postroom_demo.status import Controls, TestMail, application

AT = datetime(2026, 3, 6, tzinfo=UTC)


class Recorded:
    """Controls that note what they were asked."""

    def __init__(self) -> None:
        self.killed: list[str] = []
        self.sent: list[TestMail] = []

    async def status(self) -> dict[str, Any]:
        return {"sent": 1}

    async def send(self, mail: TestMail) -> str:
        self.sent.append(mail)
        return str(compose(mail, AT)["Message-ID"]).strip("<>")

    def client(self) -> httpx.AsyncClient:
        app = application(Controls(status=self.status, send=self.send, kill=self.killed.append))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1:8000")


async def test_status_send_and_kill() -> None:
    recorded = Recorded()
    async with recorded.client() as client:
        assert (await client.get("/status")).json() == {"sent": 1}
        assert (
            await client.post("/send", json={"text": "Hello", "sender": "", "to": "", "subject": ""})
        ).status_code == 202
        assert (await client.post("/kill/router")).json() == {"killed": "router"}
        assert (await client.post("/kill/kafka")).status_code == 404
    assert recorded.killed == ["router"]
    assert [mail.text for mail in recorded.sent] == ["Hello"]


FOREIGN = {
    "another site": {"Origin": "http://evil.example"},
    "a rebound name": {"Host": "evil.example:8000"},
    "a sandboxed page": {"Origin": "null"},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
async def test_requests_of_other_sites_are_refused(headers: dict[str, str]) -> None:
    recorded = Recorded()
    async with recorded.client() as client:
        assert (await client.post("/kill/router", headers=headers)).status_code == 403
    assert recorded.killed == []


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": "x", "to": "not an address"}, {"text": "x", "sender": "a@b\r\nBcc: c@d"}]
)
async def test_what_is_no_mail_is_refused_with_a_reason(body: dict[str, str]) -> None:
    async with Recorded().client() as client:
        answer = await client.post("/send", json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"]


def test_a_test_mail_is_filled_in() -> None:
    mail = compose(TestMail(text="My bell\ndoes not ring"), AT)
    assert (mail["To"], mail["Subject"]) == ("support@velo.example", "My bell")
    assert "@" in mail["From"]


def test_second_demo_on_a_directory_is_told_so_and_how_to_go_on(tmp_path: Path) -> None:
    first = Place(tmp_path / "demo")
    first.lock()
    with pytest.raises(DemoError, match=r"another demo \(process \d+\).*--data"):
        Place(tmp_path / "demo").lock()
    first.unlock()
    again = Place(tmp_path / "demo")
    again.lock()
    again.unlock()


def test_secrets_stay_and_are_for_their_owner_alone(tmp_path: Path) -> None:
    place = Place(tmp_path)
    secret = place.secret("mira@velo.example")
    assert Place(tmp_path).secret("mira@velo.example") == secret
    assert place.secret_file("mira@velo.example").stat().st_mode & 0o777 == 0o600


def test_no_running_demo_is_named_with_its_remedy(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="make demo"):
        Place(tmp_path).read_state()
