"""Distributions that merge exactly and from which a value can be withdrawn exactly: logarithmic buckets of counts.

Source of the idea: DDSketch (Masson, Rim, Lee, VLDB 2019), without its collapsing of buckets: the durations that we
keep (a millisecond to thirty years) fall into at most 1,390 buckets.
"""

import math
from bisect import bisect_left
from collections.abc import Mapping

RELATIVE_ERROR = 0.01
"""A percentile read from the buckets is within this share of the one of the values themselves."""
_GAMMA = (1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR)
_LOG_GAMMA = math.log(_GAMMA)
ZERO = "zero"
"""The bucket of durations of 0 ms."""

PROMETHEUS_SECONDS: tuple[int, ...] = (
    60,
    300,
    600,
    900,
    1_800,
    3_600,
    7_200,
    14_400,
    28_800,
    43_200,
    86_400,
    172_800,
    259_200,
    432_000,
    604_800,
    1_209_600,
    2_592_000,
)
"""Upper edges of the Prometheus histograms, a minute to thirty days; a value on an edge is within it."""


def bucket_of(milliseconds: int) -> str:
    """Return the name of the bucket of a duration: a decimal number, or ZERO."""
    if milliseconds <= 0:
        return ZERO
    return str(math.ceil(math.log(milliseconds) / _LOG_GAMMA - 1e-9))


def value_of(bucket: str) -> float:
    """Return the milliseconds that stand for all durations of a bucket: within RELATIVE_ERROR of each."""
    return 0.0 if bucket == ZERO else 2 * math.exp(int(bucket) * _LOG_GAMMA) / (_GAMMA + 1)


def edge_of(milliseconds: int) -> str:
    """Return the index in PROMETHEUS_SECONDS of the first edge that is not below a duration; its length for +Inf."""
    return str(bisect_left(PROMETHEUS_SECONDS, milliseconds / 1000))


def percentile(buckets: Mapping[str, int], share: float) -> float | None:
    """Return the value in milliseconds at rank ceil(share x count) of the smallest first; None of nothing."""
    count = sum(buckets.values())
    if count <= 0:
        return None
    rank = max(1, math.ceil(share * count - 1e-9))
    for bucket in sorted((b for b, n in buckets.items() if n > 0), key=value_of):
        rank -= buckets[bucket]
        if rank <= 0:
            return value_of(bucket)
    return None


def cumulative(edges: Mapping[str, int]) -> list[int]:
    """Return the counts up to each of PROMETHEUS_SECONDS and, last, of all: what a Prometheus histogram shows."""
    result, total = [], 0
    for position in range(len(PROMETHEUS_SECONDS) + 1):
        total += edges.get(str(position), 0)
        result.append(total)
    return result
