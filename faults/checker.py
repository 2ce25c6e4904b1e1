"""The count: every mail in one conversation, the right one, with one owner, and everything that follows from it once.

It knows nothing of the product but what other systems may know: the events as they are documented, and mail.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Mapping

from faults.evidence import SENDS_IN_FLIGHT, Evidence, Findings, Log
from faults.notifications import check_notifications, check_replies
from faults.reading import CUSTOMER_TOKEN
from faults.records import Record

ASSIGNER_FACTS = ("conversation-assigned", "conversation-queued", "conversation-unassigned")


def check(evidence: Evidence) -> Findings:
    """Return all that is not as it must be."""
    log = Log(evidence.events)
    findings = Findings()
    homes = check_mails(evidence, log, findings)
    check_threads(evidence, homes, findings)
    check_merges(log, findings)
    check_owners(log, findings)
    check_numbers(evidence, log, findings)
    check_notifications(evidence, log, findings)
    check_replies(evidence, log, findings)
    check_repeats(evidence, findings)
    findings.lost += ["a record lies among the dead letters"] * evidence.parked
    return findings


def check_mails(evidence: Evidence, log: Log, findings: Findings) -> dict[str, str]:
    """Each mail was taken in once and stands in the log once. Return token -> conversation after merges."""
    taken_in: dict[str, set[str]] = defaultdict(set)
    senders = {mail.token: mail.sender for mail in evidence.mails}
    for record in evidence.inbound:
        named = CUSTOMER_TOKEN.search(record.data.get("subject", ""))
        if named and senders.get(named.group(0)) == record.data["sender"]["address"]:
            taken_in[named.group(0)].add(record.data["message_id"])
    received: dict[str, list[Record]] = defaultdict(list)
    for record in log.of_type("message-received"):
        received[record.data["message_id"]].append(record)
    homes: dict[str, str] = {}
    for token in senders:
        messages = taken_in.get(token, set())
        facts = [record for message in messages for record in received.pop(message, [])]
        if not facts:
            findings.lost.append(f"mail {token}: {'never accepted' if messages else 'never taken in'}")
            continue
        if len(facts) > 1:
            where = ", ".join(f"{r.subject} #{r.sequence}" for r in facts)
            findings.duplicate_effects.append(f"mail {token} was received {len(facts)} times: {where}")
        homes[token] = log.final(facts[0].subject)
        elsewhere = {log.final(r.subject) for r in facts} - {homes[token]}
        findings.misthreaded += [f"mail {token} also stands in {other}" for other in elsewhere]
    findings.received = len(homes)
    for message, facts in received.items():
        findings.duplicate_effects.append(f"message {message} in {facts[0].subject} belongs to no mail that was sent")
    return homes


def check_threads(evidence: Evidence, homes: Mapping[str, str], findings: Findings) -> None:
    """All mails of a thread stand in one conversation, and no other's in that."""
    conversations: dict[int, Counter[str]] = defaultdict(Counter)
    threads: dict[str, Counter[int]] = defaultdict(Counter)
    placed = [(mail, homes[mail.token]) for mail in evidence.mails if mail.token in homes]
    for mail, conversation in placed:
        conversations[mail.thread][conversation] += 1
        threads[conversation][mail.thread] += 1
    right = {thread: found.most_common(1)[0][0] for thread, found in conversations.items()}
    owner = {conversation: found.most_common(1)[0][0] for conversation, found in threads.items()}
    for mail, conversation in placed:
        if right[mail.thread] != conversation or owner[conversation] != mail.thread:
            findings.misthreaded.append(f"mail {mail.token} of thread {mail.thread} stands in {conversation}")


def check_merges(log: Log, findings: Findings) -> None:
    """What was closed for another was taken in there, once."""
    absorbed: dict[str, list[Record]] = defaultdict(list)
    for record in log.of_type("conversation-absorbed"):
        absorbed[record.data["source_id"]].append(record)
    for source in log.merged:
        facts = absorbed.pop(source, [])
        if not any(log.final(fact.subject) == log.final(source) for fact in facts):
            findings.lost.append(f"conversation {source} was merged, and {log.merged[source]} did not take it in")
        if len(facts) > 1:
            findings.duplicate_effects.append(f"conversation {source} was taken in {len(facts)} times")
        if log.final(source) in log.merged:
            findings.lost.append(f"conversation {source} was merged in a circle")
    findings.duplicate_effects += [f"conversation {source} was taken in without a merge" for source in absorbed]


def check_owners(log: Log, findings: Findings) -> None:
    """The highest epoch of each conversation that lives says one thing: who owns it."""
    for conversation, records in log.by_conversation.items():
        if conversation in log.merged:
            continue
        epochs: dict[int, list[Record]] = defaultdict(list)
        for record in records:
            if record.type in ASSIGNER_FACTS:
                epochs[record.data["epoch"]].append(record)
        last = epochs[max(epochs)] if epochs else []
        if [record.type for record in last] != ["conversation-assigned"]:
            said = ", ".join(f"{r.type} #{r.sequence}" for r in last) or "nothing"
            findings.without_owner.append(f"conversation {conversation}: its last epoch says {said}")


def check_numbers(evidence: Evidence, log: Log, findings: Findings) -> None:
    """Per conversation and source the numbers are 1, 2, 3 ..., each of one event; a repeat is the same event."""
    bodies: dict[tuple[str, str], str] = {}
    for record in evidence.events:
        body = json.dumps([record.subject, record.sequence, record.data], sort_keys=True)
        if bodies.setdefault((record.source, record.id), body) != body:
            findings.duplicate_effects.append(f"{record.type} {record.id} was published with two contents")
    numbers: dict[tuple[str, str], Counter[int]] = defaultdict(Counter)
    for record in log.distinct:
        numbers[record.subject, record.source][record.sequence] += 1
    for (subject, source), found in numbers.items():
        missing = sorted(set(range(1, max(found) + 1)) - set(found))
        findings.lost += [f"event {source} #{number} of {subject}" for number in missing]
        findings.duplicate_effects += [
            f"{count} events {source} #{number} of {subject}" for number, count in found.items() if count > 1
        ]


def check_repeats(evidence: Evidence, findings: Findings) -> None:
    """Count mails that came again with the same Message-ID, and how many may have."""
    copies = Counter((mail.recipient, mail.message_id) for mail in evidence.mailed)
    findings.repeated_mails = sum(count - 1 for count in copies.values())
    deaths = evidence.kills.get("notifier", 0) + evidence.kills.get("mail", 0)
    findings.repeated_mails_allowed = SENDS_IN_FLIGHT * deaths
