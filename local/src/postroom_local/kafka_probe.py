"""Ask a Kafka broker for its metadata over a plain socket, without a client library's retries and log lines."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass

from postroom_local.ports import LOOPBACK

# Metadata request, version 1, all topics (a null array), client id "probe".
# Source: Apache Kafka protocol guide, "Request Header v1" and "Metadata Request (Version: 1)".
_METADATA_KEY, _METADATA_VERSION = 3, 1
_BODY = struct.pack(">hhih5si", _METADATA_KEY, _METADATA_VERSION, 1, 5, b"probe", -1)
_MAX_ANSWER_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Metadata:
    """How many brokers are in service, and how many partitions have no leader at the moment."""

    brokers: int
    leaderless: int


def ask_metadata(port: int, timeout_seconds: float = 2.0) -> Metadata | None:
    """Return the metadata that the broker at this loopback port answers with, None when nobody answers in time."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=timeout_seconds) as connection:
            connection.sendall(struct.pack(">i", len(_BODY)) + _BODY)
            (size,) = struct.unpack(">i", _read(connection, 4))
            return _parse(_Reader(_read(connection, min(size, _MAX_ANSWER_BYTES))))
    except (OSError, struct.error):
        return None


def is_in_service(port: int) -> bool:
    """Return whether the broker serves: it is registered, and each partition of each topic has its leader."""
    metadata = ask_metadata(port)
    return metadata is not None and metadata.brokers > 0 and metadata.leaderless == 0


def _read(connection: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = connection.recv(size - len(parts))
        if not part:
            raise ConnectionError("the broker closed the connection in its answer")
        parts += part
    return bytes(parts)


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def number(self, code: str) -> int:
        (value,) = struct.unpack_from(">" + code, self._data, self._at)
        self._at += struct.calcsize(">" + code)
        return int(value)

    def skip(self, size: int) -> None:
        self._at += max(size, 0)  # a null string has length -1


def _parse(answer: _Reader) -> Metadata:
    answer.skip(4)  # correlation id
    brokers = answer.number("i")
    for _ in range(brokers):
        answer.skip(4)  # node id
        answer.skip(answer.number("h"))  # host
        answer.skip(4)  # port
        answer.skip(answer.number("h"))  # rack
    answer.skip(4)  # controller id
    leaderless = sum(_leaderless_partitions(answer) for _ in range(answer.number("i")))
    return Metadata(brokers, leaderless)


def _leaderless_partitions(answer: _Reader) -> int:
    answer.skip(2)  # error code of the topic
    answer.skip(answer.number("h"))  # its name
    answer.skip(1)  # internal or not
    leaderless = 0
    for _ in range(answer.number("i")):
        answer.skip(2 + 4)  # error code, partition
        leaderless += answer.number("i") < 0
        answer.skip(4 * answer.number("i"))  # replicas
        answer.skip(4 * answer.number("i"))  # those in sync
    return leaderless
