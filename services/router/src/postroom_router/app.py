"""The router as a service: two consumers and the timer of snoozes, connected to their stores."""

from postroom_contracts.commands import WakeConversation
from postroom_contracts.registry import commands_handled_by
from postroom_runtime.documents import MongoDocumentStore
from postroom_runtime.fold import Fold
from postroom_runtime.held import HeldKeys
from postroom_runtime.service import Runtime
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.stores import Stores
from postroom_runtime.timers import DueTimer, TimerLoop

from postroom_router.adapters.claims import MongoClaims
from postroom_router.adapters.contacts import MongoContacts
from postroom_router.adapters.erasures import MongoAcquaintances, MongoErasures
from postroom_router.adapters.merges import MongoMerges
from postroom_router.adapters.snoozes import MongoSnoozes, MongoTargets
from postroom_router.api import application
from postroom_router.companies import Companies
from postroom_router.decider import Batch, ConversationDecider
from postroom_router.domain.conversation import Conversation
from postroom_router.erasure import ErasureLoop
from postroom_router.measuring import MeasuredRouting
from postroom_router.settings import RouterSettings
from postroom_router.thread import ThreadStep

FOREIGN_COMMANDS = frozenset(name.encode() for name in commands_handled_by("assigner"))
"""They share the topic, so that one conversation's requests stand in one order; the assigner decides them."""


def wake_command(timer: DueTimer, late: bool) -> WakeConversation:
    return WakeConversation(generation=timer.generation, due_at=timer.due_at, late=late)


class Router:
    """The service's definition, found by the entry point `postroom.services`."""

    name = "router"
    needs_configuration = True

    def settings(self) -> RuntimeSettings:
        return RouterSettings()

    async def prepare(self, stores: Stores) -> None:
        database = stores.database
        await MongoContacts(database["contacts"]).prepare()
        await MongoMerges(stores.client, database["merges"]).prepare()
        await MongoSnoozes(database["conversations"]).prepare()

    async def build(self, runtime: Runtime) -> None:
        """Register consumers and the timer loop."""
        database, keys = runtime.database, runtime.settings.keys()
        companies = Companies(runtime.configurations)
        conversations = database["conversations"]
        contacts = MongoContacts(database["contacts"], keys=keys)
        erasures = MongoErasures(database["erasures"])
        merges = MongoMerges(runtime.mongo_client, database["merges"])
        snoozes = MongoSnoozes(conversations)
        claims = MongoClaims(database["thread_claims"])
        thread = ThreadStep(
            claims=claims,
            publisher=runtime.publisher,
            clock=runtime.clock,
            company=companies.latest,
            keys=keys,
        )
        fold: Fold[Conversation, Batch] = Fold(
            service=self.name,
            decider=ConversationDecider(
                companies=companies,
                contacts=contacts,
                merges=merges,
                targets=MongoTargets(conversations),
                content=runtime.content,
                claims=claims,
                clock=runtime.clock,
                keys=keys,
                erasures=erasures,
            ),
            store=MongoDocumentStore(conversations, Conversation),
            publisher=runtime.publisher,
            clock=runtime.clock,
            models=commands_handled_by("router"),
        )
        timers = TimerLoop(
            service=self.name,
            source=snoozes,
            command=wake_command,
            publisher=runtime.publisher,
            leases=runtime.leases,
            clock=runtime.clock,
            lag_seconds=runtime.lag_seconds,
            held=HeldKeys(runtime.database, "router-decide"),
        )
        await runtime.consume("router-thread", thread)
        await runtime.consume("router-decide", MeasuredRouting(fold, runtime.clock), ignored_types=FOREIGN_COMMANDS)
        runtime.background("timers", timers.run)
        own = runtime.settings if isinstance(runtime.settings, RouterSettings) else RouterSettings()
        erasing = ErasureLoop(
            erasures=erasures,
            contacts=contacts,
            acquaintances=MongoAcquaintances(conversations),
            claims=claims,
            commands=runtime.publisher,
            leases=runtime.leases,
            clock=runtime.clock,
            settle_seconds=own.erasure_settle_seconds,
        )
        runtime.background("erasures", erasing.run)
        runtime.serve(application(erasures, keys))
