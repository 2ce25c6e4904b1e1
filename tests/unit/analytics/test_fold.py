"""What later facts change, and what they must not: one small log per rule of the definition."""

import json
from typing import Any

import pytest
from postroom_analytics.domain.cells import Cell
from postroom_analytics.domain.documents import to_document
from postroom_analytics.domain.figures import figures
from postroom_analytics.domain.fold import advance_skipped, apply, versions_needed
from postroom_analytics.domain.log import FoldedLog
from postroom_analytics.domain.model import ConversationMetrics
from postroom_analytics.domain.now import gauges
from postroom_analytics.domain.order import MAX_EARLY, TooManyEarlyError
from postroom_analytics.domain.recorded import read_log
from postroom_contracts.configuration import Configuration, ConfigurationApplied
from postroom_contracts.events import Event
from postroom_contracts.response_times.opening import MAX_RUNS
from postroom_contracts.response_times.view import UnknownConfigurationError

Line = dict[str, Any]
POLICIES = [
    {"id": "gold", "first_response_seconds": 600, "next_response_seconds": 300, "resolution_seconds": 3600},
    {"id": "silver", "first_response_seconds": 1800, "next_response_seconds": 1200, "resolution_seconds": 7200},
]
CONFIGURATION: Line = {
    "configuration": {
        "policies": POLICIES,
        "teams": [
            {"id": "care", "name": "Care", "members": ["ann"]},
            {"id": "office", "name": "Office", "members": ["ann"], "calendar": "office"},
        ],
        "company": {"name": "Example", "default_calendar": "always"},
        "calendars": [
            {"id": "always", "time_zone": "UTC", "hours": {"tue": ["00:00-24:00"]}},
            {"id": "office", "time_zone": "UTC", "hours": {"tue": ["09:00-10:00"]}},
        ],
    }
}


def at(clock: str) -> str:
    return f"2026-03-03T{clock}:00Z" if clock.count(":") == 1 else f"2026-03-03T{clock}Z"


def fact(kind: str, clock: str, **data: Any) -> Line:
    return {"type": kind, "time": at(clock), "data": {k: v for k, v in data.items() if v is not None}}


def customer(clock: str, received: str | None = None, **data: Any) -> Line:
    return fact("MessageReceived", clock, received_at=at(received or clock), **data)


def accepted(clock: str, message: str, **data: Any) -> Line:
    return fact("ReplyAccepted", clock, message_id=message, **data)


def sent(clock: str, message: str) -> Line:
    return fact("MessageSent", clock, message_id=message)


def failed(clock: str, message: str) -> Line:
    return fact("MessageFailed", clock, message_id=message)


def reply(clock: str, message: str) -> list[Line]:
    return [accepted(clock, message), sent(clock, message)]


def resolved(clock: str) -> Line:
    return fact("ConversationResolved", clock)


def fold(*lines: Line, batch: int = 1) -> FoldedLog:
    log = FoldedLog()
    log.fold(read_log(json.dumps(line) for line in (CONFIGURATION, *lines)), batch)
    return log


def read(*lines: Line) -> list[Event]:
    return [r for r in read_log(json.dumps(line) for line in (CONFIGURATION, *lines)) if isinstance(r, Event)]


def shown(log: FoldedLog) -> dict[str, Any]:
    state = log.state("c1")
    assert state is not None
    return figures(state, log.rows_of("c1"))


def wall_minutes(figure: Any) -> Any:
    if isinstance(figure, list):
        return [wall_minutes(one) for one in figure]
    return None if figure is None else figure["wall_seconds"] / 60


def responses(log: FoldedLog) -> tuple[Any, Any]:
    result = shown(log)
    return wall_minutes(result["first_response"]), wall_minutes(result["next_response"])


def targets(log: FoldedLog) -> list[tuple[str, str, str]]:
    return [(t["target"], t["policy"], t["outcome"]) for t in shown(log)["targets"]]


