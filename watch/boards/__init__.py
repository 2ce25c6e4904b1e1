"""The one list of dashboards: the house, each service, the business."""

from watch.boards.analytics import ANALYTICS
from watch.boards.assigner import ASSIGNER
from watch.boards.business import BUSINESS
from watch.boards.desk import DESK
from watch.boards.house import HOUSE
from watch.boards.ingest import INGEST
from watch.boards.notifier import NOTIFIER
from watch.boards.router import ROUTER

BOARDS = (HOUSE, INGEST, ROUTER, ASSIGNER, NOTIFIER, ANALYTICS, DESK, BUSINESS)
