"""One customer's mail and one probe through the whole house: series, spans, log lines; the probe is seen and counted nowhere."""

import asyncio
import gzip
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from postroom_contracts.configuration import Configuration
from postroom_contracts.facts import MessageReceived
from postroom_contracts.inbound import InboundReceived
from postroom_contracts.topics import CONVERSATION_EVENTS, INBOUND_MESSAGES
from postroom_local.dovecot import DovecotServer
from postroom_local.mail import MailUser
from postroom_local.ports import free_port
from postroom_local.smtp_sink import SmtpSink
from prometheus_client.parser import text_string_to_metric_families

from tests.deployment import Deployment, ServiceProcess
from tests.unit.watch.test_rules import promtool
from watch import series

pytestmark = [pytest.mark.connected, pytest.mark.timeout(420)]
SHOP = "shop@acme.test"
TOKEN = "a-token-of-the-watching-test"
SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
MAIL = (
    b"From: Carla <carla@customer.example>\r\nTo: shop@acme.test\r\nSubject: Order\r\n"
    b"Message-ID: <m1@customer.example>\r\n\r\nWhere is it?\r\n"
)


def company(imap_port: int, smtp_port: int) -> Configuration:
    imap = {"host": "127.0.0.1", "port": imap_port, "tls": False, "user": SHOP, "password": {"env": "MAIL_PASSWORD"}}
    return Configuration.model_validate(
        {
            "company": {"name": "Acme", "default_calendar": "c", "domain": "acme.test"},
            "calendars": [{"id": "c", "time_zone": "UTC", "hours": {d: ["00:00-24:00"] for d in DAYS}}],
            "accounts": [
                {
                    "id": "shop",
                    "channel": "email",
                    "imap": {**imap, "poll_seconds": 5},
                    "smtp": {"host": "127.0.0.1", "port": smtp_port, "tls": "none"},
                }
            ],
            "inboxes": [{"id": "shop", "name": "Shop", "account": "shop", "address": SHOP, "teams": ["care"]}],
            "teams": [{"id": "care", "name": "Care", "members": ["ann"]}],
            "agents": [{"id": "ann", "first_name": "Ann", "email": "ann@staff.example"}],
        }
    )


DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Collector:
    """An OTLP receiver: keeps the spans that it is sent, with the service that sent them."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Span]] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                request = ExportTraceServiceRequest.FromString(body)
                for resource in request.resource_spans:
                    named = {a.key: a.value.string_value for a in resource.resource.attributes}
                    for scope in resource.scope_spans:
                        collector.spans += [(named["service.name"], span) for span in scope.spans]
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", free_port()), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


class House:
    def __init__(self, deployment: Deployment, services: dict[str, ServiceProcess], sink: SmtpSink) -> None:
        self.deployment = deployment
        self.services = services
        self.sink = sink
        self.desk = httpx.Client(
            base_url=services["desk"].url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60
        )

    async def until(self, is_true: Any, what: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while not await asyncio.to_thread(is_true):
            assert time.monotonic() < deadline, f"{what}\n{self.logs()}"
            await asyncio.sleep(0.2)

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{service.log.read_text()[-1500:]}" for name, service in self.services.items())

    def samples(self, name: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
        """Return series -> labels -> value of one process."""
        found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
        for family in text_string_to_metric_families(self.services[name].get("/metrics")):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
        return found

    def value(self, process: str, name: str, /, **labels: str) -> float:
        return self.samples(process).get(name, {}).get(tuple(sorted(labels.items())), 0.0)


@pytest.fixture
async def house(
    kafka_bootstrap: str, mongo_uri: str, topic_prefix: str, database_prefix: str, collector: Collector
) -> AsyncIterator[House]:
    dovecot = DovecotServer([MailUser(SHOP, "secret")])
    sink = SmtpSink(deliver=dovecot.deliver)
    dovecot.start()
    sink.start()
    settings = {
        "api_token": TOKEN,
        "traces_endpoint": collector.url,
        "log_messages": "true",
        "probe_seconds": 3600,  # one, and no other while it is looked at
    }
    try:
        async with Deployment(kafka_bootstrap, mongo_uri, topic_prefix, database_prefix, **settings) as deployment:
            await deployment.configure(company(dovecot.port, sink.port))
            env = {"MAIL_PASSWORD": "secret", "POSTROOM_LOG_FORMAT": "json"}
            services = {name: deployment.start(name, **env) for name in SERVICES}
            await asyncio.gather(*(service.ready(150) for service in services.values()))
            probe = ServiceProcess(
                "probe", {**deployment.env, **env, "POSTROOM_PROBE_DESK_URL": services["desk"].url}, ["probe"]
            )
            deployment.processes.append(probe)
            await probe.ready(150)
            dovecot.deliver(SHOP, MAIL)
            yield House(deployment, {**services, "probe": probe}, sink)
    finally:
        sink.stop()
        dovecot.close()


async def test_a_mail_and_a_probe_are_watched_on_their_whole_way(
    house: House, collector: Collector, tmp_path: Path
) -> None:
    await house.until(
        lambda: house.value("probe", "postroom_probe_mails_total", account="shop", outcome="seen") == 1,
        "the probe is seen",
        150,
    )
    await house.until(lambda: house.sink.mails_to("ann@staff.example"), "the agent is told of the customer's mail")
    await _the_probe_is_in_no_number(house)
    await _the_trace_is_whole(house, collector)
    _log_lines_lead_from_the_mail_to_the_notification(house)
    await _every_series_is_declared_and_promtool_finds_no_fault(house, tmp_path)


async def _the_probe_is_in_no_number(house: House) -> None:
    received = [
        e.data for e in await house.deployment.events(CONVERSATION_EVENTS) if isinstance(e.data, MessageReceived)
    ]
    assert sorted((m.probe, m.imported, m.status) for m in received) == [
        (False, False, "open"),
        (True, True, "resolved"),
    ]
    await house.until(
        lambda: house.value("analytics", "postroom_conversations_total", cut="all", value="") == 1, "counted"
    )
    await house.until(lambda: _listed(house), "the desk shows the customer's mail")
    assert _listed(house) == ["Order"]
    assert house.desk.get("/api/v1/overview").json()["total"] == 1
    assert len(house.sink.mails_to("ann@staff.example")) == 1, "nobody is told of the probe"
    assert house.value("router", "postroom_routed_seconds_count") == 1
    assert house.value("ingest", "postroom_ingest_stored_seconds_count", account="shop") == 1
    stages = {
        s: house.value("probe", "postroom_probe_seconds_count", account="shop", stage=s)
        for s in ("stored", "routed", "seen")
    }
    assert stages == {"stored": 1, "routed": 1, "seen": 1}


def _listed(house: House) -> list[str]:
    found = house.desk.get("/api/v1/conversations", params={"status": ["open", "resolved"]}).json()["items"]
    return [one["subject"] for one in found]


async def _the_trace_is_whole(house: House, collector: Collector) -> None:
    inbound = await house.deployment.events(INBOUND_MESSAGES)
    (event,) = [e for e in inbound if isinstance(e.data, InboundReceived) and not e.data.probe]
    trace_id, root_id = event.traceparent.split("-")[1:3]

    def ours() -> list[tuple[str, Span]]:
        return [(service, span) for service, span in collector.spans if span.trace_id.hex() == trace_id]

    wanted = {"ingest", "router-thread", "router-decide", "assigner", "notifier", "send", "analytics", "desk"}
    await house.until(lambda: {span.name for _, span in ours()} >= wanted, "all steps were told of")
    for service, span in ours():
        assert service.removeprefix("postroom-") in SERVICES
        root = span.span_id.hex() == root_id
        assert root == (span.name == "ingest"), "ingest's span is the root"
        assert root or span.parent_span_id.hex() == root_id, "every other is its child"
        assert span.end_time_unix_nano >= span.start_time_unix_nano > 0
    text = str([span for _, span in ours()])
    assert "carla" not in text.lower(), "ids, no addresses"


def _log_lines_lead_from_the_mail_to_the_notification(house: House) -> None:
    lines = {name: _lines(service.log) for name, service in house.services.items()}
    delivered = next(one for one in lines["notifier"] if one["event"] == "delivered" and one["kind"] == "assigned")
    correlation = delivered["correlation_id"]
    assert any(one["event"] == "taken in" and one["correlation_id"] == correlation for one in lines["ingest"])
    for name in ("router", "assigner", "notifier", "analytics", "desk"):
        assert any(one["event"] == "handled" and one["correlation_id"] == correlation for one in lines[name]), name


def _lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


async def _every_series_is_declared_and_promtool_finds_no_fault(house: House, tmp_path: Path) -> None:
    declared = {one.name for one in series.every()}
    declared |= {
        f"{one.name}_{e}" for one in series.every() if one.kind == "histogram" for e in ("bucket", "sum", "count")
    }
    ids = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-|@")
    for name in house.services:
        text = house.services[name].get("/metrics")
        (tmp_path / name).write_text(text)
        with (tmp_path / name).open() as given:
            done = promtool("check", "metrics", stdin=given)
        assert (done.returncode, done.stdout + done.stderr) == (0, ""), name
        shown = house.samples(name)
        assert {one for one in shown if one.startswith("postroom_")} <= declared
        values = {value for labelled in shown.values() for labels in labelled for _, value in labels}
        assert [value for value in values if ids.search(value)] == [], "no ids and no addresses in labels"
        assert house.value(name, "postroom_ready", service=name, condition="started") == 1
        wanted = {"postroom_mongo_up": {"server": _server(house)}}
        if name != "probe":
            wanted |= {"postroom_kafka_up": {}, "postroom_event_loop_delay_seconds_count": {}}
        for one, labels in wanted.items():  # each is the last look's: on a busy machine one may have got no answer
            await house.until(
                lambda name=name, one=one, labels=labels: house.value(name, one, service=name, **labels) >= 1, one
            )


def _server(house: House) -> str:
    return house.deployment.env["POSTROOM_MONGO_URI"].partition("://")[2].partition("/")[0]
