"""Every way to log in, on a real broker and a real MongoDB with TLS: SASL, OAuth bearer, certificates."""

import asyncio
import base64
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiokafka.errors import KafkaError
from postroom_contracts.topics import Topic
from postroom_local.jars import jars_of
from postroom_local.kafka import KafkaServer
from postroom_local.mongo import mongod_program
from postroom_local.ports import LOOPBACK, free_port
from postroom_runtime import mongo
from postroom_runtime.kafka import Outgoing, Publisher, create_topics
from postroom_runtime.kafka_token import token_provider
from postroom_runtime.settings import RuntimeSettings
from postroom_runtime.subscription import make_broker
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from tests.servers import wait_until
from tests.standins.certificates import Authority

pytestmark = pytest.mark.connected
LOGIN = "org.apache.kafka.common.security"
USER = {"kafka_user": "postroom", "kafka_password": "a-password"}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    made = Authority(tmp_path_factory.mktemp("certificates"))
    made.issue("server")
    made.issue("postroom", unit="clients")
    return made


@pytest.fixture(scope="module")
def ports() -> dict[str, int]:
    return {name: free_port() for name in ("PLAINTEXT", "CONTROLLER", "SASL", "CERT")}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory, authority: Authority, ports: dict[str, int]) -> Iterator[None]:
    """A broker that asks for SASL over TLS at one port and for a client's certificate at another."""
    places = {name: f"{name}://{LOOPBACK}:{port}" for name, port in ports.items()}
    protocols = {"PLAINTEXT": "PLAINTEXT", "CONTROLLER": "PLAINTEXT", "SASL": "SASL_SSL", "CERT": "SSL"}
    login = {
        "plain": f'{LOGIN}.plain.PlainLoginModule required user_postroom="a-password";',
        "scram-sha-512": f"{LOGIN}.scram.ScramLoginModule required;",
        "oauthbearer": f'{LOGIN}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
    }
    settings = {
        "listeners": ",".join(places.values()),
        "advertised.listeners": ",".join(place for name, place in places.items() if name != "CONTROLLER"),
        "controller.quorum.voters": f"1@{LOOPBACK}:{ports['CONTROLLER']}",
        "listener.security.protocol.map": ",".join(f"{name}:{kind}" for name, kind in protocols.items()),
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(authority.folder / "server.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(authority.file),
        "listener.name.cert.ssl.client.auth": "required",
        "listener.name.sasl.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512,OAUTHBEARER",
        **{f"listener.name.sasl.{name}.sasl.jaas.config": line for name, line in login.items()},
    }
    server = KafkaServer(tmp_path_factory.mktemp("kafka"), ports["PLAINTEXT"], settings=settings)
    server.start()
    _add_scram_user(server)
    yield
    server.kill()


def _add_scram_user(server: KafkaServer) -> None:
    add = ["--alter", "--entity-type", "users", "--entity-name", "postroom"]
    tool = ["kafka.admin.ConfigCommand", "--bootstrap-server", server.bootstrap, *add]
    command = server._java(jars_of("kafka"), [*tool, "--add-config", "SCRAM-SHA-512=[password=a-password]"])
    subprocess.run(command, check=True, capture_output=True, timeout=60)


def _token(life_seconds: float) -> str:
    """Return a token as Kafka's own verifier for development takes it: unsigned, with subject and times."""
    now = time.time()
    parts = ({"alg": "none"}, {"sub": "postroom", "iat": now - 1, "exp": now + life_seconds})
    texts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return ".".join(texts) + "."


class TokenEndpoint:
    """Gives tokens to who says the right secret (RFC 6749 section 4.4), and counts."""

    def __init__(self) -> None:
        self.given = 0
        self.life_seconds = 60.0
        self.url = ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            int(line.split(":")[1]) for line in head.splitlines() if line.lower().startswith("content-length")
        )
        body = (await reader.readexactly(length)).decode()
        right = base64.b64encode(b"postroom:a-secret").decode()
        if f"Basic {right}" in head and "grant_type=client_credentials" in body:
            self.given += 1
            token = _token(self.life_seconds)
            text = json.dumps({"access_token": token, "token_type": "Bearer", "expires_in": self.life_seconds})
            status = "200 OK"
        else:
            status, text = "401 Unauthorized", json.dumps({"error": "invalid_client"})
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n"
            f"Connection: close\r\n\r\n{text}".encode()
        )
        await writer.drain()
        writer.close()