def test_a_private_inbox_goes_by_its_own_calendar() -> None:
    own = {"id": "own", "name": "Own", "account": "a", "address": "own@example.org", "teams": [], "owner": "ann"}
    inbox = {"configuration": CONFIGURATION["configuration"] | {"inboxes": [own | {"calendar": "office"}]}}
    log = FoldedLog()
    lines = (inbox, customer("08:00"), *reply("09:30", "r"))
    log.fold(read_log(json.dumps(line) for line in lines))
    assert shown(log)["first_response"]["business_seconds"] == 1800  # of its office hours from nine


# --- replies -------------------------------------------------------------------------------------------------------


def test_a_reply_counts_from_when_it_was_sent_not_accepted() -> None:
    log = fold(customer("09:00"), accepted("09:10", "r"))
    assert responses(log) == (None, [])
    assert shown(log)["unattended"]
    log = fold(customer("09:00"), accepted("09:10", "r"), sent("09:12", "r"))
    assert responses(log) == (12, [])
    assert not shown(log)["unattended"]


def test_a_refused_reply_closes_nothing() -> None:
    log = fold(customer("09:00"), accepted("09:10", "r"), failed("09:11", "r"))
    assert responses(log) == (None, [])
    assert shown(log)["unattended"]
    assert shown(log)["never_answered"]


def test_messages_around_a_refused_reply_are_one_turn() -> None:
    lines = [customer("09:00"), accepted("09:10", "r"), customer("09:20"), failed("09:30", "r"), *reply("09:40", "q")]
    assert responses(fold(*lines)) == (40, [])
    assert len(fold(*lines).rows_of("c1")) == 2, "the turn and the conversation"


def test_a_turn_joined_by_a_refusal_begins_with_the_earliest_of_both_sides() -> None:
    lines = [customer("09:00"), accepted("09:10", "r"), customer("09:20", received="08:50"), failed("09:30", "r")]
    assert responses(fold(*lines, *reply("09:40", "q"))) == (50, [])


def test_messages_around_a_sent_reply_are_two_turns_however_late_that_is_told() -> None:
    two = [customer("09:00"), accepted("09:10", "r"), customer("09:20"), accepted("09:40", "q")]
    assert responses(fold(*two, sent("09:40", "q"), sent("09:10", "r"))) == (10, [20])
    assert responses(fold(*two, sent("09:10", "r"), sent("09:40", "q"))) == (10, [20])


def test_a_scheduled_reply_does_not_hide_the_quicker_one_behind_it() -> None:
    lines = [customer("09:00"), accepted("09:05", "scheduled"), accepted("09:10", "now"), sent("09:10", "now")]
    assert responses(fold(*lines)) == (10, [])
    assert responses(fold(*lines, sent("12:00", "scheduled"))) == (10, [])


def test_a_message_sent_after_all_once_more_closes_its_turn() -> None:
    log = fold(customer("09:00"), accepted("09:10", "r"), failed("09:11", "r"), sent("09:30", "r"))
    assert responses(log) == (30, [])


def test_a_refusal_of_a_second_delivery_takes_nothing_back() -> None:
    log = fold(customer("09:00"), accepted("09:10", "r"), sent("09:11", "r"), failed("09:12", "r"))
    assert responses(log) == (11, [])


def test_a_late_refusal_after_the_resolve_leaves_the_turn_closed_unanswered() -> None:
    lines = [customer("09:00"), accepted("09:10", "r", resolved=True, status="resolved")]
    assert shown(fold(*lines))["unanswered"] == []
    log = fold(*lines, failed("09:11", "r"))
    assert [turn["closed_at"] for turn in shown(log)["unanswered"]] == ["2026-03-03T09:10:00.000Z"]
    assert responses(log) == (None, [])


