"""The configuration as the router uses it, prepared once per version."""

import structlog
from postroom_runtime.configuration_feed import Configurations

from postroom_router.domain.company import Company, company_of

log = structlog.get_logger(__name__)
_KEPT = 4
"""Versions: requests use the newest, so more than one is in use only while a change spreads."""


class Companies:
    def __init__(self, configurations: Configurations) -> None:
        self._configurations = configurations
        self._prepared: dict[int, Company] = {}

    def latest(self) -> Company:
        return self.at(0)

    def at(self, version: int) -> Company:
        """Return version `version`, 0 for the newest. Raises ConfigurationNotYetError when it has not come yet."""
        number = self._configurations.number(version)
        found = self._prepared.get(number)
        if found is None:
            found = company_of(self._configurations.at(number), number)
            for problem in found.rules.problems:
                log.warning("a rule can never match", configuration=number, problem=problem)
            self._prepared = dict([*self._prepared.items(), (number, found)][-_KEPT:])
        return found
