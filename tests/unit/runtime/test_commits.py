"""What is done is committed a moment later, all at once; at once at the end; never what is not ours any more."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import CommitFailedError, KafkaConnectionError
from postroom_runtime.commits import MANY, Commits
from postroom_runtime.errors import InfrastructureError
from postroom_runtime.settings import RuntimeSettings

A, B = TopicPartition("t", 0), TopicPartition("t", 1)


class Group:
    """Stands for the consumer; keeps what was committed. `error` is raised by the next commits."""

    def __init__(self, pause_ms: int = 20) -> None:
        self.ours = {A, B}
        self.error: Exception | None = None
        self.sent: list[dict[TopicPartition, int]] = []
        self.committed: dict[TopicPartition, int] = {}
        self.failures: list[Exception] = []
        settings = RuntimeSettings(commit_pause_ms=pause_ms, commit_timeout_seconds=20)
        self.commits = Commits("g", settings, committer=lambda: self, committed=self._note, failed=self.failures.append)

    def _note(self, offsets: Mapping[TopicPartition, int]) -> None:
        self.committed |= offsets

    def assignment(self) -> set[TopicPartition]:
        return self.ours

    async def commit(self, offsets: dict[TopicPartition, int]) -> None:
        self.sent.append(offsets)
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error


async def until(condition: Any) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.005)


async def test_batches_of_a_moment_are_one_commit_and_later_ones_the_next() -> None:
    group = Group()
    await group.commits.done({A: 1}, 1)
    await group.commits.done({B: 4}, 1)
    await group.commits.done({A: 2}, 1)
    assert (group.sent, group.commits.get(A), group.commits.get(B)) == ([], 2, 4)
    await until(lambda: group.committed)
    assert (group.sent, group.commits.get(A)) == ([{A: 2, B: 4}], None)
    await group.commits.done({A: 3}, 1)
    await until(lambda: len(group.sent) == 2)
    assert group.committed == {A: 3, B: 4}


async def test_without_a_pause_and_at_the_end_each_batch_is_committed_before_it_is_over() -> None:
    group = Group(pause_ms=0)
    await group.commits.done({A: 1}, 1)
    assert group.committed == {A: 1}
    later = Group(pause_ms=5000)
    await later.commits.done({A: 1}, 1)
    later.commits.at_once = True
    await later.commits.done({B: 7}, 1)
    assert later.sent == [{A: 1, B: 7}]
    await later.commits.close()


async def test_partitions_that_moved_are_not_committed() -> None:
    group = Group(pause_ms=5000)
    await group.commits.done({A: 1, B: 2}, 1)
    group.ours = {B}
    await group.commits.flush()
    assert group.sent == [{B: 2}]
    assert group.commits.get(A) is None
    group.error = CommitFailedError()
    await group.commits.done({B: 3}, 1)
    await group.commits.flush()
    assert (group.committed, group.commits.get(B)) == ({B: 2}, None)
    await group.commits.done({B: 4}, 1)
    group.commits.forget()
    await group.commits.flush()
    assert group.sent[-1] == {B: 3}
    await group.commits.close()


@pytest.mark.parametrize("error", [KafkaConnectionError(), TimeoutError()])
async def test_a_commit_that_fails_is_told_and_kept_for_the_next(error: Exception) -> None:
    group = Group()
    group.error = error
    await group.commits.done({A: 1}, 1)
    await until(lambda: group.failures)
    assert isinstance(group.failures[0], InfrastructureError)
    assert (group.committed, group.commits.get(A)) == ({}, 1)
    with pytest.raises(InfrastructureError):
        await group.commits.flush()
    group.error = None
    await group.commits.flush()
    assert group.committed == {A: 1}


async def test_what_is_done_while_a_commit_is_under_way_is_kept() -> None:
    group = Group(pause_ms=5000)
    await group.commits.done({A: 1}, 1)
    flushing = asyncio.create_task(group.commits.flush())
    await until(lambda: group.sent)
    await group.commits.done({A: 2}, 1)
    await flushing
    assert (group.committed, group.commits.get(A)) == ({A: 1}, 2)
    await group.commits.close()


async def test_many_records_wait_for_no_pause() -> None:
    group = Group(pause_ms=5000)
    await group.commits.done({A: 60}, MANY - 1)
    await asyncio.sleep(0.02)
    assert group.sent == []
    await group.commits.done({B: 1}, 1)
    await until(lambda: group.committed)
    await group.commits.done({A: 61}, 1)
    await asyncio.sleep(0.02)
    assert group.sent == [{A: 60, B: 1}]
    await group.commits.close()