def test_a_reply_that_resolves_counts_as_answer_and_as_resolve() -> None:
    log = fold(customer("09:00"), accepted("09:10", "r", resolved=True, status="resolved"), sent("09:11", "r"))
    assert responses(log) == (11, [])
    assert wall_minutes(shown(log)["resolution"]) == [10]
    assert shown(log)["open"] is False


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({"actor": {"kind": kind, "id": "x"}}, id=kind)
        for kind in ("bot", "rule", "campaign", "survey", "system")
    ]
    + [pytest.param({"recipients": []}, id="to-no-customer")],
)
def test_what_no_agent_wrote_to_a_customer_is_no_response(data: Line) -> None:
    log = fold(customer("09:00"), accepted("09:10", "r", **data), sent("09:10", "r"))
    assert responses(log) == (None, [])
    assert shown(log)["never_answered"]


@pytest.mark.parametrize("kind", ["auto_reply", "bounce", "status", "reaction", "echo"])
def test_what_no_customer_wrote_starts_no_clock(kind: str) -> None:
    log = fold(customer("09:00", message_kind=kind), *reply("09:10", "r"))
    assert responses(log) == (None, [])
    assert not shown(log)["unattended"]


def test_an_answer_typed_in_the_providers_app_counts() -> None:
    log = fold(customer("09:00"), customer("09:07", message_kind="echo", from_agent="ann"))
    assert responses(log) == (7, [])
    assert shown(log)["first_response"]["agent"] == "ann"
    assert not shown(log)["never_answered"]


def test_a_conversation_begun_in_the_providers_app_was_begun_by_an_agent() -> None:
    log = fold(customer("09:00", message_kind="echo", from_agent="ann"), customer("09:10"), *reply("09:15", "r"))
    assert responses(log) == (None, [5])


def test_a_bounce_later_leaves_the_response_and_marks_the_conversation() -> None:
    log = fold(customer("09:00"), *reply("09:10", "r"), fact("MessageBounced", "09:20", message_id="r"))
    assert responses(log) == (10, [])
    assert shown(log)["undelivered"]


def test_a_turn_begins_at_its_earliest_message_by_fact_time() -> None:
    log = fold(customer("09:00"), customer("09:30", received="08:30"), *reply("09:40", "r"))
    assert responses(log) == (70, [])


def test_no_duration_is_negative() -> None:
    log = fold(customer("09:00"), accepted("09:10", "r"), sent("08:59", "r"))
    assert responses(log) == (0, [])


def test_credit_goes_to_the_writer_and_the_team_and_tags_when_it_was_written() -> None:
    log = fold(
        customer("09:00", team_id="care", tags=["old"]),
        accepted("09:10", "r", actor={"kind": "agent", "id": "bob"}),
        fact("ConversationRouted", "09:11", team_id="office"),
        fact("ConversationTagged", "09:11", tags=["new"]),
        sent("09:12", "r"),
    )
    figure = shown(log)["first_response"]
    assert (figure["agent"], figure["team"]) == ("bob", "care")
    assert log.rollups[Cell("total", "tag", "old")]["kinds"]["first_response"]["answered"] == 1


# --- calendars -----------------------------------------------------------------------------------------------------


def test_the_calendar_is_that_of_the_team_when_the_turn_opened_whoever_gets_it_later() -> None:
    log = fold(
        customer("09:30", team_id="office"), fact("ConversationRouted", "09:40", team_id="care"), *reply("11:00", "r")
    )
    figure = shown(log)["first_response"]
    assert (figure["calendar"], figure["wall_seconds"], figure["business_seconds"]) == ("office@1", 5400, 1800)


def test_a_turn_keeps_the_version_of_its_calendar_and_the_next_takes_the_new() -> None:
    newer = json.loads(json.dumps(CONFIGURATION))
    newer["configuration"]["calendars"][1]["hours"] = {"tue": ["09:00-12:00"]}
    log = fold(
        customer("09:30", team_id="office"), newer, *reply("11:00", "r"), customer("11:30"), *reply("13:00", "q")
    )
    first, following = shown(log)["first_response"], shown(log)["next_response"][0]
    assert (first["calendar"], first["business_seconds"]) == ("office@1", 1800)
    assert (following["calendar"], following["business_seconds"]) == ("office@2", 1800)


# --- episodes ------------------------------------------------------------------------------------------------------


