"""A mail with a secret, from the desk's adapter through the real notifier to a mail server, and where the secret is not."""

import json
from email import message_from_bytes
from email.policy import default

import httpx
import pytest
from postroom_contracts.signed_ids import service_key
from postroom_contracts.topics import all_topics
from postroom_desk.adapters.http import HttpPeer
from postroom_desk.adapters.postman import NotifierPostman
from postroom_desk.identity.letters import Never, NotNow, Sent
from postroom_local.smtp_sink import Reject
from postroom_runtime.tail import read_to_end

from tests.integration.notifier.conftest import House
from tests.unit.notifier.company import KEY

pytestmark = pytest.mark.connected
CANARY = "canary-f00d-link-5ecre7"


async def test_a_letter_reaches_its_reader_and_its_link_lies_nowhere(house: House) -> None:
    notifier = await house.notifier()
    peer = HttpPeer(notifier.url, 30, {"x-postroom-key": service_key(KEY)})
    postman = NotifierPostman(peer)
    text = f"Grüße\n\nhttps://desk.acme.test/reset/{CANARY}\n"
    assert await postman.send("ana", "Neues Passwort für Acme wählen", text) == Sent()
    [mail] = await house.mails(1)
    assert (mail.sender, mail.recipients) == ("support@acme.test", ("ana@staff.acme.test",))
    parsed = message_from_bytes(mail.content, policy=default)
    assert parsed["Subject"] == "Neues Passwort für Acme wählen"
    assert parsed["Auto-Submitted"] == "auto-generated"
    assert parsed.get_content().replace("\r\n", "\n") == text

    house.sink.answer_next("ana@staff.acme.test", Reject(451), Reject(550))
    assert await postman.send("ana", "S", text) == NotNow("refused_for_now")
    assert await postman.send("ana", "S", text) == Never("refused")
    assert await postman.send("nobody", "S", text) == Never("unknown_agent")
    async with httpx.AsyncClient(base_url=notifier.url, trust_env=False) as stranger:
        body = {"agent_id": "ana", "subject": "S", "text": text}
        assert (await stranger.post("/api/v1/letters", json=body)).status_code == 401
    await peer.close()

    assert CANARY not in notifier.log.read_text()
    for topic in all_topics():
        name = house.deployment.settings.topic(topic.name)
        async for record in read_to_end(house.deployment.settings, name):
            assert CANARY.encode() not in (record.value or b"")
    for name in await house.client.list_database_names():
        if name.startswith(house.deployment.settings.database_prefix):
            for collection in await house.client[name].list_collection_names():
                found = await house.client[name][collection].find({}).to_list(length=1000)
                assert CANARY not in json.dumps(found, default=str)
