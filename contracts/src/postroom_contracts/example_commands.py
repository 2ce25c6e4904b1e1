"""Golden examples of what stands on `inbound-messages`, `conversation-commands` and `configuration`."""

from postroom_contracts.example_ids import (
    AGENT,
    CONTACT,
    CONVERSATION,
    CUSTOMER_TEXT,
    LEDGER,
    MESSAGE,
    NOTE,
    NOTE_TEXT,
    OTHER_CONVERSATION,
    REPLY,
    REPLY_TEXT,
    Sample,
)

_MAIL = {
    "message_id": MESSAGE,
    "ledger_id": LEDGER,
    "account_id": "shop-mail",
    "inbox_id": "support",
    "channel": "email",
    "source_of_contact": "support",
    "external_id": "CAF7x2b9Qw@mail.example.org",
    "in_reply_to": [],
    "references": [],
    "sender": {"address": "ana.duarte@example.org", "name": "Ana Duarte"},
    "to": [{"address": "support@velo.example", "name": "Velo Support"}],
    "envelope_recipients": ["support@velo.example"],
    "subject": "Gears slip on my new bike",
    "text": "Hello,\nthe gears of order 20417 slip on every climb. Can I bring it in on Saturday?\nAna",
    "body_bytes": 48213,
    "content": CUSTOMER_TEXT,
    "attachments": [
        {
            "filename": "gears.jpg",
            "content_type": "image/jpeg",
            "body_bytes": 31877,
            "sha256": "5f4dcc3b5aa765d61d8327deb882cf99a2c2b6d1f5d3c1c0b7e1b9f0c3a4d5e6",
            "blob_id": "f18c40d2-7b96-5e03-a4d8-2c5b9e71f063",
        }
    ],
    "authentication": {"dmarc": "pass"},
    "received_at": "2026-03-06T14:02:11.000Z",
    "ingested_at": "2026-03-06T14:02:12.480Z",
}
_AT = "2026-03-06T14:20:00.000Z"
_SEEN = {"actor": AGENT, "expected_sequence": 3}

CONFIGURATION = {
    "company": {"name": "Velo", "default_calendar": "shop", "domain": "velo.example"},
    "calendars": [
        {
            "id": "shop",
            "time_zone": "Europe/Lisbon",
            "hours": {"mon": [{"start": "09:00:00", "end": "13:00:00"}, {"start": "14:00:00", "end": "18:00:00"}]},
            "holidays": ["2026-12-25"],
        }
    ],
    "accounts": [
        {
            "id": "shop-mail",
            "channel": "email",
            "imap": {"host": "imap.velo.example", "user": "support", "password": {"env": "SHOP_MAIL_PASSWORD"}},
            "smtp": {"host": "smtp.velo.example", "user": "support", "password": {"env": "SHOP_MAIL_PASSWORD"}},
        },
        {"id": "shop-forms", "channel": "webhook", "secrets": [{"file": "/run/secrets/forms"}]},
    ],
    "inboxes": [
        {
            "id": "support",
            "name": "Support",
            "account": "shop-mail",
            "address": "support@velo.example",
            "teams": ["workshop"],
        }
    ],
    "teams": [{"id": "workshop", "name": "Workshop", "members": ["mira"], "assignment": "round_robin"}],
    "agents": [{"id": "mira", "first_name": "Mira", "email": "mira@velo.example", "capacity": 20}],
    "policies": [{"id": "standard", "first_response_seconds": 14400}],
    "rules": [
        {
            "id": "gears",
            "when": {"any": [{"field": "subject", "operator": "contains", "value": "gear"}]},
            "then": {"add_tags": ["gears"], "policy": "standard"},
        }
    ],
}

