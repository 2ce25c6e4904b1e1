"""Writing the configuration on real MongoDB and Kafka, by the program as an operator runs it."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from postroom_contracts.configuration import ConfigurationApplied
from postroom_contracts.topics import CONFIGURATION
from postroom_desk.adapters.configuration_publisher import KafkaConfigurationPublisher
from postroom_desk.adapters.configuration_store import MongoConfigurationStore
from postroom_desk.cli import write
from postroom_desk.configuration_writer import ConfigurationWriter, VersionConflictError
from postroom_desk.settings_text import as_yaml
from postroom_runtime import mongo
from postroom_runtime.configuration_file import parse_configuration

from tests.deployment import Deployment
from tests.integration.desk.office import company

pytestmark = pytest.mark.connected


def run(deployment: Deployment, *arguments: str, command: str = "apply") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postroom_runtime.cli", "config", command, *arguments],
        env={**os.environ, **deployment.env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


async def versions(deployment: Deployment) -> list[int]:
    events = await deployment.events(CONFIGURATION)
    return [e.data.configuration_version for e in events if isinstance(e.data, ConfigurationApplied)]


async def test_a_file_is_applied_once_and_a_bad_one_changes_nothing(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, tmp_path: Path
) -> None:
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as deployment:
        data = company().model_dump(mode="json", exclude_none=True)
        good, changed, bad = tmp_path / "good.yaml", tmp_path / "changed.yaml", tmp_path / "bad.yaml"
        good.write_text(yaml.safe_dump(data))
        data["company"]["name"] = "Velo two"
        changed.write_text(yaml.safe_dump(data))
        data["inboxes"][0]["teams"] = ["nobody"]
        bad.write_text(yaml.safe_dump(data))

        async def apply(*arguments: str) -> subprocess.CompletedProcess[str]:
            return await asyncio.to_thread(run, deployment, *arguments)

        first = await apply(str(good))
        assert (first.returncode, first.stdout[:18]) == (0, "version 1 applied:"), first.stderr
        assert (await apply(str(good))).stdout.startswith("version 1 stands already")
        refused = await apply(str(bad))
        assert refused.returncode == 1
        assert "inboxes[0].teams[0]: 'nobody' is not a team" in refused.stderr
        assert (await apply(str(changed), "--expected-version", "0")).returncode == 1
        assert (await apply(str(changed), "--expected-version", "1")).stdout.startswith("version 2 applied")
        assert await versions(deployment) == [1, 2]


async def test_what_was_changed_in_the_desk_is_kept_by_a_file_and_exported(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, tmp_path: Path
) -> None:
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as deployment:
        first = company()
        file = tmp_path / "company.yaml"
        file.write_text(as_yaml(first))
        assert (await asyncio.to_thread(run, deployment, str(file))).returncode == 0
        renamed = [t.model_copy(update={"name": "Garage"}) if t.id == "workshop" else t for t in first.teams]
        in_the_desk = first.model_copy(update={"teams": renamed})
        await write(deployment.settings, in_the_desk, applied_by="desk: ana")

        file.write_text(as_yaml(first.model_copy(update={"tags": first.tags[:1]})))
        applied = await asyncio.to_thread(run, deployment, str(file))
        assert applied.stdout.startswith("version 3 applied"), applied.stderr
        exported = await asyncio.to_thread(run, deployment, command="export")
        found = parse_configuration(exported.stdout.encode(), "exported")
        assert next(t.name for t in found.teams if t.id == "workshop") == "Garage"
        assert found.tags == first.tags[:1]

        await write(deployment.settings, found.model_copy(update={"tags": []}), applied_by="desk: ana")
        changed = first.tags[0].model_copy(update={"name": "Stoppers"})
        file.write_text(as_yaml(found.model_copy(update={"tags": [changed]})))
        refused = await asyncio.to_thread(run, deployment, str(file))
        assert refused.returncode == 1
        assert f"tags.{changed.id}" in refused.stderr
        assert (await asyncio.to_thread(run, deployment, str(file), "--force")).stdout.startswith("version 5 applied")


async def test_of_two_writers_one_wins_and_what_was_not_published_is_published_later(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str
) -> None:
    async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix) as deployment:
        client = mongo.connect(deployment.settings)
        store = MongoConfigurationStore(mongo.database(client, deployment.settings, "desk"))
        publish = KafkaConfigurationPublisher(deployment.settings)

        async def dies(applied: ConfigurationApplied) -> None:
            raise ConnectionAbortedError

        one, two = company(), company().model_copy(update={"tags": []})
        with pytest.raises(ConnectionAbortedError):
            await ConfigurationWriter(store, dies, deployment.clock).apply(one)
        assert await versions(deployment) == []
        writer = ConfigurationWriter(store, publish, deployment.clock)
        assert await writer.apply(one) == (1, False)
        assert await versions(deployment) == [1]
        three = two.model_copy(update={"rules": []})
        results = await asyncio.gather(
            writer.apply(two, expected_version=1), writer.apply(three, expected_version=1), return_exceptions=True
        )
        assert sorted(type(r).__name__ for r in results) == ["VersionConflictError", "tuple"]
        assert isinstance(next(r for r in results if isinstance(r, Exception)), VersionConflictError)
        assert await versions(deployment) == [1, 2]
        latest = await store.latest()
        assert latest is not None
        assert latest.configuration in (two, three)
        await mongo.close(client)
