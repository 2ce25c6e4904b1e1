"""Volumes and response times."""

from watch.panels import RATE, Board, Panel, Query, one


def _response(title: str, kind: str, says: str) -> Panel:
    found = [
        Query(
            f"histogram_quantile({q}, sum by (le) (increase(postroom_{kind}_seconds_bucket"
            f'{{cut="all", clock="{clock}"}}[$__range])))',
            f"{clock} p{round(q * 100)}",
        )
        for clock in ("wall", "business")
        for q in (0.5, 0.9)
    ]
    return Panel(title, says, "s", found)


def _mean(title: str, kind: str) -> Panel:
    where = '{cut="team", clock="business"}'
    return one(
        title,
        "Mean by team in business time, over the time shown.",
        "s",
        f"sum by (value) (increase(postroom_{kind}_seconds_sum{where}[$__range]))"
        f" / (sum by (value) (increase(postroom_{kind}_seconds_count{where}[$__range])) > 0)",
        "{{value}}",
    )


BUSINESS = Board(
    "business",
    "Business",
    "Volumes and response times as docs/metrics.md defines them (metrics/1), read from the stored rollups: the same from each replica,"
    " without probes and imported history. What is restated later stays counted here; the REST API shows restated figures.",
    [
        (
            "Volume",
            [
                one(
                    "Conversations opened",
                    "An hour, by inbox.",
                    "short",
                    'sum by (value) (max by (value) (rate(postroom_conversations_total{cut="inbox"}'
                    + RATE
                    + "))) * 3600",
                    "{{value}}",
                ),
                one(
                    "Open, unassigned, unattended",
                    "Conversations in each of these states now, in all.",
                    "short",
                    'max by (state) (postroom_conversations_now{cut="all"})',
                    "{{state}}",
                ),
                one(
                    "Open by team",
                    "Conversations that are open now.",
                    "short",
                    'max by (value) (postroom_conversations_now{cut="team", state="open"})',
                    "{{value}}",
                ),
            ],
        ),
        (
            "Response",
            [
                _response(
                    "First response", "first_response", "50th and 90th percentile over the time shown, by both clocks."
                ),
                _response(
                    "Next responses", "next_response", "50th and 90th percentile over the time shown, by both clocks."
                ),
                _response(
                    "Resolution",
                    "resolution",
                    "From the opening turn to the resolve; 50th and 90th percentile over the time shown.",
                ),
                _mean("Mean first response", "first_response"),
                _mean("Mean resolution", "resolution"),
                one(
                    "Closed unanswered",
                    "Turns that ended without a reply, an hour; in no average.",
                    "short",
                    'max(rate(postroom_turns_closed_unanswered_total{cut="all"}' + RATE + ")) * 3600",
                ),
            ],
        ),
    ],
)
