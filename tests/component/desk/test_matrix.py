"""Every address of the desk x whoever may ask x own, foreign and private conversations, with canary texts in all of them.

The matrix is made from the application's routes and the table of operations. What a person can do in which inbox is written
down here by hand. A route without an operation or without a case fails.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx
import pytest
from postroom_contracts import facts as f
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.ids import content_id
from postroom_desk.answering.drafts import key_of
from postroom_desk.api import auth
from postroom_desk.domain.draft import Draft, Written, saved
from postroom_desk.domain.notifications import Notification
from postroom_desk.domain.permissions import TABLE, Operation
from postroom_desk.identity.principal import Principal
from postroom_desk.live import Broadcaster

from tests.component.desk.doubles import NOW, DeskBench, FixedPeer, ended, settings
from tests.component.desk.facts import ANA, customer_content, received
from tests.component.desk.routes_of import Address, addresses
from tests.component.desk.test_routes import PUBLIC
from tests.integration.desk.office import company

INBOXES = ("support", "sales", "own")
SHARED = frozenset({"support", "sales"})
READ, NOTE, HANDLE, SEND = "read", "note", "handle", "send"
WORKS, SUPERVISES, READS_ONLY = {READ, NOTE, HANDLE, SEND}, {READ, NOTE, HANDLE}, {READ}


@dataclass(frozen=True)
class Caller:
    """Who asks; what they can do in which inbox, and their role, by hand."""

    principal: Principal
    role: str
    can: dict[str, set[str]] = field(default_factory=dict)

    @property
    def reads(self) -> set[str]:
        return {inbox for inbox, abilities in self.can.items() if READ in abilities}


def person(name: str, role: str = "agent", scopes: Any = None, **can: set[str]) -> Caller:
    return Caller(
        Principal(name, name, scopes and frozenset(scopes), by="token" if scopes else "deployment"), role, can
    )


CALLERS = {
    "admin": person("ada", "admin", support=SUPERVISES, sales=SUPERVISES),
    "lead of sales": person("lea", "lead", sales=SUPERVISES),
    "auditor": person("otto", "auditor", support=READS_ONLY, sales=READS_ONLY),
    "sends as support": person("ana", support=WORKS),
    "sends on behalf of sales": person("ben", sales=WORKS),
    "full access to sales": person("mira", sales={READ, NOTE}),
    "nobody's colleague": person("noa"),
    "owner of a private inbox": person("rita", own=WORKS),
    "disabled": Caller(Principal("dora", "dora"), "none"),
    "token of the house": Caller(Principal("house"), "admin", {"support": WORKS, "sales": WORKS}),
    "open desk": Caller(Principal("open", by="open"), "admin", {"support": WORKS, "sales": WORKS}),
    "token to read": person("ana", scopes=["read"], support=WORKS),
    "token to write": person("ana", scopes=["write"], support=WORKS),
    "token for the audit of an admin": person("ada", "admin", scopes=["audit"], support=SUPERVISES, sales=SUPERVISES),
}


def staffed() -> Configuration:
    plain = company().model_dump()
    roles = {"ada": "admin", "lea": "lead", "otto": "auditor", "noa": "agent", "rita": "agent", "dora": "admin"}
    plain["agents"] += [
        {"id": i, "first_name": i.capitalize(), "email": f"{i}@velo.test", "role": role, "enabled": i != "dora"}
        for i, role in roles.items()
    ]
    plain["teams"] = [
        {"id": "workshop", "name": "Workshop", "members": ["ana"]},
        {"id": "sales", "name": "Sales", "members": ["lea"]},
    ]
    plain["inboxes"][1]["access"] = [
        {"agent": "mira", "rights": ["full_access"]},
        {"agent": "ben", "rights": ["send_on_behalf"]},
    ]
    own = {
        "id": "own",
        "name": "canary-own-inbox",
        "account": "mail",
        "address": "o@velo.test",
        "teams": [],
        "owner": "rita",
    }
    return Configuration.model_validate({**plain, "inboxes": [*plain["inboxes"], own]})


def canary(inbox: str, where: str) -> str:
    return f"canary-{inbox}-{where}"


def conversation_of(inbox: str) -> str:
    return f"{INBOXES.index(inbox)}d1f7c52-8a0b-5e44-9c1d-6f2a7b90e311"


async def planted() -> DeskBench:
    """Return a desk with one conversation an inbox, of one contact, each full of canaries."""
    desk = DeskBench(settings(request_wait_seconds=0.001), demo=FixedPeer((200, {})))
    desk.configurations.add(ConfigurationApplied(configuration_version=2, applied_at=NOW, configuration=staffed()))
    rows = [{"conversation_id": conversation_of(i), "closed_at": "2026-03-06T15:00:00Z", "wall_ms": 1} for i in INBOXES]
    desk.figures.answer = (200, {"rows": rows, "next": None})
    await desk.happens(received("m0"), "somewhere")
    for inbox in INBOXES:
        await desk.content.put([_message(inbox), _note(inbox)])
        await desk.content.put_blob(f"raw-{inbox}", canary(inbox, "raw").encode())
        await desk.content.put_blob(f"file-{inbox}", canary(inbox, "blob").encode())
        fact = received(f"m-{inbox}", inbox_id=inbox, opened=True, team_id=None, tags=[canary(inbox, "tag")])
        await desk.happens(fact, conversation_of(inbox), cause=f"cause-{inbox}")
        note = f.NoteAdded(message_id=f"n-{inbox}", actor=ANA, content=received(f"n-{inbox}").content)
        await desk.happens(note, conversation_of(inbox))
        await desk.drafts.put(key_of(f"draft-of-{inbox}", "start"), _begun(inbox), 0)
        everybody = [Notification(**_ring(inbox, a.id)) for a in staffed().agents]
        await desk.notifications.add(everybody)  # as if each had once been told of it, and lost the right since
    return desk


def _begun(inbox: str) -> Draft:
    """Return a draft that everybody once was given, of a conversation that is to begin in this inbox."""
    written = Written(
        text=canary(inbox, "begun"), inbox_id=inbox, subject="S", to=[{"address": "x@example.test", "name": ""}]
    )
    draft = Draft(id=f"d-{inbox}", conversation_id=f"draft-of-{inbox}", kind="start", revision=1)
    everybody = [a.id for a in staffed().agents]
    return saved(draft.model_copy(update={"people": everybody}), written, "rita", NOW - timedelta(hours=1))


def _ring(inbox: str, agent_id: str) -> dict[str, Any]:
    about = {"conversation_id": conversation_of(inbox), "inbox_id": inbox, "at": NOW, "kind": "mentioned"}
    return about | {"id": canary(inbox, agent_id), "agent_id": agent_id}


def _message(inbox: str) -> dict[str, Any]:
    file = {
        "filename": canary(inbox, "file"),
        "content_type": "text/plain",
        "body_bytes": 3,
        "sha256": "0",
        "blob_id": f"file-{inbox}",
    }
    return customer_content(
        f"m-{inbox}",
        subject=canary(inbox, "subject"),
        text=canary(inbox, "body"),
        reply_text=canary(inbox, "body"),
        html=f"<p>{canary(inbox, 'html')}</p>",
        raw_blob_id=f"raw-{inbox}",
        attachments=[file],
        **{"from": {"name": canary(inbox, "name"), "address": f"{canary(inbox, 'address')}@example.test"}},
    )


def _note(inbox: str) -> dict[str, Any]:
    fields = {"kind": "note", "inbox_id": inbox, "text": canary(inbox, "note"), "attachments": []}
    return {"_id": content_id(f"n-{inbox}"), **fields}


ACTS: dict[str, Any] = {"text": "Hello"}
BODIES: dict[str, dict[str, Any]] = {
    "reply": ACTS,
    "note": ACTS,
    "claim": {},
    "assign": {"agent_id": "ana"},
    "tag": {"add": ["brakes"]},
    "route": {"priority": "high"},
    "snooze": {"until": "2030-01-01T00:00:00Z"},
    "merge": {"target_id": "{conversation}-other"},
    "forward": {"message_id": "{message}", "to": [{"address": "x@example.test"}], "text": "Hello"},
    "split": {"message_id": "{message}"},
    "watch": {},
    "unwatch": {},
} | {name: {} for name in ("resolve", "reopen", "wait", "archive", "delete", "restore", "spam", "unspam")}
_MESSAGE = "/api/v1/conversations/{conversation_id}/messages/{message_id}"
CASES: dict[str, tuple[str, dict[str, Any] | None]] = {
    # "METHOD path": (the address that is asked, the body); {inbox}, {conversation} and {message} are filled in
    "GET /api/v1/conversations": ("/api/v1/conversations?status=open&inbox={inbox}", None),
    "POST /api/v1/conversations": (
        "/api/v1/conversations",
        {"inbox_id": "{inbox}", "to": [{"address": "x@example.test"}], "subject": "S", "text": "T"},
    ),
    "GET /api/v1/conversations/{conversation_id}": ("/api/v1/conversations/{conversation}", None),
    "GET /api/v1/conversations/{conversation_id}/messages": ("/api/v1/conversations/{conversation}/messages", None),
    "GET /api/v1/conversations/{conversation_id}/events": ("/api/v1/conversations/{conversation}/events", None),
    **{
        f"GET {_MESSAGE}{end}": (
            f"/api/v1/conversations/{{conversation}}/messages/{{message}}{end.format(number=0)}",
            None,
        )
        for end in ("", "/original", "/html", "/attachments/{number}")
    },
    **{
        f"POST /api/v1/conversations/{{conversation}}/{name}": (f"/api/v1/conversations/{{conversation}}/{name}", body)
        for name, body in BODIES.items()
    },
    "POST /api/v1/conversations/{conversation}/messages/{message_id}/cancel": (
        "/api/v1/conversations/{conversation}/messages/{message}/cancel",
        {},
    ),
    "GET /api/v1/conversations/{conversation}/recipients": (
        "/api/v1/conversations/{conversation}/recipients?message_id={message}",
        None,
    ),
    "POST /api/v1/uploads": ("/api/v1/uploads?filename=a.txt", {}),
    "GET /api/v1/uploads/{upload_id}": ("/api/v1/uploads/unknown", None),
    "GET /api/v1/contacts/{contact_id}/conversations": ("/api/v1/contacts/carla/conversations", None),
    "GET /api/v1/requests/{request_id}": ("/api/v1/requests/cause-{inbox}", None),
    "GET /api/v1/overview": ("/api/v1/overview", None),
    "GET /api/v1/company": ("/api/v1/company", None),
    "GET /api/v1/metrics/{path:path}": ("/api/v1/metrics/summary", None),
    "GET /api/v1/events": ("/api/v1/events?after=0:0", None),
    "GET /api/v1/audit": ("/api/v1/audit", None),
    "GET /": ("/", None),
    "GET /folders": ("/folders?inbox={inbox}", None),
    "GET /overview": ("/overview", None),
    "GET /live": ("/live?after=0:0", None),
    "GET /panes/folders": ("/panes/folders?inbox={inbox}", None),
    "GET /panes/list": ("/panes/list?inbox={inbox}", None),
    "GET /panes/conversation": ("/panes/conversation?inbox={inbox}", None),
    "GET /panes/conversation/{conversation_id}": ("/panes/conversation/{conversation}", None),
    "GET /panes/since/{conversation_id}": ("/panes/since/{conversation}?seen=0.0", None),
    "GET /panes/conversation/new": ("/panes/conversation/new?inbox={inbox}", None),
    "GET /conversations/new": ("/conversations/new?inbox={inbox}", None),
    "GET /conversations/new-{draft_id}": ("/conversations/new-draft-of-{inbox}", None),
    "GET /panes/conversation/new-{draft_id}": ("/panes/conversation/new-draft-of-{inbox}", None),
    "GET /panes/targets/{conversation_id}": ("/panes/targets/{conversation}", None),
    **{
        f"GET {path}": (path, None)
        for path in ("/account", "/account/sessions", "/account/second-factor", "/account/tokens")
    },
    **{
        f"POST /account/{name}": (f"/account/{name}", {})
        for name in ("password", "sessions/end", "second-factor", "second-factor/off", "tokens", "tokens/withdraw")
    },
    "GET /figures/{kind}": ("/figures/first_response", None),
    "GET /conversations": ("/conversations?inbox={inbox}", None),
    "GET /conversations/{conversation_id}": ("/conversations/{conversation}", None),
    "GET /conversations/{conversation_id}/messages/{message_id}/original": (
        "/conversations/{conversation}/messages/{message}/original",
        None,
    ),
    "GET /tags.css": ("/tags.css", None),
    "GET /demo/status": ("/demo/status", None),
    "POST /demo/send": ("/demo/send", {"text": "Hello"}),
    "POST /demo/kill/router": ("/demo/kill/router", None),
}
"""One for each address but those that are public. Who adds a route says here how it is asked."""


_DRAFT = "/api/v1/conversations/{conversation}/draft"
_FIRST, _OF_INBOX = "/api/v1/drafts/{draft}", "/api/v1/drafts/draft-of-{inbox}"
FIRST_BODIES: dict[str, dict[str, Any]] = {"lease": {"take_over": True}, "hand-over": {"to": "ada"}, "send": {}}
LOOSE: dict[str, tuple[str, dict[str, Any] | None]] = {
    **{f"GET {_DRAFT}{end}": (_DRAFT + end, None) for end in ("", "/versions", "/live")},
    f"PUT {_DRAFT}": (_DRAFT, {"text": "Hello"}),
    f"POST {_DRAFT}/versions/{{number}}/restore": (_DRAFT + "/versions/1/restore", {}),
    f"DELETE {_DRAFT}": (_DRAFT, None),
    "GET /drafts": ("/drafts", None),
    "GET /api/v1/drafts": ("/api/v1/drafts", None),
    **{f"GET {_FIRST}{end}": (_OF_INBOX + end, None) for end in ("", "/versions", "/live")},
    f"PUT {_FIRST}": (_OF_INBOX, {"text": "Hello", "inbox_id": "{inbox}"}),
    **{f"POST {_FIRST}/{end}": (f"{_OF_INBOX}/{end}", body) for end, body in FIRST_BODIES.items()},
    f"POST {_FIRST}/versions/{{number}}/restore": (_OF_INBOX + "/versions/1/restore", {}),
    f"DELETE {_FIRST}": (_OF_INBOX, None),
    **{f"POST {_DRAFT}/{end}": (f"{_DRAFT}/{end}", {}) for end in ("lease", "hand-over", "send")},
    f"POST {_DRAFT}/from/{{message_id}}": (_DRAFT + "/from/{message}", {}),
    "POST /api/v1/conversations/{conversation}/saved-replies/{saved_id}/render": (
        "/api/v1/conversations/{conversation}/saved-replies/unknown/render",
        {},
    ),
    **{
        f"{method} /api/v1/conversations/{{conversation_id}}/read": ("/api/v1/conversations/{conversation}/read", {})
        for method in ("PUT", "DELETE")
    },
    **{
        f"{method} /api/v1/{name}{end}": (f"/api/v1/{name}{'/unknown' if end else ''}", {} if method != "GET" else None)
        for name, key in (("saved-replies", "saved_id"), ("filters", "filter_id"))
        for method, end in (("GET", ""), ("POST", ""), ("PUT", f"/{{{key}}}"), ("DELETE", f"/{{{key}}}"))
    },
    "GET /api/v1/folders": ("/api/v1/folders", None),
    "GET /api/v1/presence": ("/api/v1/presence", None),
    "POST /api/v1/presence": (
        "/api/v1/presence",
        {"console_id": "page-of-the-matrix", "doing": "viewing", "conversation_id": "{conversation}"},
    ),
    **{
        f"{method} /account/notifications{end}": (
            f"/account/notifications{end and '/{inbox}'}",
            {} if method == "POST" else None,
        )
        for method in ("GET", "POST")
        for end in ("", "/{inbox_id}")
    },
    "POST /api/v1/saved-replies/{saved_id}/render": (
        "/api/v1/saved-replies/unknown/render",
        {"inbox_id": "{inbox}", "to": [{"address": "x@example.test"}]},
    ),
    "GET /account/saved-replies": ("/account/saved-replies", None),
    **{f"POST /account/saved-replies{end}": (f"/account/saved-replies{end}", {}) for end in ("", "/delete")},
    "GET /notifications": ("/notifications", None),
    "POST /notifications/read": ("/notifications/read", {"until": "2030-01-01T00:00:00Z"}),
    "GET /api/v1/notifications": ("/api/v1/notifications", None),
    "POST /api/v1/notifications/read": ("/api/v1/notifications/read", {"conversation_id": "{conversation}"}),
    "POST /api/v1/bulk": ("/api/v1/bulk", {"action": "resolve", "conversations": ["{conversation}"]}),
    "POST /api/v1/bulk/{bulk_id}/undo": ("/api/v1/bulk/unknown/undo", {}),
    "GET /search": ("/search?q=canary", None),
    **{f"GET {path}": (path, None) for path in ("/settings", "/settings/history")},
    **{
        f"{method} /settings/{{section}}": ("/settings/teams", {} if method == "POST" else None)
        for method in ("GET", "POST")
    },
    "POST /settings/history/{version}/restore": ("/settings/history/1/restore", {}),
    "POST /api/v1/contacts/{contact_id}/erase": ("/api/v1/contacts/carla/erase", {"whole": False}),
    "GET /api/v1/contacts/{contact_id}/erasure": ("/api/v1/contacts/carla/erasure", None),
    "GET /panes/erasure/{contact_id}": ("/panes/erasure/carla", None),
    "GET /api/v1/pictures/senders": ("/api/v1/pictures/senders", None),
    "PUT /api/v1/pictures/senders": ("/api/v1/pictures/senders", {"address": "carla@example.test"}),
    "DELETE /api/v1/pictures/senders": ("/api/v1/pictures/senders?address=carla@example.test", None),
    "GET /api/v1/search": ("/api/v1/search?q=canary", None),
    "GET /api/v1/contacts": ("/api/v1/contacts?q=canary", None),
    "GET /scheduled": ("/scheduled", None),
    "GET /panes/palette": ("/panes/palette", None),
    "GET /api/v1/scheduled": ("/api/v1/scheduled", None),
    "GET /audit": ("/audit", None),
    "POST /audit/check": ("/audit/check", {}),
    "GET /api/v1/audit/export": ("/api/v1/audit/export", None),
    **{
        f"{method} /api/v1/audit/check": ("/api/v1/audit/check", body) for method, body in (("GET", None), ("POST", {}))
    },
    "GET /api/v1/people": ("/api/v1/people", None),
    "GET /settings/people": ("/settings/people", None),
    **{f"GET {base}/{{agent_id}}": (f"{base}/rita", None) for base in ("/api/v1/people", "/settings/people")},
    **{
        f"POST /api/v1/people/{{agent_id}}/{end}": (f"/api/v1/people/unknown/{end}", {})
        for end in ("invitation", "reset", "disable", "enable")
    },
    **{
        f"DELETE /api/v1/people/{{agent_id}}/{end}": (f"/api/v1/people/unknown/{end}", None)
        for end in ("sessions", "second-factor")
    },
    "DELETE /api/v1/people/{agent_id}/tokens/{token_id}": ("/api/v1/people/unknown/tokens/00", None),
    "PUT /api/v1/people/{agent_id}/rights": ("/api/v1/people/unknown/rights", {"role": "admin"}),
    "POST /settings/people/{agent_id}/do/{action}": ("/settings/people/unknown/do/disable", {}),
    **{
        f"POST /settings/people/{{agent_id}}/{end}": (f"/settings/people/unknown/{end}", {})
        for end in ("link", "rights", "tokens/withdraw")
    },
    "GET /api/v1/webhooks": ("/api/v1/webhooks", None),
    "GET /api/v1/webhooks/{identifier}/deliveries": ("/api/v1/webhooks/unknown/deliveries", None),
    **{
        f"POST /api/v1/webhooks/{{identifier}}/{end}": (f"/api/v1/webhooks/unknown/{end}", {})
        for end in ("test", "enable", "replay")
    },
    "POST /api/v1/webhooks/{identifier}/deliveries/{delivery_id}/retry": (
        "/api/v1/webhooks/unknown/deliveries/unknown/retry",
        {},
    ),
}
"""Asked for canaries, for refusals, and that a foreign conversation is unknown; how else they answer, their own tests say."""
CASES |= LOOSE
_LOOSELY = {*range(200, 500), 503}
"""503: what asks another service, which is not there."""


def guarded(desk: DeskBench) -> Iterator[tuple[str, Address]]:
    for address in addresses(desk.app):
        if address.path not in PUBLIC:
            for method in sorted(address.methods):
                yield f"{method} {address.path}", address


async def test_every_address_has_a_case() -> None:
    assert {name for name, _ in guarded(await planted())} == set(CASES)


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> DeskBench:
    tokens = {f"token-of-{name}": caller.principal for name, caller in CALLERS.items()}
    monkeypatch.setattr(auth, "authenticate", lambda given, _: tokens.get(given))
    monkeypatch.setattr(Broadcaster, "subscribe", ended)
    return await planted()


def filled(template: Any, inbox: str, conversation: str) -> Any:
    text = template if isinstance(template, str) else json.dumps(template)
    for name, value in (("conversation", conversation), ("inbox", inbox), ("message", f"m-{inbox}")):
        text = text.replace(f"{{{name}}}", value)
    return text if isinstance(template, str) else json.loads(text)


async def ask(client: httpx.AsyncClient, name: str, caller: Caller, inbox: str, conversation: str) -> httpx.Response:
    path, body = CASES[name]
    acting = {} if caller.principal.agent_id or "/demo/" in path else {"agent": "ana"}
    content = None if body is None else filled(body, inbox, conversation) | acting
    return await client.request(name.partition(" ")[0], filled(path, inbox, conversation), json=content)


def _has_role(caller: Caller, operation: Operation) -> bool:
    roles = TABLE[operation].roles
    return not roles or caller.role in roles


def is_let_in(caller: Caller, operation: Operation) -> bool:
    """Say whether this caller gets as far as the inbox, which decides the rest: by scopes, and by role where that is all."""
    need = TABLE[operation]
    scopes = caller.principal.scopes
    return (
        caller.role != "none"
        and (scopes is None or need.scope in scopes)
        and (need.ability is not None or _has_role(caller, operation))
    )


@pytest.mark.parametrize("name", CALLERS)
async def test_nobody_sees_or_does_what_they_may_not(desk: DeskBench, name: str) -> None:
    caller = CALLERS[name]
    async with desk.client(f"token-of-{name}") as client:
        for case, address in guarded(desk):
            (operation,) = address.operations
            need = TABLE[operation]
            for inbox in INBOXES if "{" in json.dumps(CASES[case]).replace("{}", "") else INBOXES[:1]:
                if case.endswith("/live") and "draft" in case and inbox in caller.reads:
                    continue  # it goes on for ever
                before = len(desk.commands.published)
                answer = await ask(client, case, caller, inbox, conversation_of(inbox))
                assert_no_canary(caller, case, answer)
                if not is_let_in(caller, operation):
                    assert answer.status_code == 403, (case, inbox, answer.text)
                elif case in LOOSE:
                    about = "/conversations/" in case or "/drafts/" in case
                    foreign = need.ability is not None and inbox not in caller.reads and about
                    assert answer.status_code in ((404, 422) if foreign else _LOOSELY), (
                        case,
                        inbox,
                        answer.text,
                    )
                elif need.ability is None:
                    assert answer.status_code in _of_the_house(case, caller, inbox), (case, inbox, answer.text)
                else:
                    await _in_an_inbox(client, case, caller, inbox, operation, answer)
                published = len(desk.commands.published) > before
                if published and operation is Operation.ERASE_CONTACT:
                    assert caller.role == "admin", case
                else:
                    able = need.ability is not None and str(need.ability) in caller.can.get(inbox, ())
                    assert not published or able, case
    for _, _, asked in desk.figures.asked:
        assert set(asked.get("inboxes", "").split(",")) - {"", "-"} <= caller.reads
        assert "inboxes" in asked or caller.reads >= SHARED


def assert_no_canary(caller: Caller, case: str, answer: httpx.Response) -> None:
    shown = answer.text + json.dumps(dict(answer.headers))
    foreign = {i for i in INBOXES if i not in caller.reads}
    found = {c for c in re.findall(r"canary-[a-z]+-[a-z]+", shown) if c.split("-")[1] in foreign}
    assert found == set(), case


OWN = {200, 201, 303, 400, 403, 404, 409, 411, 413, 422}
"""What concerns the caller alone is asked here without a form's fields: whatever is answered must hold no canary."""