@pytest.fixture
async def endpoint() -> AsyncIterator[TokenEndpoint]:
    made = TokenEndpoint()
    server = await asyncio.start_server(made.answer, LOOPBACK, 0)
    made.url = f"http://{LOOPBACK}:{server.sockets[0].getsockname()[1]}/token"
    yield made
    server.close()


def settings(port: int, prefix: str, authority: Authority, **more: Any) -> RuntimeSettings:
    given = {"kafka_bootstrap": f"{LOOPBACK}:{port}", "kafka_ca_file": authority.file, "partitions": 1, **more}
    return RuntimeSettings(topic_prefix=prefix, publish_timeout_seconds=15, **given)


async def round_trip(settings: RuntimeSettings) -> bytes:
    """Make a topic, publish one record, have FastStream's broker read it in a group: every kind of client we have."""
    topic = Topic("inbound-messages", "", "", (), (), -1)
    await create_topics(settings, [topic])
    publisher = Publisher(settings)
    await publisher.start()
    got: asyncio.Queue[bytes] = asyncio.Queue()
    broker = make_broker(settings)

    @broker.subscriber(settings.topic(topic.name), group_id=f"{settings.topic_prefix}g", auto_offset_reset="earliest")
    async def on_message(body: bytes) -> None:
        await got.put(body)

    try:
        await publisher.publish([Outgoing(settings.topic(topic.name), b"k", b"hello", [])])
        await broker.start()
        return await asyncio.wait_for(got.get(), 30)
    finally:
        await broker.stop()
        await publisher.stop()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-512"])
async def test_a_password_over_tls(
    mechanism: Any, broker: None, authority: Authority, ports: dict[str, int], topic_prefix: str
) -> None:
    sasl = {"kafka_security": "SASL_SSL", "kafka_sasl_mechanism": mechanism}
    assert await round_trip(settings(ports["SASL"], topic_prefix, authority, **sasl, **USER)) == b"hello"
    wrong = settings(ports["SASL"], topic_prefix, authority, **sasl, **USER | {"kafka_password": "wrong"})
    with pytest.raises(KafkaError):
        await Publisher(wrong).start()


async def test_a_token_by_client_credentials_is_asked_for_once(
    broker: None, authority: Authority, ports: dict[str, int], topic_prefix: str, endpoint: TokenEndpoint
) -> None:
    oauth = {
        "kafka_security": "SASL_SSL",
        "kafka_sasl_mechanism": "OAUTHBEARER",
        "kafka_oauth_token_url": endpoint.url,
        "kafka_oauth_client_id": "postroom",
        "kafka_oauth_client_secret": "a-secret",
    }
    assert await round_trip(settings(ports["SASL"], topic_prefix, authority, **oauth)) == b"hello"
    assert endpoint.given == 1
    wrong = settings(ports["SASL"], topic_prefix, authority, **oauth | {"kafka_oauth_client_secret": "wrong"})
    with pytest.raises(KafkaError, match="refuses postroom: invalid_client"):
        await token_provider(wrong).token()
    with pytest.raises(KafkaError):
        await Publisher(wrong).start()


