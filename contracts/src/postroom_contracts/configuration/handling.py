"""What becomes of a conversation by itself, and what agents have at hand: policies, rules, tags, saved replies."""

from typing import Literal, Self

from pydantic import Field, model_validator

from postroom_contracts.configuration.base import Section
from postroom_contracts.fields import Slug
from postroom_contracts.values import Priority


class Policy(Section):
    """SLA targets in business seconds; None: no target."""

    id: Slug
    first_response_seconds: int | None = Field(None, gt=0)
    next_response_seconds: int | None = Field(None, gt=0)
    resolution_seconds: int | None = Field(None, gt=0)
    """Counts net of pauses."""
    warn_percent: int | None = Field(None, ge=1, le=100)
    """When so much of a target's time has passed, people are warned; None: at 80, 100: never."""
    escalate_to_team: Slug | None = None
    """Who takes over once a target is missed; None: it stays with whom it has."""
    reassign_after_seconds: int | None = Field(None, gt=0)
    """Business seconds that an owner may stay silent after a missed target before it goes back to its team's queue; None:
    for ever."""

    @property
    def warned_at_percent(self) -> int | None:
        """At which share of a target's time people are warned; None: never."""
        percent = 80 if self.warn_percent is None else self.warn_percent
        return None if percent == 100 else percent  # noqa: PLR2004 - per cent


class Condition(Section):
    """One test of a message; `all`, `any` and `not` nest (at most 5 deep)."""

    field: (
        Literal[
            "channel",
            "inbox",
            "sender",
            "sender_domain",
            "recipient",
            "subject",
            "body",
            "automatic",
            "has_attachment",
            "new_conversation",
            "tag",
            "source_of_contact",
        ]
        | None
    ) = None
    operator: Literal[
        "equals", "not_equals", "contains", "not_contains", "starts_with", "ends_with", "matches", "in"
    ] = "equals"
    value: str | bool | list[str] | None = None
    all: list["Condition"] | None = None
    any: list["Condition"] | None = None
    none: list["Condition"] | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        forms = [self.field, self.all, self.any, self.none]
        if sum(form is not None for form in forms) != 1:
            raise ValueError("a condition has exactly one of `field`, `all`, `any`, `none`")
        if self.field is not None and self.value is None:
            raise ValueError("a condition on a field needs a `value`")
        if self.operator == "in" and not isinstance(self.value, list):
            raise ValueError("operator `in` needs a list as `value`")
        return self


class Actions(Section):
    """What a matching rule does; what is absent stays as it is."""

    add_tags: list[Slug] = Field(default_factory=list)
    priority: Priority | None = None
    team: Slug | None = None
    agent: Slug | None = None
    watchers: list[Slug] = Field(default_factory=list)
    policy: Slug | None = None
    mark_spam: bool = False


class Rule(Section):
    """Ordered: all matching rules act, later ones over earlier ones, until one with `stop`."""

    id: Slug
    name: str = ""
    when: Condition | None = None
    """None: always."""
    then: Actions
    stop: bool = False
    enabled: bool = True


class Tag(Section):
    id: Slug
    name: str = ""
    color: str = Field("#64748b", pattern=r"^#[0-9a-fA-F]{6}$")


class SavedReply(Section):
    """A text that agents put into what they write. May hold variables (`[customer.first_name|there]`) and Liquid."""

    id: Slug
    name: str = Field(min_length=1, max_length=100)
    text: str = Field(max_length=50_000)
    html: str | None = Field(None, max_length=100_000)
    """The same with formatting; None: made from the text."""
    teams: list[Slug] = Field(default_factory=list)
    """Whose; empty: everybody's."""
