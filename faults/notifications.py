"""Who must have got which mail, worked out from the log, and compared with what lies in the mailboxes."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from faults.evidence import Evidence, Findings, Log, Mailed
from faults.records import Record

Due = tuple[str, str, str]
"""Kind of notification, agent, id of the event that caused it."""
LOOP_LIMIT = 10
"""Mails that leave a conversation by themselves within ten minutes, which is longer than a run."""


def due_notifications(records: Sequence[Record]) -> list[Due]:
    """Return what one conversation's events, in order, have agents told: a new owner, each further mail, a refusal."""
    owner, epoch = None, 0
    due: list[Due] = []
    for record in records:
        data = record.data
        match record.type:
            case "conversation-assigned" if data["epoch"] >= epoch:
                if data["agent_id"] != owner:
                    due.append(("assigned", data["agent_id"], record.id))
                owner, epoch = data["agent_id"], data["epoch"]
            case "conversation-queued" | "conversation-unassigned" if data["epoch"] >= epoch:
                owner, epoch = None, data["epoch"]
            case "conversation-merged":
                owner = None
            case "message-received" if owner and not data.get("opened") and data["message_kind"] == "message":
                due.append(("replied", owner, record.id))
            case "request-refused" if data.get("via") == "mail" and data["reason"] != "automatic":
                due.append(("refused", data["actor"]["id"], record.id))
    return due


def check_notifications(evidence: Evidence, log: Log, findings: Findings) -> None:
    """Each agent got each notification, and each by one delivery."""
    said: dict[Due, list[Record]] = defaultdict(list)
    for record in log.of_type("notification-sent"):
        data = record.data
        said[data["notification"], data["agent_id"], data["cause_id"]].append(record)
    boxes = _by_delivery(evidence.mailed)
    limited: set[Due] = set()
    for records in log.by_conversation.values():
        limited |= (over := _over_the_limit(records))
        for due in due_notifications(records):
            if due not in over:
                _compare(f"notification {' '.join(due)}", said.pop(due, []), findings)
    findings.duplicate_effects += [f"notification {' '.join(due)} was owed to nobody" for due in said]
    for record in log.of_type("notification-sent"):
        wanted = evidence.agents.get(record.data["agent_id"], "")
        _one_mail(record, boxes.pop(record.data["delivery_id"], []), wanted, findings)
    _check_unsaid(log, boxes, limited, findings)


def _over_the_limit(records: Sequence[Record]) -> set[Due]:
    """Return what one conversation left unsent because ten mails had left it by themselves, if indeed ten have."""
    if sum(record.type == "notification-sent" for record in records) < LOOP_LIMIT:
        return set()
    failed = (r.data for r in records if r.type == "notification-failed" and r.data.get("reason") == "loop_limit")
    return {(data["notification"], data["agent_id"], data["cause_id"]) for data in failed}


def _by_delivery(mailed: Sequence[Mailed]) -> dict[str, list[Mailed]]:
    found: dict[str, list[Mailed]] = defaultdict(list)
    for mail in mailed:
        found[mail.delivery].append(mail)
    return found


def _compare(what: str, facts: Sequence[Record], findings: Findings) -> None:
    if not facts:
        findings.lost.append(f"{what} was never sent")
    elif len(facts) > 1:
        findings.duplicate_effects.append(f"{what} was sent {len(facts)} times")


def _one_mail(record: Record, mails: Sequence[Mailed], recipient: str, findings: Findings) -> None:
    """A delivery is one mail, in the box that it was meant for; copies of it have its Message-ID."""
    what = f"{record.type} {record.data['delivery_id']}"
    if not mails:
        findings.lost.append(f"{what}: in no mailbox")
    if len({mail.message_id for mail in mails}) > 1:
        findings.duplicate_effects.append(f"{what}: two Message-IDs")
    wrong = {mail.recipient for mail in mails if recipient and mail.recipient != recipient}
    findings.duplicate_effects += [f"{what}: lies with {other}" for other in wrong]


def _check_unsaid(log: Log, boxes: Mapping[str, list[Mailed]], limited: set[Due], findings: Findings) -> None:
    """A mail of which no fact tells: either it is one too many, or the fact is lost."""
    sent = {record.data["delivery_id"] for record in log.of_type("message-sent")}
    for delivery, mails in boxes.items():
        if delivery not in sent:
            findings.lost.append(f"no event tells of the mail {mails[0].message_id} to {mails[0].recipient}")
    for record in log.of_type("notification-failed", "message-failed"):
        data = record.data
        if (data.get("notification"), data.get("agent_id"), data.get("cause_id")) in limited:
            continue
        findings.lost.append(f"{record.type} {record.data['delivery_id']}: {record.data.get('reason')}")


def check_replies(evidence: Evidence, log: Log, findings: Findings) -> None:
    """Each accepted reply reached its customer, and each answer of an agent became a reply or was given back: one thing."""
    boxes = _by_delivery(evidence.mailed)
    sent: dict[str, list[Record]] = defaultdict(list)
    for record in log.of_type("message-sent"):
        sent[record.data["message_id"]].append(record)
    for record in log.of_type("reply-accepted"):
        facts = sent.pop(record.data["message_id"], [])
        _compare(f"reply {record.data['message_id']}", facts, findings)
        for fact in facts:
            _one_mail(fact, boxes.get(fact.data["delivery_id"], []), "", findings)
    findings.duplicate_effects += [f"reply {message} was sent, and nobody accepted it" for message in sent]
    _check_answers(evidence, log, findings)
    _check_customers(evidence, log, findings)


def _held_back(evidence: Evidence, log: Log) -> Counter[str]:
    """Return how many refusals the loop limit kept from each agent's mailbox: the desk shows them, no mail does."""
    failed = (record.data for record in log.of_type("notification-failed"))
    limited = (d for d in failed if d.get("notification") == "refused" and d.get("reason") == "loop_limit")
    return Counter(evidence.agents.get(data["agent_id"], "") for data in limited)


def _check_answers(evidence: Evidence, log: Log, findings: Findings) -> None:
    held_back = _held_back(evidence, log)
    outcomes: dict[str, set[str]] = defaultdict(set)
    for mail in evidence.mailed:
        if mail.answer_token is not None:
            outcomes[mail.answer_token].add(mail.message_id)
    for answer in evidence.answers:
        count = len(outcomes[answer.token])
        if count == 0 and held_back[answer.agent] > 0:
            held_back[answer.agent] -= 1
        elif count == 0:
            findings.lost.append(f"answer {answer.token} of {answer.agent}: neither sent nor given back")
        elif count > 1:
            findings.duplicate_effects.append(f"answer {answer.token} of {answer.agent} had {count} outcomes")


def _check_customers(evidence: Evidence, log: Log, findings: Findings) -> None:
    """A customer's mail comes from the conversation in which the mail stands that it answers, and goes to its sender."""
    senders = {mail.token: mail.sender for mail in evidence.mails}
    agents = set(evidence.agents.values())
    for mail in evidence.mailed:
        if mail.recipient in agents:
            continue
        if mail.customer_token is None or senders.get(mail.customer_token) != mail.recipient:
            findings.misthreaded.append(f"mail {mail.message_id} went to {mail.recipient}, who did not ask")
        elif mail.conversation not in log.by_conversation:
            findings.misthreaded.append(f"mail {mail.message_id} comes from an unknown conversation")
