"""From views to the API's answers. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from postroom_contracts.configuration import Configuration
from postroom_contracts.values import Actor, Status

from postroom_desk.api import models as m
from postroom_desk.domain.apply import short_name
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.pictures import has_remote_pictures
from postroom_desk.ports import CountRow
from postroom_desk.reading import Ownership, Row, Thread, ThreadMessage, summed

BASE = "/api/v1"


def href(conversation_id: str) -> str:
    return f"{BASE}/conversations/{conversation_id}"


def agent_name(configuration: Configuration, agent_id: str | None) -> str:
    agent = configuration.agent(agent_id)
    return f"{agent.first_name} {agent.last_name}".strip() if agent else (agent_id or "")


def actor_name(configuration: Configuration, actor: Actor, customer: str = "") -> str:
    """Return how people call the actor: an agent's name, the customer's name if known, else its kind."""
    if actor.kind == "agent":
        return agent_name(configuration, actor.id)
    return (customer or "Customer") if actor.kind == "customer" else actor.kind.capitalize()


def row_fields(row: Row) -> dict[str, Any]:
    view = row.view
    return {
        "id": row.id,
        "href": href(row.id),
        "etag": view.etag,
        "position": view.position,
        "status": view.status,
        "archived": view.archived,
        "inbox_id": view.inbox_id,
        "channel": view.channel,
        "team_id": view.team_id,
        "owner_id": view.owner_id,
        "priority": view.priority,
        "tags": view.tags,
        "subject": row.subject,
        "contact": m.Contact(**row.contact),
        "preview": row.preview,
        "received": view.received,
        "sent": view.sent,
        "opened_at": view.opened_at,
        "last_activity_at": view.last_activity_at,
        "last_activity_by": view.last_activity_by,
        "waiting_since": view.waiting_since,
        "queued_at": view.queued_at,
    }


def is_unread(row: m.ConversationRow, read_at: datetime | None, agent_id: str) -> bool:
    """Say whether something happened that this agent did not do and has not read."""
    return row.last_activity_by != agent_id and (read_at is None or read_at < row.last_activity_at)


def conversation(thread: Thread, configuration: Configuration) -> m.Conversation:
    view = thread.view
    row = Row(thread.id, view, thread.subject, thread.contact, "")
    messages = [message(thread.id, item, configuration) for item in thread.messages]
    if messages:
        public = [x for x in messages if x.kind != "note"] or messages
        row = Row(thread.id, view, thread.subject, thread.contact, " ".join(public[-1].new_text.split())[:160])
    return m.Conversation(
        **row_fields(row),
        epoch=view.epoch,
        router_sequence=view.router_sequence,
        contact_ids=view.contact_ids,
        watchers=view.watchers,
        source_of_contact=view.source_of_contact,
        rules=view.rules,
        policy_id=view.policy_id,
        configuration_version=view.configuration_version,
        turn_open=view.turn_open,
        snoozed_until=view.snoozed_until,
        resolved_at=view.resolved_at,
        merged_into=view.merged_into,
        split_from=view.split_from,
        absorbed=view.absorbed,
        breached=view.breached,
        ownership=_ownership(thread.ownership, configuration),
        notifications=[m.NotificationShown(**n.model_dump()) for n in view.notifications],
        event_counts=view.event_counts,
        message_count=thread.cut.total,
        messages=messages,
        earlier_cursor=earlier_cursor(thread),
    )


def earlier_cursor(thread: Thread) -> str | None:
    """Return the message before which those stand that are not shown yet; None: there are none."""
    return thread.messages[0].view.message_id if thread.cut.earlier and thread.messages else None


def _ownership(ownership: Ownership | None, configuration: Configuration) -> m.OwnershipShown | None:
    if ownership is None:
        return None
    actor = Actor.model_validate(ownership.actor) if ownership.actor else None
    return m.OwnershipShown(
        outcome=ownership.outcome,
        reason=ownership.reason,
        at=ownership.at,
        actor=m.ActorShown(kind=actor.kind, id=actor.id, name=actor_name(configuration, actor)) if actor else None,
        team_id=ownership.team_id,
        record=ownership.record,
        candidates=[
            m.CandidateShown(name=agent_name(configuration, c.agent_id), **c.model_dump())
            for c in (ownership.record.candidates if ownership.record else ())
        ],
    )


def _contacts(addresses: Iterable[Mapping[str, Any]] | None) -> list[m.Contact]:
    return [m.Contact(address=str(a.get("address") or ""), name=str(a.get("name") or "")) for a in addresses or ()]


def message(conversation_id: str, item: ThreadMessage, configuration: Configuration) -> m.MessageShown:
    view, content = item.view, item.content
    sender = next(iter(_contacts([content["from"]] if content.get("from") else None)), None)
    base = f"{href(conversation_id)}/messages/{view.message_id}"
    text = str(content.get("text") or "")
    customer = (sender.name or sender.address) if sender else ""
    return m.MessageShown(
        message_id=view.message_id,
        kind=view.kind,
        message_kind=view.message_kind,
        at=view.at,
        actor=m.ActorShown(
            kind=view.actor.kind, id=view.actor.id, name=actor_name(configuration, view.actor, customer)
        ),
        automatic=view.automatic,
        from_stranger=view.from_stranger,
        via=view.via,
        subject=str(content.get("subject") or ""),
        sender=sender,
        forwarded_by=next(iter(_contacts([content["forwarded_by"]] if content.get("forwarded_by") else None)), None),
        to=_contacts(content.get("to")),
        cc=_contacts(content.get("cc")),
        text=text,
        new_text=str(content.get("reply_text") or text),
        html_href=f"{base}/html" if content.get("html") else None,
        remote_pictures=has_remote_pictures(str(content.get("html") or "")),
        original_href=f"{base}/original" if content.get("raw_blob_id") else None,
        attachments=_attachments(base, content),
        delivery=view.delivery,
        delivery_at=view.delivery_at,
        delivery_reason=view.delivery_reason,
        send_at=view.send_at,
        reply_kind=view.reply_kind,
        approved_by=view.approved_by,
        went_to=item.went_to,
        conversation_id=item.source_id,
        erased=view.erased or not content,
    )


def _attachments(base: str, content: Mapping[str, Any]) -> list[m.AttachmentShown]:
    return [
        m.AttachmentShown(
            filename=str(a.get("filename") or "attachment"),
            content_type=str(a.get("content_type") or "application/octet-stream"),
            body_bytes=int(a.get("body_bytes") or 0),
            inline=bool(a.get("inline")),
            href=f"{base}/attachments/{n}",
        )
        for n, a in enumerate(content.get("attachments") or ())
    ]


def short(event: LoggedEvent) -> str:
    """Return the fact's name in short, such as `message-received`."""
    return short_name(event.type)


