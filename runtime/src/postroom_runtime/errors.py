"""The three kinds of error, by type: permanent, infrastructure, and everything else, which is our bug."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pymongo.errors as mongo
from aiokafka.errors import (
    CommitFailedError,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
    UnknownTopicOrPartitionError,
)


class PermanentError(Exception):
    """This record can never be handled: it is parked at once and holds nothing back."""


class InfrastructureError(Exception):
    """Kafka, MongoDB or the content store did not answer: never parked, waited for without limit of attempts."""


class ConflictError(Exception):
    """Another writer was faster: read again and decide again. Nothing of this attempt was published."""


class ConfigurationNotYetError(InfrastructureError):
    """A record was made with a newer configuration than ours: it waits until ours has come."""


_INFRASTRUCTURE = (
    InfrastructureError,
    TimeoutError,
    ConnectionError,
    socket.gaierror,  # name resolution
    mongo.ConnectionFailure,
    mongo.ExecutionTimeout,
    mongo.WTimeoutError,
    mongo.WaitQueueTimeoutError,
    mongo.NetworkTimeout,
)
_DUPLICATE_KEY = 11000
_MONGO_RETRYABLE_CODES = frozenset(
    {6, 7, 89, 91, 189, 262, 9001, 10058, 10107, 11600, 11601, 11602, 13435, 13436}  # network, shutdown, not primary
    | {24, 46, 50, 112, 133, 134, 202, 251}  # locks, time limits, write conflict, read preference, no transaction
    | {13, 18, 14031}  # not allowed, not logged in, disk full: an operator mends them, no record is to blame
)
"""Error codes of MongoDB that say "not now". Source: error_codes.yml of MongoDB 6.0."""


def is_infrastructure(error: BaseException) -> bool:
    """Say whether `error` is the world's fault and goes away by waiting; decided by type and code, never by text.

    A group of errors is, if each of them is.
    """
    if isinstance(error, _INFRASTRUCTURE):
        return True
    if isinstance(error, BaseExceptionGroup):
        return all(is_infrastructure(one) for one in error.exceptions)
    if isinstance(error, mongo.BulkWriteError):
        details = error.details or {}
        if details.get("writeConcernErrors"):
            return True
        codes = {e.get("code") for e in details.get("writeErrors", [])} - {_DUPLICATE_KEY}
        return bool(codes) and codes <= _MONGO_RETRYABLE_CODES  # a conflict among them is met again by the repeat
    if isinstance(error, mongo.OperationFailure):
        return error.code in _MONGO_RETRYABLE_CODES or error.has_error_label("TransientTransactionError")
    if isinstance(error, mongo.PyMongoError):
        return error.has_error_label("RetryableWriteError") or error.has_error_label("TransientTransactionError")
    if isinstance(error, MessageSizeTooLargeError | CommitFailedError | IllegalStateError):
        return False
    return isinstance(error, KafkaError | UnknownTopicOrPartitionError)


@asynccontextmanager
async def translated(what: str) -> AsyncIterator[None]:
    """Turn a driver's error that is the world's fault into InfrastructureError naming `what`; others pass."""
    try:
        yield
    except Exception as error:
        if isinstance(error, InfrastructureError) or not is_infrastructure(error):
            raise
        raise InfrastructureError(f"{what}: {type(error).__name__}") from error