def test_an_agents_reopening_opens_no_episode_and_full_goes_to_the_latest_resolve() -> None:
    log = fold(
        customer("09:00"),
        *reply("09:10", "r"),
        resolved("09:30"),
        fact("ConversationReopened", "10:00", previous="resolved"),
        resolved("10:20"),
    )
    result = shown(log)
    assert wall_minutes(result["resolution"]) == [30]
    assert (wall_minutes(result["full_resolution"]), wall_minutes(result["net_full_resolution"])) == (80, 50)
    assert result["full_resolution"]["closed_at"] == "2026-03-03T10:20:00.000Z"


def test_the_withdrawn_full_resolution_is_no_longer_in_its_rollup() -> None:
    lines = [customer("09:00"), *reply("09:10", "r"), resolved("09:30"), customer("10:00"), resolved("10:30")]
    total = fold(*lines).rollups[Cell("total", "all", "")]
    assert total["kinds"]["full_resolution"]["resolved"] == 1
    assert total["kinds"]["full_resolution"]["wall"]["sum"] == 90 * 60_000
    assert total["withdrawn"]["full_resolution"]["wall"]["sum"] == 30 * 60_000


def test_net_waits_until_it_is_known_when_the_last_turn_closed() -> None:
    lines = [
        customer("09:00"),
        fact("ConversationSnoozed", "09:01", until=at("12:00")),
        accepted("09:10", "r", status="snoozed"),
        resolved("10:00"),
    ]
    assert wall_minutes(shown(fold(*lines))["resolution"]) == [60]
    assert shown(fold(*lines))["net_resolution"] == []
    assert wall_minutes(shown(fold(*lines, sent("09:20", "r")))["net_resolution"]) == [20]


def test_a_snooze_ends_by_itself_and_waiting_set_while_a_reply_is_under_way_begins_with_its_sending() -> None:
    log = fold(
        customer("09:00"),
        accepted("09:10", "r", status="waiting"),
        sent("09:20", "r"),
        fact("ConversationSnoozed", "10:20", until=at("10:30")),
        resolved("11:00"),
    )
    assert wall_minutes(shown(log)["net_resolution"]) == [50], "120 less 60 waiting and 10 snoozed"


def test_an_auto_reply_ends_no_pause_and_a_late_mail_ends_it_when_it_was_received() -> None:
    begin = [customer("09:00"), *reply("09:10", "r"), fact("ConversationWaiting", "09:10")]
    machine = customer("09:30", message_kind="auto_reply", status="waiting")
    log = fold(*begin, machine, customer("10:30", received="10:00"), *reply("10:40", "q"), resolved("11:00"))
    assert wall_minutes(shown(log)["net_resolution"]) == [70], "waiting from 09:10 to 10:00"


def test_archiving_an_open_conversation_resolves_it() -> None:
    log = fold(customer("09:00"), *reply("09:10", "r"), fact("ConversationArchived", "09:40", resolved=True))
    assert wall_minutes(shown(log)["resolution"]) == [40]


def test_a_rules_resolve_is_nobodys() -> None:
    lines = [customer("09:00"), *reply("09:10", "r")]
    log = fold(*lines, fact("ConversationResolved", "09:30", actor={"kind": "rule", "id": "x"}))
    assert shown(log)["resolution"][0]["agent"] is None


# --- spam, bin, merge ----------------------------------------------------------------------------------------------


def counted(log: FoldedLog) -> int:
    kinds = log.rollups.get(Cell("total", "all", ""), {}).get("kinds", {})
    return sum(n for kind in kinds.values() for n in kind.values() if isinstance(n, int))


def test_spam_leaves_every_figure_and_undoing_it_restores_them() -> None:
    lines = [customer("09:00"), *reply("09:10", "r"), resolved("09:30"), customer("09:40")]
    before = fold(*lines)
    marked = fold(*lines, fact("ConversationMarkedSpam", "09:50"))
    assert counted(marked) == 0
    assert marked.now() == {"open": 0, "unattended": 0, "unassigned": 0}
    result = shown(marked)
    assert (result["first_response"], result["resolution"], result["volume"]) == (None, [], 0)
    undone = fold(*lines, fact("ConversationMarkedSpam", "09:50"), fact("ConversationUnmarkedSpam", "10:00"))
    assert shown(undone) == shown(before)
    assert counted(undone) == counted(before)
    log = fold(
        *lines, fact("ConversationMarkedSpam", "09:50"), fact("ConversationUnmarkedSpam", "10:00"), *reply("10:10", "q")
    )
    assert responses(log) == (10, [30])


