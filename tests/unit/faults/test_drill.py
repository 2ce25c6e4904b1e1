"""The drills that are carried out are those of the page."""

from pathlib import Path

from faults.disaster import RUNS, SCENARIOS
from faults.drill import drills


def test_the_page_has_a_drill_for_each_scenario_and_each_is_made_of_our_commands() -> None:
    found = drills()
    assert list(found) == ["mongodb-restored", "kafka-lost", "both-restored", "afterwards"]
    assert tuple(RUNS) == SCENARIOS
    for commands in found.values():
        assert commands
        assert all(command.startswith("postroom ") for command in commands)
    assert [c for c in found["kafka-lost"] if "$SINCE" in c] == ["postroom recover --since $SINCE"]


def test_other_blocks_and_comments_are_no_commands(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nrm -rf /\n```\n```sh\n# drill: a-b\n# for people\n\npostroom topics apply\n```\n")
    assert drills(page) == {"a-b": ["postroom topics apply"]}
