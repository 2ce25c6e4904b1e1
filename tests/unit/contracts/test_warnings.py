"""What `config check` warns of: a rule that gives conversations to people who may not read their inbox."""

from postroom_contracts.configuration import Configuration
from postroom_contracts.configuration_checks import shown, warnings

HOURS = {"mon": ["09:00-17:00"]}


def company(**changes: object) -> Configuration:
    inbox = {"id": "shop", "name": "Shop", "account": "mail", "address": "shop@acme.test", "teams": ["north"]}
    agents = [{"id": i, "first_name": i, "email": f"{i}@acme.test", "role": "admin"} for i in ("ann",)]
    agents += [{"id": i, "first_name": i, "email": f"{i}@acme.test", "role": "agent"} for i in ("ben", "cem")]
    return Configuration.model_validate(
        {
            "company": {"name": "Acme", "default_calendar": "c"},
            "calendars": [{"id": "c", "time_zone": "UTC", "hours": HOURS}],
            "accounts": [{"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": 25, "tls": "none"}}],
            "inboxes": [inbox | changes],
            "teams": [
                {"id": "north", "name": "North", "members": ["ann", "ben"]},
                {"id": "south", "name": "South", "members": ["ben", "cem"]},
            ],
            "agents": agents,
            "rules": [{"id": "refunds", "then": {"team": "south"}}],
        }
    )


def test_a_rule_that_gives_to_somebody_who_may_not_read_is_named_with_its_remedy() -> None:
    assert [(shown(f.path), f.message) for f in warnings(company())] == [
        ("rules[0].then.team", "cem of south may not read shop: name the team in `teams` or `access` there")
    ]


def test_a_team_of_the_inbox_or_with_access_gives_no_warning() -> None:
    assert warnings(company(teams=["north", "south"])) == []
    rights = [{"team": "north", "rights": ["send_as"]}, {"team": "south", "rights": ["full_access"]}]
    assert warnings(company(access=rights)) == []
