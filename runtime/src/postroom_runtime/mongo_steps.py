"""Several MongoDB calls that follow each other, carried out as one.

Motor gives every call to a thread: of six calls in a row, each waits for the thread, and then for the event loop. Written
as steps, a generator that yields each call and gets its result, they go to a thread once. PyMongo's asynchronous client
awaits the same steps one by one.
"""

import asyncio
import inspect
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any, TypeVar

from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.read_concern import ReadConcern
from pymongo.write_concern import WriteConcern

from postroom_runtime.motor_threads import MOTORS_THREADS

T = TypeVar("T")
Steps = Generator[Any, Any, T]
"""`found = yield collection.find_one(...)`: yields calls of either driver, is sent their results, returns the outcome."""
_ASYNCHRONOUS = (AsyncMongoClient, AsyncDatabase, AsyncCollection)


async def in_turn(subject: Any, steps: Callable[..., Steps[T]], *args: Any) -> T:
    """Carry out `steps(subject, *args)`, where `subject` is the client, database or collection of the driver beneath.

    Between the calls it may compute, not wait. When the caller is cancelled, Motor's thread goes on to the end.
    """
    if isinstance(subject, _ASYNCHRONOUS):
        return await _awaited(steps(subject, *args))
    outcome: T = await MOTORS_THREADS.run(asyncio.get_running_loop(), _carried_out, steps(subject.delegate, *args))
    return outcome


def _carried_out(steps: Steps[T]) -> T:
    try:
        value = next(steps)
        while True:
            value = steps.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def _awaited(steps: Steps[T]) -> T:
    try:
        call = next(steps)
        while True:
            try:
                value = await call if inspect.isawaitable(call) else call
            except BaseException as error:  # noqa: BLE001 - the steps say what becomes of it
                call = steps.throw(error)
            else:
                call = steps.send(value)
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def find_all(
    collection: Any, query: Mapping[str, Any], fields: Mapping[str, Any] | None = None, *, limit: int
) -> list[dict[str, Any]]:
    """Return the documents that match, at most `limit`, in one answer of the server."""
    return await in_turn(collection, all_of, query, fields, limit)


def all_of(
    collection: Any, query: Mapping[str, Any], fields: Mapping[str, Any] | None, limit: int
) -> Steps[list[dict[str, Any]]]:
    """Steps of `find_all`."""
    found: list[dict[str, Any]] = yield collection.find(query, fields, batch_size=limit + 1).to_list(limit)
    return found


async def bulk_write(collection: Any, writes: Sequence[Any]) -> Any:
    """Carry out the writes in no certain order; raises BulkWriteError with those that failed."""
    return await in_turn(collection, _bulk_write, writes)


def _bulk_write(collection: Any, writes: Sequence[Any]) -> Steps[Any]:
    return (yield collection.bulk_write(writes, ordered=False))


def in_transaction(client: Any, steps: Callable[..., Steps[T]], *args: Any) -> Steps[T]:
    """Steps of a transaction: `steps(session, *args)`, then the commit; aborts when they raise."""
    session = client.start_session()
    try:
        yield session.start_transaction(
            write_concern=WriteConcern("majority", j=True), read_concern=ReadConcern("snapshot")
        )
        try:
            outcome = yield from steps(session, *args)
        except BaseException:
            if session.in_transaction:
                yield session.abort_transaction()
            raise
        yield session.commit_transaction()
    finally:
        yield session.end_session()
    return outcome