async def test_a_token_is_renewed_before_it_ends(endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("postroom_runtime.kafka_token.monotonic", lambda: now)
    provider = token_provider(
        RuntimeSettings(
            kafka_security="SASL_PLAINTEXT",
            kafka_sasl_mechanism="OAUTHBEARER",
            kafka_oauth_token_url=endpoint.url,
            kafka_oauth_client_id="postroom",
            kafka_oauth_client_secret="a-secret",
        )
    )
    first = await provider.token()
    now += 47  # of 60 seconds, the last fifth is not used
    assert (await provider.token(), endpoint.given) == (first, 1)
    now += 2
    await provider.token()
    assert endpoint.given == 2


async def test_a_token_from_a_file_is_read_at_each_log_in(
    broker: None, authority: Authority, ports: dict[str, int], topic_prefix: str, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    oauth = {"kafka_security": "SASL_SSL", "kafka_sasl_mechanism": "OAUTHBEARER", "kafka_oauth_token_file": file}
    given = settings(ports["SASL"], topic_prefix, authority, **oauth)
    with pytest.raises(KafkaError, match="cannot be read: FileNotFoundError"):
        await token_provider(given).token()
    file.write_text(_token(-30))
    with pytest.raises(KafkaError):
        await Publisher(given).start()
    file.write_text(_token(60) + "\n")
    assert await round_trip(given) == b"hello"


async def test_a_certificate_of_our_own(
    broker: None, authority: Authority, ports: dict[str, int], topic_prefix: str
) -> None:
    ours = {
        "kafka_certificate_file": authority.folder / "postroom.crt",
        "kafka_key_file": authority.folder / "postroom.key",
    }
    given = settings(ports["CERT"], topic_prefix, authority, kafka_security="SSL", **ours)
    assert await round_trip(given) == b"hello"
    with pytest.raises(KafkaError):
        await Publisher(settings(ports["CERT"], topic_prefix, authority, kafka_security="SSL")).start()


SUBJECT = "CN=postroom,OU=clients,O=Acme"


@pytest.fixture(scope="module")
def mongo_port(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[int]:
    """A mongod that speaks TLS only and asks for a log-in; it knows one user by certificate and one by password."""
    folder, port = tmp_path_factory.mktemp("mongo"), free_port()
    tls = ["--tlsMode=requireTLS", f"--tlsCertificateKeyFile={authority.folder / 'server.pem'}"]
    command = [str(mongod_program()), f"--dbpath={folder}", f"--port={port}", f"--bind_ip={LOOPBACK}", "--auth"]
    log = (folder / "log").open("wb")
    tls += [f"--tlsCAFile={authority.file}", "--tlsAllowConnectionsWithoutCertificates", "--nounixsocket"]
    process = subprocess.Popen([*command, *tls], stdout=log, stderr=log)
    with MongoClient[dict[str, Any]](LOOPBACK, port, tls=True, tlsCAFile=str(authority.file)) as client:
        wait_until(lambda: _answers(client), f"mongod with TLS: {folder / 'log'}")
        client.admin.command("createUser", "admin", pwd="a-password", roles=["root"])
    with MongoClient[dict[str, Any]](
        LOOPBACK, port, tls=True, tlsCAFile=str(authority.file), username="admin", password="a-password"
    ) as client:
        client["$external"].command("createUser", SUBJECT, roles=[{"role": "readWriteAnyDatabase", "db": "admin"}])
    yield port
    process.kill()
    process.wait()


def _answers(client: MongoClient[dict[str, Any]]) -> bool:
    try:
        return bool(client.admin.command("ping")["ok"])
    except PyMongoError:
        return False


@pytest.mark.parametrize("driver", ["motor", "pymongo"])
async def test_mongodb_by_certificate_and_by_password_over_tls(
    driver: Any, mongo_port: int, authority: Authority
) -> None:
    place = f"{LOOPBACK}:{mongo_port}"
    by_certificate = RuntimeSettings(
        mongo_uri=f"mongodb://{place}/?authMechanism=MONGODB-X509&authSource=%24external",
        mongo_ca_file=authority.file,
        mongo_certificate_file=authority.folder / "postroom.pem",
        mongo_driver=driver,
    )
    by_password = RuntimeSettings(
        mongo_uri=f"mongodb://admin:a-password@{place}/?authSource=admin&authMechanism=SCRAM-SHA-256",
        mongo_ca_file=authority.file,
        mongo_driver=driver,
    )
    for given in (by_certificate, by_password):
        assert await _kept(given) == {"_id": 1}
    nobody = RuntimeSettings(mongo_uri=f"mongodb://{place}", mongo_ca_file=authority.file, mongo_driver=driver)
    with pytest.raises(OperationFailure):
        await _kept(nobody)


async def _kept(given: RuntimeSettings) -> Any:
    client = mongo.connect(given)
    try:
        collection = mongo.database(client, given, "test")["things"]
        await collection.replace_one({"_id": 1}, {"_id": 1}, upsert=True)
        return await collection.find_one({"_id": 1})
    finally:
        await mongo.close(client)