def test_what_a_rule_marked_as_spam_at_once_counts_nowhere() -> None:
    log = fold(customer("09:00", status="spam"))
    assert counted(log) == 0
    assert shown(log)["unattended"] is False


def test_in_the_bin_nothing_is_open_and_restoring_shows_it_again() -> None:
    log = fold(customer("09:00"), fact("ConversationDeleted", "09:10"))
    assert (shown(log)["open"], shown(log)["unattended"], shown(log)["volume"]) == (False, False, 1)
    log = fold(customer("09:00"), fact("ConversationDeleted", "09:10"), fact("ConversationRestored", "09:20"))
    assert shown(log)["unattended"]


def test_a_merged_source_keeps_answered_turns_and_loses_its_resolutions() -> None:
    lines = [customer("09:00"), *reply("09:10", "r"), resolved("09:30")]
    log = fold(*lines, fact("ConversationMerged", "10:00", target_id="other", previous=None))
    result = shown(log)
    assert responses(log) == (10, [])
    assert (result["resolution"], result["full_resolution"], result["volume"], result["moved"]) == ([], None, 0, [])


def test_a_reply_under_way_at_the_merge_still_answers_in_the_source() -> None:
    lines = [customer("09:00"), accepted("09:10", "r"), fact("ConversationMerged", "09:20", target_id="other")]
    log = fold(*lines, sent("09:25", "r"))
    assert responses(log) == (25, [])
    assert shown(log)["moved"] == []


def test_a_target_that_waits_already_takes_the_earlier_start() -> None:
    log = fold(
        customer("09:30"),
        fact("ConversationAbsorbed", "09:40", source_id="b", open_turn_started_at=at("09:10")),
        *reply("09:50", "r"),
    )
    assert responses(log) == (40, [])


def test_a_resolved_target_is_reopened_by_the_turn_it_takes_over() -> None:
    log = fold(
        customer("09:00"),
        *reply("09:10", "r"),
        resolved("09:20"),
        fact("ConversationAbsorbed", "09:40", source_id="b", open_turn_started_at=at("09:30"), reopened=True),
        *reply("09:50", "q"),
    )
    assert responses(log) == (10, [20])
    assert shown(log)["next_response"][0]["reopened"]


def test_a_target_that_takes_over_nothing_waits_for_nothing() -> None:
    log = fold(customer("09:00"), *reply("09:10", "r"), fact("ConversationAbsorbed", "09:40", source_id="b"))
    assert not shown(log)["unattended"]


# --- targets -------------------------------------------------------------------------------------------------------


def test_targets_are_met_at_the_deadline_and_breached_after_it() -> None:
    gold = {"policy_id": "gold"}
    log = fold(
        customer("09:00", **gold),
        *reply("09:10", "r"),
        customer("09:20", **gold),
        *reply("09:26", "q"),
        resolved("10:00"),
    )
    assert targets(log) == [
        ("first_response", "gold", "met"),
        ("resolution", "gold", "met"),
        ("next_response", "gold", "breached"),
    ]


def test_replacing_a_policy_cancels_open_targets_and_keeps_them() -> None:
    log = fold(
        customer("09:00", policy_id="gold"),
        fact("ConversationRouted", "09:05", policy_id="silver"),
        *reply("09:15", "r"),
    )
    assert targets(log) == [
        ("first_response", "gold", "cancelled"),
        ("first_response", "silver", "met"),
        (
            "resolution",
            "gold",
            "cancelled",
        ),
    ]
    assert shown(log)["first_response"]["breached"] is False


