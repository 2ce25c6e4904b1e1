"""Every route names the one operation that it does, or stands in the list of those that anybody may ask."""

from postroom_desk.domain.access import NOTHING
from postroom_desk.domain.permissions import TABLE, Operation, allowed

from tests.component.desk.doubles import DeskBench
from tests.component.desk.routes_of import addresses

PUBLIC = {
    "/api/v1/openapi.json",  # names no data, nor do the schemas
    "/api/v1/asyncapi.json",
    "/api/v1/schemas",
    "/api/v1/schemas/{name}.json",
    "/static",
    "/login",  # before anybody is known
    "/login/code",
    "/login/forgot",
    "/login/enrol",
    "/login/sso",
    "/login/sso/callback",
    "/logout",
    "/invitation/{token}",  # the token of a link is the right
    "/reset/{token}",
    "/u/{token}",  # the signed token is the right
}


def test_every_route_names_exactly_one_operation() -> None:
    found = {(a.path, len(a.operations)) for a in addresses(DeskBench().app)}
    assert len(found) > 40
    assert {path for path, count in found if count != 1} == PUBLIC


def test_every_operation_has_a_need_and_nobody_may_do_any() -> None:
    assert set(TABLE) == set(Operation)
    assert all(need.ability or need.roles for need in TABLE.values())
    assert [o for o in Operation if allowed(NOTHING, o) or allowed(NOTHING, o, "support")] == []
