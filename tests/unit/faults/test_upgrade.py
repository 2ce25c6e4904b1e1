"""Where an upgrade begins, how its feed ends, and that its verdict can be bad."""

import subprocess
from pathlib import Path

import pytest

from faults.mails import PlannedMail
from faults.releases import knows, start_of
from faults.upgrade import problems, still_wanted

GOOD = {
    "lost": 0, "duplicate_effects": 0, "misthreaded": 0, "without_owner": 0, "rebuild_differs": 0,
    "states_differ": 0,
    "dead_letters": 0, "repeated_mails": 0, "mails": 700,
}  # fmt: skip


def _git(home: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=x", "-c", "user.email=x@example.test", *arguments]
    return subprocess.run(command, cwd=home, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def test_it_begins_at_the_newest_tag_else_at_the_first_record_and_at_what_is_asked_for(tmp_path: Path) -> None:
    place = tmp_path / "contracts" / "recorded" / "0.1"
    place.mkdir(parents=True)
    _git(tmp_path, "init", "-q", "-b", "main")
    (place / "conversation-events.jsonl").write_text("{}\n")
    _git(tmp_path, "add", "-A")
    _git(tmp_path, "commit", "-q", "-m", "first")
    first = _git(tmp_path, "rev-parse", "HEAD")
    _git(tmp_path, "commit", "-q", "--allow-empty", "-m", "second")
    second = _git(tmp_path, "rev-parse", "HEAD")
    _git(tmp_path, "commit", "-q", "--allow-empty", "-m", "third")
    assert (start_of("", tmp_path).name, start_of("", tmp_path).revision) == ("the first record of 0.1", first)
    _git(tmp_path, "tag", "v0.1.0", first)
    _git(tmp_path, "tag", "v0.2.0", second)
    assert (start_of("", tmp_path).name, start_of("", tmp_path).revision) == ("v0.2.0", second)
    assert start_of("v0.1.0", tmp_path).revision == first
    assert start_of("HEAD~1", tmp_path).revision == second
    assert not knows(start_of("v0.2.0", tmp_path), "conversation-states", tmp_path)
    (tmp_path / "contracts" / "src").mkdir()
    (tmp_path / "contracts" / "src" / "topics.py").write_text("conversation-states\n")
    _git(tmp_path, "add", "-A")
    _git(tmp_path, "commit", "-q", "-m", "fourth")
    assert knows(start_of("HEAD", tmp_path), "conversation-states", tmp_path)
    with pytest.raises(ValueError, match=r"UPGRADE_FROM=v9: git knows no such tag or commit"):
        start_of("v9", tmp_path)


def _mail(number: int, parent: int | None = None) -> PlannedMail:
    return PlannedMail(number, f"T{number:05d}x000000", 0, "i@x", "c@x", float(number), f"{number}@x", parent=parent)


def test_a_feed_that_ends_leaves_no_hole_in_a_thread() -> None:
    mails = [_mail(0), _mail(1, 0), _mail(2, 1), _mail(3), _mail(4, 3), _mail(5, 4)]
    assert still_wanted(mails, unsent={1, 4, 5}) == {1}  # 2 came early; nothing that was sent goes back to 4 or 5
    assert still_wanted(mails, unsent=set()) == set()


def test_a_good_upgrade_has_no_problem() -> None:
    assert problems(GOOD, {}, [], "") == []


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"lost": 1}, "lost is 1"),
        ({"without_owner": 2}, "without_owner is 2"),
        ({"rebuild_differs": 3}, "rebuild_differs is 3"),
        ({"states_differ": 1}, "states_differ is 1"),
        ({"dead_letters": 4}, "4 dead letters"),
        ({"repeated_mails": 5}, "5 mails were repeated"),
        ({"mails": 0}, "no mail came through"),
    ],
    ids=lambda given: str(given) if isinstance(given, str) else None,
)
def test_each_count_that_is_not_as_it_must_be_makes_it_bad(changed: dict[str, int], named: str) -> None:
    assert problems(GOOD | changed, {}, [], "") == [named]


def test_what_is_not_done_and_what_ended_makes_it_bad() -> None:
    wrong = problems(GOOD, {"ledger": 1}, ["desk.old: exit"], "router.new did nothing for 60 s beside the other")
    assert wrong == [
        "not quiet in time: 1 ledger",
        "ended by itself: desk.old: exit",
        "the upgrade failed: router.new did nothing for 60 s beside the other",
    ]