def test_a_target_missed_before_its_policy_was_replaced_stays_breached() -> None:
    log = fold(
        customer("09:00", policy_id="gold"),
        fact("ConversationRouted", "09:12", policy_id="silver"),
        *reply("09:15", "r"),
    )
    assert targets(log)[0] == ("first_response", "gold", "breached")


def test_a_policy_replaced_after_the_answer_by_fact_time_changes_nothing() -> None:
    log = fold(
        customer("09:00", policy_id="gold"),
        accepted("09:05", "r"),
        fact("ConversationRouted", "09:07", policy_id="silver"),
        sent("09:06", "r"),
    )
    assert [t for t in targets(log) if t[0] == "first_response"] == [("first_response", "gold", "met")]


def test_an_open_target_shows_as_breached_once_that_is_noticed_and_by_our_own_deadline() -> None:
    lines = [customer("09:00", policy_id="gold")]
    assert targets(fold(*lines)) == []
    noticed = fact("DeadlineBreached", "09:11", deadline="first_response", breached_at=at("09:10"))
    assert targets(fold(*lines, noticed)) == [("first_response", "gold", "breached")]
    wrong = fact("DeadlineBreached", "09:11", deadline="first_response", breached_at=at("09:09"))
    assert targets(fold(*lines, wrong)) == []


def test_a_reply_sent_in_time_and_reported_late_undoes_the_breach() -> None:
    noticed = fact("DeadlineBreached", "09:11", deadline="first_response", breached_at=at("09:10"))
    log = fold(customer("09:00", policy_id="gold"), accepted("09:09", "r"), noticed, sent("09:10", "r"))
    assert targets(log) == [("first_response", "gold", "met")]
    assert log.rollups[Cell("total", "all", "")]["kinds"]["sla_first_response"] == {"breached": 0, "met": 1}


def test_a_turn_resolved_unanswered_in_time_owes_nothing_more() -> None:
    log = fold(customer("09:00", policy_id="gold"), resolved("09:05"))
    assert targets(log) == [("first_response", "gold", "cancelled"), ("resolution", "gold", "met")]
    log = fold(customer("09:00", policy_id="gold"), resolved("09:15"))
    assert targets(log)[0] == ("first_response", "gold", "breached")


# --- owners --------------------------------------------------------------------------------------------------------


def test_the_highest_epoch_owns_it() -> None:
    log = fold(
        customer("09:00"),
        fact("ConversationAssigned", "09:01", agent_id="bob", epoch=2),
        fact("ConversationUnassigned", "09:02", epoch=1, reason="released"),
    )
    assert not shown(log)["unassigned"]
    assert log.now("agent", "bob")["open"] == 1


def test_unassigned_and_unattended_are_two_things() -> None:
    log = fold(customer("09:00"), *reply("09:10", "r"))
    assert (shown(log)["unassigned"], shown(log)["unattended"]) == (True, False)


# --- the state -----------------------------------------------------------------------------------------------------


def test_apply_leaves_the_given_state_as_it_was() -> None:
    configurations = {1: fold().configurations[1]}
    state: ConversationMetrics | None = None
    for event in read(
        customer("09:00", policy_id="gold"), accepted("09:10", "r"), customer("09:20"), sent("09:21", "r")
    ):
        before = None if state is None else to_document(state)
        following = apply(state, event, configurations)
        assert (None if state is None else to_document(state)) == before
        state = following


def test_a_repeat_leaves_the_state_as_it_is() -> None:
    configurations = {1: fold().configurations[1]}
    state: ConversationMetrics | None = None
    events = read(customer("09:00"), accepted("09:10", "r"), customer("09:20"), sent("09:21", "r"), resolved("09:30"))
    for position, event in enumerate(events):
        state = apply(state, event, configurations)
        for repeat in events[: position + 1]:
            assert to_document(apply(state, repeat, configurations)) == to_document(state)


def test_the_state_of_a_long_conversation_stays_small() -> None:
    lines = [customer("09:00")]
    for n in range(300):
        clock = f"{10 + n // 60:02d}:{n % 60:02d}"
        lines += [customer(clock), accepted(clock, f"r{n}"), sent(clock, f"r{n}")]
    log = fold(*lines)
    assert len(log.rows_of("c1")) == 301
    assert len(json.dumps(log.states["c1"])) < 700


