"""What Prometheus' counters need over a rebuild: the history of withdrawals, which a rebuild has less of."""

from collections.abc import Iterator, Mapping
from typing import Any

from postroom_runtime.errors import translated
from postroom_runtime.mongo import Database, UpdateOne

from postroom_analytics.domain.cells import PRIVATE, TOTAL, Cell
from postroom_analytics.generations import Generations
from postroom_analytics.reads import Document, MetricsReads

_PARTITION = "carried"


async def carry_withdrawn(database: Database, old: int, new: int) -> None:
    """Have no counter of `new` (`kinds + withdrawn`) be below that of `old`; a second call replaces the first."""
    generations, reads = Generations(database), MetricsReads(database)
    cuts = ("all", "inbox", "channel", "tag", "team", "agent", PRIVATE)
    before, after = await reads.totals(cuts, old), await reads.totals(cuts, new)
    async with translated("read what was carried"):
        carried = {
            (d["cut"], d["value"]): d
            async for d in generations.rollups(new).find({"partition": _PARTITION, "scope": TOTAL})
        }
        writes = []
        for place, total in before.items():
            own = _less(_ever(after.get(place, {})), carried.get(place, {}).get("withdrawn", {}))
            missing = dict(_missing(_ever(total), own))
            if missing:
                writes.append(_write(Cell(TOTAL, *place), missing))
        if writes:
            await generations.rollups(new).bulk_write(writes, ordered=False)


def _write(cell: Cell, missing: Mapping[str, int]) -> UpdateOne:
    names = {"scope": cell.scope, "cut": cell.cut, "value": cell.value, "partition": _PARTITION}
    fields: Document = {}
    for path, amount in missing.items():
        *parents, last = path.split(".")
        place = fields
        for name in parents:
            place = place.setdefault(name, {})
        place[last] = amount
    return UpdateOne({"_id": f"{cell.id}:{_PARTITION}"}, {"$set": {**names, "withdrawn": fields}}, upsert=True)


def _ever(total: Mapping[str, Any]) -> Document:
    """Return what a total ever counted."""
    return _sum(total.get("kinds", {}), total.get("withdrawn", {}), 1)


def _less(total: Document, part: Mapping[str, Any]) -> Document:
    return _sum(total, part, -1)


def _sum(one: Mapping[str, Any], other: Mapping[str, Any], sign: int) -> Document:
    result: Document = {}
    for name in one.keys() | other.keys():
        a, b = one.get(name), other.get(name)
        if isinstance(a, dict) or isinstance(b, dict):
            result[name] = _sum(a or {}, b or {}, sign)
        else:
            result[name] = (a or 0) + sign * (b or 0)
    return result


def _missing(wanted: Mapping[str, Any], have: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, int]]:
    for name, value in wanted.items():
        found = have.get(name)
        if isinstance(value, dict):
            yield from _missing(value, found or {}, f"{prefix}{name}.")
        elif value > (found or 0):
            yield f"{prefix}{name}", value - (found or 0)
