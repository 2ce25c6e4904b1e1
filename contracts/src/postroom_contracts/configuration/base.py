"""What every section of the configuration is made of: unknown names are errors, secrets appear by reference only."""

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from postroom_contracts.fields import Slug


class Section(BaseModel):
    """A part of the configuration: unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class SecretReference(Section):
    """Where a secret lies: an environment variable, a file, or sealed in the database; exactly one of them."""

    env: str | None = None
    file: str | None = None
    stored: Slug | None = None
    """The name under which `postroom secret set` keeps it."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(place is not None for place in (self.env, self.file, self.stored)) != 1:
            raise ValueError("name the secret by exactly one of `env`, `file` and `stored`")
        return self
