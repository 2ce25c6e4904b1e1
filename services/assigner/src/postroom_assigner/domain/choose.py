"""The choice itself: from an assignment's record alone, so that whoever reads the record can repeat it."""

from typing import Literal

from postroom_contracts.values import AssignmentRecord

NobodyReason = Literal["nobody_on_duty", "everybody_full", "no_team", "manual"]


def choose(record: AssignmentRecord) -> str | None:
    """Return the agent who follows from `record`; None: nobody.

    The preferred agent unless something excludes them; else by the policy: `round_robin` the first of the eligible
    (they stand in the order of their latest assignment), `least_loaded` the first with the smallest load, `manual`
    nobody. Load is absolute, not a share of the capacity: ten open conversations are ten for everybody.
    """
    if record.preferred is not None and not record.preferred.excluded:
        return record.preferred.agent_id
    agents = record.eligible.agent_ids
    if not agents or record.policy == "manual":
        return None
    if record.policy == "round_robin":
        return agents[0]
    loads = record.eligible.loads
    return agents[loads.index(min(loads))]


recompute = choose
"""The same under the name of its other use: what a recorded decision must have come to."""


def why_nobody(record: AssignmentRecord) -> NobodyReason:
    """Return why `choose(record)` gave nobody."""
    if record.team_id is None:
        return "no_team"
    if record.policy == "manual":
        return "manual"
    may = [group for group in record.left_out if "no_right" not in group.reasons]
    full = any("off_duty" not in group.reasons and "full" in group.reasons for group in may)
    return "everybody_full" if full else "nobody_on_duty"


def nobody_may(record: AssignmentRecord) -> bool:
    """Return whether the team's members are all left out because none of them may handle the inbox."""
    enabled = [group for group in record.left_out if "disabled" not in group.reasons]
    return not record.eligible.agent_ids and bool(enabled) and all("no_right" in group.reasons for group in enabled)
