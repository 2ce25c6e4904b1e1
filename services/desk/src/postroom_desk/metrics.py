"""Series of the desk, beside those of its HTTP door."""

from prometheus_client import Gauge

STREAMS = Gauge("postroom_desk_streams", "Live streams that are open at this process.")