SAMPLES: dict[str, Sample] = {
    "InboundReceived": Sample("2026-03-06T14:02:12.480Z", _MAIL, cause=LEDGER),
    "ConfigurationApplied": Sample(
        "2026-03-06T08:00:00.000Z",
        {
            "configuration_version": 4,
            "applied_at": "2026-03-06T08:00:00.000Z",
            "applied_by": "config apply",
            "configuration": CONFIGURATION,
        },
    ),
    "AcceptMessage": Sample(
        "2026-03-06T14:02:12.510Z",
        {"inbound": _MAIL, "claimed_ids": ["9c56cc51b374c3ba189210d5b6d4bf57790d351c"]},
        cause=MESSAGE,
    ),
    "SendReply": Sample(
        _AT,
        {**_SEEN, "message_id": REPLY, "content": REPLY_TEXT, "via": "console", "then": "resolve"},
    ),
    "CancelReply": Sample("2026-03-06T14:20:04.000Z", {"actor": AGENT, "message_id": REPLY}),
    "RefuseAnswer": Sample(
        _AT,
        {**_SEEN, "message_id": REPLY, "reason": "not_authentic", "content": REPLY_TEXT},
        cause=LEDGER,
    ),
    "AddNote": Sample(_AT, {"actor": AGENT, "message_id": NOTE, "content": NOTE_TEXT, "mentions": ["jonas"]}),
    "StartConversation": Sample(
        _AT,
        {
            "actor": AGENT,
            "message_id": REPLY,
            "inbox_id": "support",
            "to": [{"address": "ana.duarte@example.org", "name": "Ana Duarte"}],
            "content": REPLY_TEXT,
            "configuration_version": 4,
        },
    ),
    "ResolveConversation": Sample(_AT, _SEEN),
    "ReopenConversation": Sample(_AT, _SEEN),
    "SnoozeConversation": Sample(_AT, {**_SEEN, "until": "2026-03-09T09:00:00.000Z"}),
    "WakeConversation": Sample(
        "2026-03-09T09:00:00.120Z",
        {"generation": 1, "due_at": "2026-03-09T09:00:00.000Z"},
        cause="timer-snooze-3d1f7c52",
    ),
    "SetWaiting": Sample(_AT, _SEEN),
    "ArchiveConversation": Sample(_AT, _SEEN),
    "DeleteConversation": Sample(_AT, _SEEN),
    "RestoreConversation": Sample(_AT, _SEEN),
    "MarkSpam": Sample(_AT, _SEEN),
    "UnmarkSpam": Sample(_AT, _SEEN),
    "MergeConversations": Sample(_AT, {**_SEEN, "target_id": OTHER_CONVERSATION}),
    "AbsorbConversation": Sample(
        _AT,
        {
            "source_id": OTHER_CONVERSATION,
            "message_ids": [MESSAGE],
            "contact_ids": [CONTACT],
            "tags": ["gears"],
            "open_turn_started_at": "2026-03-06T14:02:11.000Z",
            "last_customer_content": CUSTOMER_TEXT,
            "last_customer_message_id": MESSAGE,
            "actor": AGENT,
        },
    ),
    "SplitConversation": Sample(_AT, {**_SEEN, "message_id": MESSAGE, "new_conversation_id": OTHER_CONVERSATION}),
    "OpenSplit": Sample(
        _AT,
        {
            "source_id": OTHER_CONVERSATION,
            "message_ids": [MESSAGE],
            "actor": AGENT,
            "inbox_id": "support",
            "channel": "email",
            "contact_ids": [CONTACT],
            "tags": ["gears"],
            "team_id": "workshop",
            "unanswered": {MESSAGE: "2026-03-06T14:02:11.000Z"},
            "last_customer_content": CUSTOMER_TEXT,
            "last_customer_message_id": MESSAGE,
            "last_customer_contact_id": CONTACT,
        },
    ),
    "WatchConversation": Sample(_AT, {"actor": AGENT, "agent_id": "mira"}),
    "UnwatchConversation": Sample(_AT, {"actor": AGENT, "agent_id": "mira"}),
    "TagConversation": Sample(_AT, {"actor": AGENT, "add": ["warranty"], "remove": ["gears"]}),
    "RouteConversation": Sample(_AT, {"actor": AGENT, "team_id": "workshop", "priority": "high"}),
    "EraseContact": Sample(_AT, {"actor": AGENT, "contact_id": CONTACT}),
    "ClaimConversation": Sample(_AT, {"actor": AGENT, "epoch": 1, "agent_id": "mira"}),
    "AssignConversation": Sample(_AT, {"actor": AGENT, "epoch": 2, "agent_id": "jonas", "team_id": "workshop"}),
    "AssignFromQueue": Sample(
        _AT, {"epoch": 1, "attempt": 2, "team_id": "workshop"}, cause=f"{CONVERSATION}-queue-1-2"
    ),
    "CheckDeadline": Sample(
        "2026-03-06T18:00:00.090Z",
        {"deadline": "first_response", "generation": 1, "due_at": "2026-03-06T18:00:00.000Z"},
        cause="timer-deadline-3d1f7c52",
    ),
}
