"""The counts of the folders, live: streams wait for each new table, reads take the current one."""

from postroom_desk.counting import LiveCount
from postroom_desk.domain.folders import FolderTable
from postroom_desk.live import Broadcaster
from postroom_desk.ports import FolderCounts
from postroom_desk.reading import Reader

TICK_SECONDS = 15.0
FolderFeed = LiveCount[FolderTable]


def folder_feed(source: FolderCounts, reader: Reader, live: Broadcaster) -> FolderFeed:
    return LiveCount(source.table, reader, live, TICK_SECONDS)
