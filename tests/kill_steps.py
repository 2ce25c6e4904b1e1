"""Which test kills a process at which named step.

`steps.reach("name")` in the source marks a point at which a process may die. Every name must be killed at by a test:
- steps of the runtime: by `tests/integration/runtime/test_kill_steps.py`, in its own table `SCENARIOS`;
- steps of a service: by a test in the service's own directory, named here. Add a line with the step; the test must
  exist and its file must name the step, or find the steps of its service in the source by itself.

A step that stands in the source and in neither table, or here and no more in the source, fails the suite.
"""

INGEST = "tests/integration/ingest/test_ingest_service.py::test_kill_at_each_step_loses_and_doubles_nothing"
DOOR = (
    "tests/integration/ingest/test_door_service.py::test_killed_between_storing_and_250_makes_one_message_of_two_mails"
)
ROUTER = (
    "tests/integration/router/test_router_service.py::"
    "test_killed_at_each_step_of_the_thread_step_nothing_is_lost_or_doubled"
)
ERASURE = (
    "tests/integration/router/test_erasure_service.py::"
    "test_killed_at_each_step_an_erasure_comes_to_its_end_and_leaves_nothing"
)
NOTIFIER = "tests/integration/notifier/test_kill_steps.py::test_killed_at"
WEBHOOKS = "tests/integration/notifier/test_webhooks.py::test_killed_at_each_step_every_event_comes_in_order"
ANALYTICS = "tests/integration/analytics/test_fold_in_mongo.py::test_killed_at_a_step_it_loses_and_doubles_nothing"

COVERED: dict[str, str] = {
    "analytics.saved": ANALYTICS,
    "analytics.written": ANALYTICS,
    "door.stored": DOOR,
    "erasing.blobs_deleted": ERASURE,
    "erasure.buried": ERASURE,
    "ingest.blobs_stored": INGEST,
    "ingest.content_stored": INGEST,
    "ingest.cursor_saved": INGEST,
    "ingest.ledger_stored": INGEST,
    "ingest.marked": INGEST,
    "ingest.places_noted": INGEST,
    "ingest.published": INGEST,
    "notifier.accepted": NOTIFIER,
    "notifier.leased": NOTIFIER,
    "notifier.logged": NOTIFIER,
    "notifier.published": NOTIFIER,
    "notifier.reported": NOTIFIER,
    "notifier.sent": NOTIFIER,
    "webhooks.decided": WEBHOOKS,
    "webhooks.marked": WEBHOOKS,
    "webhooks.sent": WEBHOOKS,
    "webhooks.stored": WEBHOOKS,
    "thread.claimed": ROUTER,
    "thread.loaded": ROUTER,
    "thread.moved": ROUTER,
    "thread.published": ROUTER,
}
"""Step to the id of the test that kills there."""
