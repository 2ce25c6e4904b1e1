"""All addresses of an application, and the operations that their dependencies check."""

from collections.abc import Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from postroom_desk.domain.permissions import Operation


@dataclass(frozen=True)
class Address:
    """One route: its path with the parameters' names, its methods (empty: all), the operations that it names."""

    path: str
    methods: frozenset[str]
    operations: tuple[Operation, ...]


def addresses(app: FastAPI) -> list[Address]:
    """Return every route of `app`, those of included routers and mounts, too."""
    found = []
    for route in app.routes:
        inner = getattr(route, "effective_route_contexts", None)  # how FastAPI keeps an included router
        found += [_address(r) for r in (inner() if inner else [route])]
    return found


def _address(route: object) -> Address:
    dependant = getattr(route, "dependant", None)
    return Address(
        path=str(getattr(route, "path", "?")),
        methods=frozenset(getattr(route, "methods", None) or ()) - {"HEAD"},
        operations=tuple(_operations(dependant)) if dependant else (),
    )


def _operations(dependant: Dependant) -> Iterator[Operation]:
    if (found := getattr(dependant.call, "operation", None)) is not None:
        yield found
    for inner in dependant.dependencies:
        yield from _operations(inner)
