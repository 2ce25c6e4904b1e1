"""What a webhook's signature header may look like, and that none but ours opens the door."""

import asyncio
import base64
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

import httpx
import pytest
from postroom_contracts.configuration import ConfigurationApplied
from postroom_ingest.intake import IntakeStore
from postroom_ingest.webhooks import WebhookDoor
from postroom_runtime.clock import ManualClock
from postroom_runtime.configuration_feed import Configurations
from standardwebhooks.webhooks import Webhook

from tests.component.ingest.doorway import NINE, RecordingIntake, company

SECRET = "whsec_" + base64.b64encode(b"a secret of twenty-four").decode()
BODY = b'{"type": "message.received", "data": {"from": {"address": "c@x.test"}, "text": "Hi"}}'
ID = "one"


def _signed(body: bytes) -> dict[str, str]:
    now = datetime.now(tz=UTC)  # the library has no other clock
    signature = Webhook(SECRET).sign(ID, now, body.decode())
    return {"webhook-id": ID, "webhook-timestamp": str(int(now.timestamp())), "webhook-signature": signature}


def _posted(
    monkeypatch: pytest.MonkeyPatch, body: bytes, headers: Mapping[str, str], secret: str = SECRET
) -> tuple[int, RecordingIntake]:
    monkeypatch.setenv("HOOK_SECRET", secret)
    accounts: list[dict[str, Any]] = [{"id": "shop", "channel": "webhook", "secrets": [{"env": "HOOK_SECRET"}]}]
    inboxes = [{"id": "shop", "name": "Shop", "account": "shop", "address": "shop@acme.test", "teams": ["t"]}]
    configurations, intake = Configurations(), RecordingIntake()
    configurations.add(
        ConfigurationApplied(
            configuration_version=1, applied_at=NINE, configuration=company(accounts=accounts, inboxes=inboxes)
        )
    )
    door = WebhookDoor(configurations, cast("IntakeStore", intake), ManualClock(NINE))

    async def post() -> int:
        transport = httpx.ASGITransport(door.application(), raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest.test") as client:
            return (await client.post("/webhooks/shop", content=body, headers=dict(headers))).status_code

    return asyncio.run(post()), intake


@pytest.mark.parametrize("before", ["", "v1 ", "v1,! ", "v1,a,b ", "v2,AAAA "])
def test_our_signature_is_found_among_others_of_any_form(monkeypatch: pytest.MonkeyPatch, before: str) -> None:
    headers = _signed(BODY)
    status, intake = _posted(monkeypatch, BODY, headers | {"webhook-signature": before + headers["webhook-signature"]})
    assert status == 200
    assert [record.text for record in intake.records] == ["Hi"]


@pytest.mark.parametrize("signature", ["v1", "v1,A", "v1,a,b", "x", "v1,\xe9", "v1,AAAA", ","])
def test_a_signature_that_cannot_be_read_is_a_bad_one(monkeypatch: pytest.MonkeyPatch, signature: str) -> None:
    headers = {name: value.encode("latin-1") for name, value in _signed(BODY).items()}
    headers["webhook-signature"] = signature.encode("latin-1")
    status, intake = _posted(monkeypatch, BODY, cast("dict[str, str]", headers))
    assert status == 401
    assert intake.ledger == {}


def test_a_body_that_is_not_text_was_signed_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    status, intake = _posted(monkeypatch, b"\xff\xfe", _signed(BODY))
    assert status == 401
    assert intake.ledger == {}


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_A", "not base64"])
def test_a_secret_that_is_none_opens_no_door(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    status, intake = _posted(monkeypatch, BODY, _signed(BODY), secret)
    assert status in (401, 503)
    assert intake.ledger == {}


@pytest.mark.parametrize("body", [b"no JSON", b"[" * 200_000, b"1" * 5000])
def test_what_we_signed_for_and_cannot_read_is_kept(monkeypatch: pytest.MonkeyPatch, body: bytes) -> None:
    status, intake = _posted(monkeypatch, body, _signed(body))
    assert status == 200
    assert [i.ignored for i in intake.ledger.values()] == ["not_json"]
