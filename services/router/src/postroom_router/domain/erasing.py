"""Erasing a person: what they wrote is named in a fact, and their address forgotten; no number changes."""

from postroom_contracts.commands import EraseContact
from postroom_contracts.facts import ContentErased

from postroom_router.domain.conversation import Conversation, written_by
from postroom_router.domain.outcome import Asked, Outcome, Passed, World, outcome, refused


def erase(state: Conversation, request: EraseContact, asked: Asked, _: World) -> Outcome:
    """Return the conversation without this person. One that was merged erases its own part and passes the request on.

    Asked again it names the same messages again: a text that could not be deleted the first time is deleted now.
    """
    contact_id = request.contact_id
    onward = [Passed(state.merged_into, request, asked.request_id)] if state.merged_into else []
    written = written_by(state, contact_id)
    if not written and contact_id not in state.participants:
        return Outcome(state, commands=onward) if onward else refused(state, request, asked, "not_found")
    fact = ContentErased(
        contact_id=contact_id,
        message_ids=[message_id for message_id, _ in written],
        ledger_ids=list(dict.fromkeys(ledger_id for _, ledger_id in written)),
    )
    return outcome(
        state,
        fact,
        commands=onward,
        participants={c: "" if c == contact_id else a for c, a in state.participants.items()},
        erased=list(dict.fromkeys([*state.erased, contact_id])),
    )
