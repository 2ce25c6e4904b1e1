"""Claims on message ids that were made since MongoDB's backup, made anew from the commands that they led to.

A mail that is read again from its mailbox comes in another order than at first: without its row it would open a conversation of
its own before what it answers is there, and stand in the log with one id in two places.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from operator import itemgetter
from typing import cast

from postroom_contracts.commands import AcceptMessage
from postroom_contracts.events import Event, decode
from postroom_contracts.topics import CONVERSATION_COMMANDS
from postroom_runtime.configuration_feed import ConfigurationFeed, Configurations
from postroom_runtime.records import header_map
from postroom_runtime.recovery import Recovery
from postroom_runtime.tail import read_to_end

from postroom_router.adapters.claims import ClaimStore, MongoClaims
from postroom_router.companies import Companies
from postroom_router.domain.company import Company
from postroom_router.domain.threading import Names, Placing, Row, names_of

AT_ONCE = 200
_ACCEPT = {AcceptMessage.type_name(): AcceptMessage}


async def accepted(recovery: Recovery) -> AsyncIterator[Event]:
    """Yield the `AcceptMessage` commands since the backup, each partition in order."""
    topic = recovery.settings.topic(CONVERSATION_COMMANDS.name)
    async for record in read_to_end(recovery.settings, topic, start=recovery.since):
        headers = header_map(record)
        if (headers.get("ce_type") or b"").decode() in _ACCEPT:
            yield decode(headers, record.value, _ACCEPT)


async def claims_from_log(recovery: Recovery) -> list[str]:
    """Place every message again that was placed since the backup, in the order of then, where it was placed then.

    Raises LookupError without the signing keys: ids that were signed by them lead to conversations.
    """
    found: list[tuple[datetime, str, str, Names, str]] = []  # and not the mails themselves: there may be very many
    known: tuple[list[bytes], Company] | None = None
    async for event in accepted(recovery):
        known = known or (_keys(recovery), (await _companies(recovery)).latest())
        inbound = cast("AcceptMessage", event.data).inbound
        found.append((event.time, event.id, inbound.message_id, names_of(inbound, *known), event.subject))
    homes: dict[str, tuple[Names, str]] = {}
    for _, _, message_id, names, home in sorted(found, key=itemgetter(0, 1)):
        homes.setdefault(message_id, (names, home))
    if not homes:
        return []
    claims, made = MongoClaims(recovery.database("router")["thread_claims"]), 0
    placed = list(homes.values())
    for first in range(0, len(placed), AT_ONCE):
        made += await place_again(claims, placed[first : first + AT_ONCE])
    return [f"{made} messages have the places in threads that they had"] if made else []


async def place_again(claims: ClaimStore, homes: Sequence[tuple[Names, str]]) -> int:
    """Make the rows that are missing for messages with the conversations that they went to; return how many had none.

    What was merged then is not merged again here: those commands stand on the topic, too.
    """
    placing = Placing({})

    def place(found: dict[str, Row]) -> Mapping[str, Row]:
        placing.rows = found
        for names, home in homes:
            placing.place(names)
            if names.own in placing.made and placing.made[names.own].home != home:  # two replicas placed it at a time
                placing.made[names.own] = placing.rows[names.own] = replace(placing.made[names.own], home=home)
        return placing.made

    await claims.claim((claim for names, _ in homes for claim in names.asked), place)
    await claims.move(placing.moved)
    return sum(names.own in placing.made for names, _ in homes)


def _keys(recovery: Recovery) -> list[bytes]:
    try:
        return recovery.settings.keys()
    except ValueError as error:
        raise LookupError(f"{error}, and run it again") from error


async def _companies(recovery: Recovery) -> Companies:
    configurations = Configurations()
    feed = ConfigurationFeed(recovery.settings, configurations)
    try:
        await feed.start()
    finally:
        await feed.stop()
    return Companies(configurations)
