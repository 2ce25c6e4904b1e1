"""Header names that are no UTF-8 are read with their bytes escaped, as any other wrong record is read.

aiokafka cannot: it raises out of the poll, again and again, so that one record of a client that does not look at what it
names a header would stop its partition for good. `tolerate` makes every consumer of this process read such a batch once
more by aiokafka's parser in Python, which can be told how to read names; all others go the fast way.
"""

from typing import Any, SupportsIndex

from aiokafka.consumer import fetcher
from aiokafka.record.default_records import DefaultRecordBatch, _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords, _MemoryRecordsPy


class _Name(bytearray):
    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return bytes(self).decode(encoding, errors)


class _Buffer(bytearray):
    """Of its slices aiokafka decodes only those that are header names."""

    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        found = super().__getitem__(index)
        return _Name(found) if isinstance(found, bytearray) else found


class _Batch(_DefaultRecordBatchPy):
    _buffer: bytearray

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer = _Buffer(self._buffer)


class _SlowRecords(_MemoryRecordsPy):
    def next_batch(self, *_: Any) -> Any:
        found = self._next_slice
        batch = super().next_batch()
        return _Batch(found) if isinstance(batch, DefaultRecordBatch) else batch  # older formats have no headers


class _Records(MemoryRecords):
    """A partition's part of an answer, with its bytes, so that it can be read a second time."""

    def __init__(self, data: bytes) -> None:
        super().__init__(data)
        self.data = data


class _PartitionRecords(fetcher.PartitionRecords):
    _records: Any

    def __next__(self) -> Any:
        try:
            return super().__next__()
        except UnicodeDecodeError:
            self._records = _SlowRecords(self._records.data)
            self._records_iterator = self._unpack_records()  # goes on where it was
            return super().__next__()


def tolerate() -> None:
    """Let all consumers of this process read such names. A second call changes nothing."""
    fetcher.MemoryRecords = _Records
    fetcher.PartitionRecords = _PartitionRecords