def logged(event: LoggedEvent) -> m.LoggedEventShown:
    return m.LoggedEventShown(
        position=str(event.position),
        recorded_at=datetime.fromtimestamp(event.timestamp_ms / 1000, UTC),
        event=event.cloud_event(),
    )


def overview(rows: list[CountRow], configuration: Configuration, readable: frozenset[str]) -> m.Overview:
    """Return the numbers of the moment; every team has its queue, every readable inbox its count, empty or not."""
    by_status = {s: summed(r for r in rows if r.status == s and not r.archived) for s in Status}
    open_rows = [r for r in rows if r.status == Status.OPEN]
    teams: dict[str | None, str] = {t.id: t.name for t in configuration.teams}
    teams |= {r.team_id: r.team_id or "No team" for r in open_rows if r.team_id not in teams}
    counted = [r for r in rows if r.status != Status.MERGED]
    inboxes = {
        i.id: summed(r for r in open_rows if r.inbox_id == i.id) for i in configuration.inboxes if i.id in readable
    }
    return m.Overview(
        open=by_status[Status.OPEN],
        unassigned=summed(r for r in open_rows if not r.owned),
        waiting=by_status[Status.WAITING],
        snoozed=by_status[Status.SNOOZED],
        resolved=by_status[Status.RESOLVED],
        spam=by_status[Status.SPAM],
        total=summed(counted),
        received=sum(r.received for r in rows),
        sent=sum(r.sent for r in rows),
        queues=[_queue(team_id, name, open_rows) for team_id, name in teams.items()],
        inboxes=inboxes,
    )


def _queue(team_id: str | None, name: str, open_rows: list[CountRow]) -> m.Queue:
    mine = [r for r in open_rows if r.team_id == team_id]
    return m.Queue(team_id=team_id, name=name, waiting=summed(r for r in mine if not r.owned), open=summed(mine))


def company(configuration: Configuration, version: int, agent_id: str | None) -> m.Company:
    """Return what `agent_id` (None: the house) works with: others' private inboxes do not exist."""
    return m.Company(
        version=version,
        name=configuration.company.name,
        inboxes=[
            m.InboxShown(id=i.id, name=i.name, address=i.address)
            for i in configuration.inboxes
            if i.owner is None or i.owner == agent_id
        ],
        teams=[m.Named(id=t.id, name=t.name) for t in configuration.teams],
        agents=[
            m.AgentShown(
                id=a.id,
                name=agent_name(configuration, a.id),
                title=a.title,
                teams=[t.id for t in configuration.teams if a.id in t.members],
            )
            for a in configuration.agents
            if a.enabled
        ],
        tags=[m.Named(id=t.id, name=t.name or t.id) for t in configuration.tags],
    )