def _of_the_house(case: str, caller: Caller, inbox: str) -> set[int]:
    """Return how an operation of the house may be answered: 404 only where it names something that they may not read."""
    if "/account" in case or "/uploads" in case:
        return OWN
    names_an_inbox = case == "GET /api/v1/requests/{request_id}"
    return (
        {404}
        if names_an_inbox and inbox not in caller.reads
        else {404, 200}
        if names_an_inbox or "audit" in case
        else {200}
    )


async def _in_an_inbox(
    client: httpx.AsyncClient, case: str, caller: Caller, inbox: str, operation: Operation, answer: httpx.Response
) -> None:
    if inbox not in caller.reads:
        start = case == "POST /api/v1/conversations"
        unknown = await ask(client, case, caller, "nowhere" if start else inbox, "unknown")
        wanted = 422 if start else 200 if "/panes/targets" in case else 404
        assert answer.status_code == unknown.status_code == wanted, (case, inbox, answer.text)
        assert answer.text.replace(conversation_of(inbox), "unknown") == unknown.text, (case, inbox)
    elif str(TABLE[operation].ability) not in caller.can[inbox] or not _has_role(caller, operation):
        assert answer.status_code == 403, (case, inbox, answer.text)
    elif case.endswith(("/merge", "/cancel")):
        assert answer.status_code in (202, 404, 409), (case, inbox, "there is no such target or message")
    else:
        assert answer.status_code in (200, 202), (case, inbox, answer.text)