def test_a_reply_whose_fate_is_never_told_does_not_grow_the_state_without_end() -> None:
    lines = [customer("09:00"), accepted("09:01", "lost")]
    for n in range(120):
        lines += [customer("10:00"), accepted("10:00", f"r{n}"), sent("10:01", f"r{n}")]
    log = fold(*lines)
    state = log.state("c1")
    assert state is not None
    assert sum(len(episode.runs) for episode in state.episodes) <= MAX_RUNS


def test_a_gap_is_waited_for_and_too_long_a_wait_is_an_error() -> None:
    configurations = {1: fold().configurations[1]}
    events = read(*[customer("09:00") for _ in range(MAX_EARLY + 3)])
    state = apply(None, events[0], configurations)
    for event in events[2 : MAX_EARLY + 2]:
        state = apply(state, event, configurations)
    assert len(state.early) == MAX_EARLY
    with pytest.raises(TooManyEarlyError):
        apply(state, events[MAX_EARLY + 2], configurations)
    assert apply(state, events[1], configurations).sequences == {"/postroom/router": MAX_EARLY + 2}


def test_a_parked_record_counts_as_seen_and_frees_what_waited() -> None:
    configurations = {1: fold().configurations[1]}
    events = read(customer("09:00"), customer("09:01"), *reply("09:10", "r"))
    state = apply(None, events[0], configurations)
    state = apply(state, events[2], configurations)
    advance_skipped(state, "/postroom/router", 2, configurations)
    assert (state.sequences, state.early) == ({"/postroom/router": 3}, [])
    assert apply(state, events[3], configurations).answered


def test_a_version_that_is_not_at_hand_is_named() -> None:
    (event,) = read(customer("09:00"))
    assert versions_needed(None, [event]) == {1}
    with pytest.raises(UnknownConfigurationError, match="version 1"):
        apply(None, event, {})


def test_versions_of_open_turns_are_needed_again() -> None:
    configurations: dict[int, Configuration] = {1: fold().configurations[1]}
    opened, answered = read(customer("09:00"), accepted("09:10", "r"))[:2]
    state = apply(None, opened, configurations)
    newer = Event(**{**_fields(answered), "data": answered.data.model_copy(update={"configuration_version": 7})})
    assert versions_needed(state, [newer]) == {1, 7}


def _fields(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in Event.__slots__}


def test_configuration_records_are_read() -> None:
    applied = next(iter(read_log([json.dumps(CONFIGURATION)])))
    assert isinstance(applied, ConfigurationApplied)
    assert applied.configuration_version == 1


# --- history -------------------------------------------------------------------------------------------------------


def test_imported_history_is_no_volume_and_opens_no_clock() -> None:
    log = fold(customer("09:00", imported=True, status="resolved"), customer("09:01", imported=True, status="resolved"))
    assert log.rows_of("c1") == []
    state = log.state("c1")
    assert state is not None
    assert (state.opened_at, state.episodes, gauges(state)) == (None, [], frozenset())


def test_first_news_after_history_open_the_conversation_and_its_clock() -> None:
    log = fold(customer("09:00", imported=True, status="resolved"), customer("09:30"), *reply("09:40", "r"))
    assert responses(log) == (10, [])
    assert [row.kind for row in log.rows_of("c1") if row.kind == "conversation"] == ["conversation"]


def test_history_between_question_and_answer_changes_no_figure() -> None:
    with_it = fold(customer("09:00"), customer("09:05", received="08:00", imported=True), *reply("09:20", "r"))
    assert responses(with_it) == (20, [])


def cancelled_reply(*behind: Line) -> FoldedLog:
    """Return the log of a reply of 09:10 that would have resolved at once, and is taken back before its time."""
    return fold(
        customer("09:00"),
        accepted("09:10", "r", send_at=at("09:30"), status="resolved", resolved=True),
        fact(
            "ReplyCancelled",
            "09:12",
            message_id="r",
            reason="asked",
            previous="resolved",
            status="open",
            unresolved=True,
            open_turn_started_at=at("09:00"),
        ),
        *behind,
    )


