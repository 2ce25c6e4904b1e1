"""Which error waits, which is parked, which is ours."""

import socket

import pymongo.errors as mongo
import pytest
from aiokafka import errors as kafka
from postroom_runtime.errors import (
    ConfigurationNotYetError,
    ConflictError,
    InfrastructureError,
    PermanentError,
    is_infrastructure,
    translated,
)

WAIT: list[BaseException] = [
    InfrastructureError("x"),
    ConfigurationNotYetError("x"),
    TimeoutError(),
    ConnectionResetError(),
    socket.gaierror(),
    mongo.ServerSelectionTimeoutError(),
    mongo.AutoReconnect(),
    mongo.NotPrimaryError(),
    mongo.NetworkTimeout(),
    mongo.ExecutionTimeout("x", 50),
    mongo.WTimeoutError("x", 64),
    mongo.WaitQueueTimeoutError(),
    mongo.OperationFailure("x", 10107),
    mongo.OperationFailure("x", 14031),
    mongo.OperationFailure("x", 13),
    mongo.BulkWriteError({"writeErrors": [{"code": 91}]}),
    mongo.BulkWriteError({"writeErrors": [{"code": 91}, {"code": 11000}]}),
    mongo.BulkWriteError({"writeErrors": [], "writeConcernErrors": [{"code": 64}]}),
    kafka.KafkaConnectionError(),
    kafka.KafkaTimeoutError(),
    kafka.NotEnoughReplicasError(),
    kafka.UnknownTopicOrPartitionError(),
    kafka.OutOfOrderSequenceNumber(),
    ExceptionGroup("of a task group", [mongo.AutoReconnect(), InfrastructureError("x")]),
]
OURS: list[BaseException] = [
    PermanentError("x"),
    ConflictError("x"),
    ValueError(),
    KeyError("x"),
    AssertionError(),
    OSError("disk"),
    mongo.DuplicateKeyError("x", 11000),
    mongo.DocumentTooLarge("x"),
    mongo.OperationFailure("x", 2),
    mongo.BulkWriteError({"writeErrors": [{"code": 11000}]}),
    mongo.BulkWriteError({"writeErrors": [{"code": 91}, {"code": 2}]}),
    mongo.InvalidOperation("x"),
    kafka.MessageSizeTooLargeError(),
    kafka.CommitFailedError(),
    kafka.IllegalStateError(),
    ExceptionGroup("of a task group", [mongo.AutoReconnect(), ValueError()]),
]


@pytest.mark.parametrize("error", WAIT, ids=lambda e: f"{type(e).__name__} {getattr(e, 'code', '')}")
def test_the_worlds_fault_is_waited_for(error: BaseException) -> None:
    assert is_infrastructure(error)


@pytest.mark.parametrize("error", OURS, ids=lambda e: f"{type(e).__name__} {getattr(e, 'code', '')}")
def test_what_waiting_does_not_mend_is_not(error: BaseException) -> None:
    assert not is_infrastructure(error)


async def test_translated_names_the_call_and_keeps_the_cause() -> None:
    with pytest.raises(InfrastructureError, match="load things: AutoReconnect") as caught:
        async with translated("load things"):
            raise mongo.AutoReconnect("secret host")
    assert isinstance(caught.value.__cause__, mongo.AutoReconnect)
    with pytest.raises(ZeroDivisionError):
        async with translated("load things"):
            raise ZeroDivisionError