async def test_a_stream_shows_the_facts_of_readable_conversations_and_no_others(desk: DeskBench) -> None:
    for name, caller in CALLERS.items():
        if not is_let_in(caller, Operation.FOLLOW_EVENTS):
            continue
        async with desk.client(f"token-of-{name}") as client:
            text = (await client.get("/api/v1/events", params={"after": "0:0"})).text
        assert {i for i in INBOXES if conversation_of(i) in text} == caller.reads, name
        assert {i for i in INBOXES if canary(i, "tag") in text} == caller.reads, name


async def test_notifications_are_listed_and_counted_of_readable_inboxes_alone(desk: DeskBench) -> None:
    for name, caller in CALLERS.items():
        if not is_let_in(caller, Operation.LIST_CONVERSATIONS):
            continue
        agent = {} if caller.principal.agent_id else {"agent": "rita"}  # whom the house may not act for there
        async with desk.client(f"token-of-{name}") as client:
            found = (await client.get("/api/v1/notifications", params=agent)).json()
        assert {n["inbox_id"] for n in found["items"]} == caller.reads, name
        assert found["unread"] == len(caller.reads) if caller.principal.agent_id else len(SHARED), name


async def test_a_move_names_an_inbox_to_those_alone_who_may_read_it(desk: DeskBench) -> None:
    """A conversation that was once moved to sales, and to an inbox that became private, and is in support again."""
    there = conversation_of("support")
    for left, inbox in (("support", "sales"), ("sales", "own"), ("own", "support")):
        moved = f.ConversationRouted(actor=ANA, inbox_id=inbox, previous_inbox_id=left, configuration_version=2)
        await desk.happens(moved, there, cause=f"moved-to-{inbox}")
    names = {i.id: i.name for i in staffed().inboxes}
    for name in ("admin", "auditor", "sends as support", "token of the house"):
        caller = CALLERS[name]
        async with desk.client(f"token-of-{name}") as client:
            for page in (f"/panes/conversation/{there}", f"/conversations/{there}", "/overview"):
                answer = await client.get(page)
                assert_no_canary(caller, page, answer)
                if page == "/overview" and answer.status_code != 200:
                    continue
                said = {i for i in INBOXES if f"moved it to {names[i]}" in re.sub("<[^>]*>", "", answer.text)}
                assert said == caller.reads & {"support", "sales"}, (name, page)
                assert "moved it to another inbox" in re.sub("<[^>]*>", "", answer.text), (name, page)


async def test_the_canaries_are_there_to_be_found(desk: DeskBench) -> None:
    async with desk.client("token-of-owner of a private inbox") as client:
        own = f"/api/v1/conversations/{conversation_of('own')}"
        text = (await client.get(own)).text
        for path in ("/messages/m-own/original", "/messages/m-own/html", "/messages/m-own/attachments/0"):
            text += (await client.get(own + path)).text
        text += (await client.get("/conversations")).text
    wanted = ("subject", "body", "name", "address", "file", "note", "tag", "raw", "html", "blob")
    assert [where for where in wanted if canary("own", where) not in text] == []