def test_a_cancelled_reply_answers_nothing_and_resolves_nothing() -> None:
    back = fact("MessageCancelled", "09:12", message_id="r")
    assert shown(cancelled_reply(back))["unattended"]
    log = cancelled_reply(back, *reply("09:40", "later"), resolved("09:50"))
    assert responses(log) == (40, [])
    result = shown(log)
    assert wall_minutes(result["resolution"]) == [50]
    assert wall_minutes(result["full_resolution"]) == 50


def test_a_reply_whose_cancelling_came_too_late_has_answered() -> None:
    assert responses(cancelled_reply(sent("09:12", "r"), resolved("09:50"))) == (12, [])


# --- splits --------------------------------------------------------------------------------------------------------


def split(clock: str, open_turn: str | None = None, messages: list[str] | None = None) -> Line:
    since = at(open_turn) if open_turn else None
    return fact(
        "ConversationSplit",
        clock,
        new_conversation_id="c2",
        message_ids=messages or ["m2"],
        open_turn_started_at=since,
    )


def split_off(clock: str, open_turn: str | None = None, **data: Any) -> Line:
    since = at(open_turn) if open_turn else None
    begins = {"source_id": "c1", "message_ids": ["m2"], "team_id": "care", "tags": ["support"]}
    return fact("ConversationSplitOff", clock, open_turn_started_at=since, **(begins | data)) | {"subject": "c2"}


def other(line: Line) -> Line:
    return line | {"subject": "c2"}


def test_a_split_takes_the_open_turn_with_its_start_and_leaves_what_was_answered() -> None:
    log = fold(
        customer("09:00"),
        *reply("09:10", "r"),
        customer("09:20"),
        split("09:30"),
        split_off("09:30", "09:20"),
        *(other(line) for line in reply("09:40", "q")),
        resolved("09:50"),
        other(resolved("10:00")),
    )
    assert responses(log) == (10, [])
    assert wall_minutes(shown(log)["resolution"]) == [50]
    state = log.state("c2")
    assert state is not None
    result = figures(state, log.rows_of("c2"))
    assert wall_minutes(result["first_response"]) == 20
    assert wall_minutes(result["resolution"]) == [40]


def test_a_turn_on_both_sides_is_answered_on_both() -> None:
    lines = [customer("09:00"), customer("09:20"), split("09:30", "09:00"), split_off("09:30", "09:20")]
    log = fold(*lines, *reply("09:40", "r"))
    assert responses(log) == (40, [])
    log = fold(customer("09:00"), customer("09:20"), split("09:30", "09:20"), *reply("09:40", "r"))
    assert responses(log) == (20, [])


def test_an_episode_that_was_all_about_what_went_is_none_of_the_source() -> None:
    log = fold(
        customer("09:00"),
        *reply("09:10", "r"),
        resolved("09:15"),
        customer("09:20"),
        split("09:30"),
        resolved("09:40"),
    )
    assert responses(log) == (10, [])
    assert wall_minutes(shown(log)["resolution"]) == [15]
    assert not shown(log)["unattended"]


def test_a_split_without_an_open_turn_begins_resolved_work_and_no_clock() -> None:
    log = fold(customer("09:00"), *reply("09:10", "r"), split("09:30"), split_off("09:30"))
    state = log.state("c2")
    assert state is not None
    assert figures(state, log.rows_of("c2"))["first_response"] is None
    assert "never_answered" not in next(r for r in log.rows_of("c2") if r.kind == "conversation").marks


def test_a_move_counts_the_conversation_where_it_is() -> None:
    log = fold(customer("09:00"), fact("ConversationRouted", "09:10", inbox_id="sales", previous_inbox_id="support"))
    assert [r.inbox for r in log.rows_of("c1") if r.kind == "conversation"] == ["sales"]
