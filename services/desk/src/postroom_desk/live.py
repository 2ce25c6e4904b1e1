"""What happens now: facts handed to live streams and to those who wait for the fact that their request led to."""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from postroom_desk.domain.folders import FolderTable
from postroom_desk.domain.logged import LoggedEvent
from postroom_desk.domain.positions import Positions

RECENT = 20_000
"""Facts whose cause is remembered, so that a request repeated at once finds its outcome before the read model has it."""


@dataclass(frozen=True, slots=True)
class Resync:
    """A stream that was too slow has lost facts: what is shown must be read again."""

    positions: Positions


@dataclass(frozen=True, slots=True)
class LookAside:
    """Something that is no fact lies in `Subscription.aside`."""


@dataclass(slots=True)
class Subscription:
    """One live stream: a bounded queue. When it is full all of it is dropped and one `Resync` put in its place."""

    queue: asyncio.Queue[LoggedEvent | Resync | LookAside | None]
    positions: Positions
    """Up to where this stream has been given facts when it began."""
    aside: FolderTable | None = None
    """The newest counts that the stream has not told; older ones are of no use to it."""

    nudged: bool = False

    def nudge(self) -> None:
        """Make the stream look for what is no fact (presence); it never loses a fact for that."""
        if not self.nudged and not self.queue.full():
            self.nudged = True
            self.queue.put_nowait(LookAside())

    def put_aside(self, table: FolderTable) -> None:
        """Give the stream counts; it never loses a fact for them."""
        if self.aside is None and not self.queue.full():
            self.queue.put_nowait(LookAside())
        self.aside = table

    def take_aside(self) -> FolderTable | None:
        table, self.aside = self.aside, None
        return table

    def offer(self, event: LoggedEvent, reached: Positions) -> None:
        try:
            self.queue.put_nowait(event)
        except asyncio.QueueFull:
            while not self.queue.empty():
                self.queue.get_nowait()
            self.queue.put_nowait(Resync(reached.copy()))

    def end(self) -> None:
        """Make the stream end; nothing more is given to it."""
        while self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(None)


Matches = Callable[[LoggedEvent], bool]


@dataclass(slots=True)
class Broadcaster:
    """Hands each fact of the tail to all who follow. Single event loop; nothing here waits."""

    queue_size: int = 1000
    taken: Callable[[LoggedEvent], None] = lambda _: None
    """Told of each fact before any stream is."""
    reached: Positions = field(default_factory=Positions)
    """Up to where the tail has read, per partition."""
    _subscriptions: list[Subscription] = field(default_factory=list)
    _waiting: dict[str, list[tuple[Matches, asyncio.Future[LoggedEvent]]]] = field(default_factory=dict)
    _recent: OrderedDict[str, list[LoggedEvent]] = field(default_factory=OrderedDict)
    _count: int = 0
    _log: deque[LoggedEvent] = field(default_factory=deque)
    """The last facts in the order in which they came."""
    _floor: Positions = field(default_factory=Positions)
    """Of each partition that had a fact: everything above it, and no more, is in `_log`."""
    _watchers: list[Callable[[], None]] = field(default_factory=list)

    def publish(self, event: LoggedEvent) -> None:
        """Take a fact from the tail, in order per partition. One that was taken before is passed over."""
        if self.reached.includes(event.position):
            return
        self._keep(event)
        self.reached.advance(event.position)
        self.taken(event)
        self._remember(event)
        for matches, future in self._waiting.get(event.causation_id, ()):
            if not future.done() and matches(event):
                future.set_result(event)
        for subscription in self._subscriptions:
            subscription.offer(event, self.reached)
        for watcher in self._watchers:
            watcher()

    def _remember(self, event: LoggedEvent) -> None:
        self._recent.setdefault(event.causation_id, []).append(event)
        self._count += 1
        while self._count > RECENT:
            _, dropped = self._recent.popitem(last=False)
            self._count -= len(dropped)

    def _keep(self, event: LoggedEvent) -> None:
        partition = event.position.partition
        self._floor.offsets.setdefault(partition, self.reached.offsets.get(partition, -1))
        self._log.append(event)
        while len(self._log) > RECENT:
            self._floor.advance(self._log.popleft().position)

    def recall(self, after: Positions, until: Positions) -> list[LoggedEvent] | None:
        """Return the facts above `after` and at or below `until`, in order per partition; None when some are forgotten."""
        for partition, last in until.offsets.items():
            seen = after.offsets.get(partition, -1)
            if seen < min(last, self._floor.offsets.get(partition, last)):
                return None
        return [e for e in self._log if until.includes(e.position) and not after.includes(e.position)]

    def recent(self, causation_id: str) -> list[LoggedEvent]:
        """Return the facts of this cause among the last ones; empty does not mean that there are none."""
        return list(self._recent.get(causation_id, ()))

    def subscribe(self) -> Subscription:
        """Return a stream of all that comes from now on. Give it back with `unsubscribe`."""
        subscription = Subscription(asyncio.Queue(self.queue_size), self.reached.copy())
        self._subscriptions.append(subscription)
        return subscription

    def subscribe_quietly(self, watcher: Callable[[], None]) -> Callable[[], None]:
        """Call `watcher` with every fact that comes, without the fact; returns how to end that."""
        self._watchers.append(watcher)
        return lambda: self._watchers.remove(watcher)

    def unsubscribe(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)

    @property
    def streams(self) -> int:
        return len(self._subscriptions)

    def expect(self, causation_id: str, matches: Matches) -> "Expectation":
        """Return a context manager within which the fact that follows from `causation_id` can be awaited."""
        return Expectation(self, causation_id, matches)

    def close(self) -> None:
        for subscription in self._subscriptions:
            subscription.end()


class Expectation:
    """Must be entered before the request is published, so that no fact can slip by."""

    def __init__(self, broadcaster: Broadcaster, causation_id: str, matches: Matches) -> None:
        self._broadcaster = broadcaster
        self._id = causation_id
        self._entry = (matches, asyncio.get_running_loop().create_future())

    def __enter__(self) -> Self:
        self._broadcaster._waiting.setdefault(self._id, []).append(self._entry)  # noqa: SLF001 - two halves of one thing
        return self

    def __exit__(self, *_: object) -> None:
        waiting = self._broadcaster._waiting  # noqa: SLF001
        waiting[self._id].remove(self._entry)
        if not waiting[self._id]:
            del waiting[self._id]
        self._entry[1].cancel()

    async def within(self, seconds: float) -> LoggedEvent | None:
        """Return the fact, or None when it has not come after `seconds`."""
        done, _ = await asyncio.wait({self._entry[1]}, timeout=seconds)
        return self._entry[1].result() if done else None
