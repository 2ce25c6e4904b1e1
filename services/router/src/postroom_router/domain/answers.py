"""Mail to a keyed answer address: a reply of that agent, a refused one, or ordinary mail with no agent's power."""

from dataclasses import dataclass

from postroom_contracts.commands import RefuseAnswer, SendReply
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.signed_ids import looks_like_answer_key, read_answer_key
from postroom_contracts.thread_keys import normalised_address, plus_part, without_plus
from postroom_contracts.values import Actor

from postroom_router.domain.company import Company

_PROBLEMS = {"empty": "empty_text"}


@dataclass(frozen=True, slots=True)
class Ordinary:
    """Inbound mail. `marked`: it holds a key that is not valid for its sender, or was written by a machine."""

    marked: bool = False


@dataclass(frozen=True, slots=True)
class Answered:
    """A command for the conversation that the valid key names."""

    conversation_id: str
    command: SendReply | RefuseAnswer


def answer_of(inbound: InboundReceived, company: Company, keys: tuple[bytes, ...]) -> Ordinary | Answered:
    """Return what a mail to the answer address is.

    The key must have been made for the agent whose configured address is the sender. Then: not expired when it was
    received, authentic (DMARC passed, or an account to which only our own people deliver), its text usable; a fault in
    one of these is a refusal, of which the agent is told. A machine's answer is kept as ordinary, marked mail: telling
    somebody of it would only make that machine write again. So is imported history: what it asked for was done then.
    """
    given = answer_keys(inbound, company.answer_address)
    if not given:
        return Ordinary()
    agent = company.agents.get(normalised_address(inbound.sender.address))
    if inbound.imported or agent is None or inbound.automatic is not None or inbound.message_kind != "message":
        return Ordinary(marked=True)
    key = next((k for value in given if (k := read_answer_key(value, agent.id, keys))), None)
    if key is None:
        return Ordinary(marked=True)
    actor = Actor(kind="agent", id=agent.id)
    reason = _fault(inbound, expired=inbound.received_at >= key.expires_at)
    if reason is not None or inbound.answer is None:
        refusal = RefuseAnswer(
            actor=actor,
            expected_sequence=key.sequence,
            message_id=inbound.message_id,
            reason=reason or "empty_text",
            content=inbound.answer or inbound.content,
        )
        return Answered(key.conversation_id, refusal)
    reply = SendReply(
        actor=actor,
        expected_sequence=key.sequence,
        message_id=inbound.message_id,
        content=inbound.answer,
        via="mail",
        configuration_version=company.version,
    )
    return Answered(key.conversation_id, reply)


def answer_keys(inbound: InboundReceived, answer_address: str | None) -> list[str]:
    """Return what looks like a key in the recipients that are our answer address; where it was delivered comes first."""
    if answer_address is None:
        return []
    named = (a.address for a in (*inbound.to, *inbound.cc))
    parts = (
        plus_part(address)
        for address in (*inbound.envelope_recipients, *named)
        if "+" in address and without_plus(address) == answer_address
    )
    return list(dict.fromkeys(part for part in parts if part and looks_like_answer_key(part)))


def _fault(inbound: InboundReceived, *, expired: bool) -> str | None:
    if expired:
        return "expired_key"
    if inbound.authentication.dmarc != "pass" and not inbound.authentication.internal_account:
        return "not_authentic"
    if inbound.answer_problem:
        return _PROBLEMS.get(inbound.answer_problem, inbound.answer_problem)
    return None
