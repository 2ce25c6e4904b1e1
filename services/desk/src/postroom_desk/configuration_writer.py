"""Writing the configuration: one whole snapshot at a time, compare-and-set on its version, published in order."""

from collections.abc import Callable
from dataclasses import dataclass

from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_runtime.clock import Clock

from postroom_desk.ports import ConfigurationPublisher, ConfigurationStore

CHANGE_ATTEMPTS = 5


class VersionConflictError(Exception):
    """Somebody else has written since; `latest` is the version that stands there."""

    def __init__(self, latest: int) -> None:
        super().__init__(f"the configuration is at version {latest}")
        self.latest = latest


@dataclass(frozen=True, slots=True)
class ConfigurationWriter:
    """Stores, then publishes what is not marked: a crash between the two is made good by the next caller or the sweep."""

    store: ConfigurationStore
    publish: ConfigurationPublisher
    clock: Clock

    async def apply(
        self, configuration: Configuration, *, applied_by: str = "", expected_version: int | None = None
    ) -> tuple[int, bool]:
        """Return (version, whether it is new). The configuration must be checked already.

        The same content as the latest version makes no new one. Raises VersionConflictError when `expected_version`
        is not the latest, or when another writer took the next version first; nothing is changed then.
        """
        latest = await self.store.latest()
        version = latest.configuration_version if latest else 0
        if expected_version is not None and expected_version != version:
            raise VersionConflictError(version)
        if latest is not None and latest.configuration == configuration:
            await self.publish_pending()
            return version, False
        applied = ConfigurationApplied(
            configuration_version=version + 1,
            applied_at=self.clock.now(),
            applied_by=applied_by,
            configuration=configuration,
        )
        if not await self.store.add(applied):
            raise VersionConflictError(version + 1)
        await self.publish_pending()
        return version + 1, True

    async def change(self, changed: Callable[[Configuration], Configuration], *, applied_by: str) -> int:
        """Apply `changed` to what stands there, over again when another writer was first; return the version.

        `changed` must keep the configuration valid, and return it unchanged when there is nothing to do. Raises
        VersionConflictError after several lost races, LookupError when there is no configuration yet.
        """
        for attempt in range(CHANGE_ATTEMPTS):
            latest = await self.store.latest()
            if latest is None:
                raise LookupError("there is no configuration yet")
            try:
                version, _ = await self.apply(
                    changed(latest.configuration),
                    applied_by=applied_by,
                    expected_version=latest.configuration_version,
                )
            except VersionConflictError:
                if attempt + 1 == CHANGE_ATTEMPTS:
                    raise
            else:
                return version
        raise AssertionError

    async def publish_pending(self) -> int:
        """Publish every version that is not marked, oldest first; return how many. A repeat changes nothing for readers."""
        pending = await self.store.unpublished()
        for applied in pending:
            await self.publish(applied)
            await self.store.mark_published(applied.configuration_version)
        return len(pending)
