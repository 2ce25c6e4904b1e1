"""Build both images without Docker, and run the services from them: `make check-image` (root; about five minutes, then two).

The base is made of Debian's packages (mmdebstrap), the images by buildah from the Dockerfile as it is, and each service runs
by runc as the image's user, with a read-only root and no capability, against the embedded servers: topics, indexes and
company are applied, one signed webhook goes in, and a conversation with an owner and a mail to that owner come out.
"""

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

from postroom_local.kafka import KafkaServer
from postroom_local.mongo import MongoServer
from postroom_local.smtp_sink import SmtpSink

from tools.image_build import CheckError, Images
from tools.image_run import Container, Sandbox
from tools.image_smoke import COMPANY, SECRETS, answered, conversation_with_owner, send_webhook

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "image"
PROGRAMS = {"buildah": "buildah", "mmdebstrap": "mmdebstrap", "runc": "runc"}
SERVICES = ("ingest", "router", "assigner", "notifier", "analytics", "desk")
READY_SECONDS = 120.0
STOP_SECONDS = 60.0


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--ca", type=Path, default=os.environ.get("SSL_CERT_FILE"), help="certificates for pip")
    arguments.add_argument("--driver", choices=("overlay", "vfs"), default="overlay", help="how layers are kept")
    arguments.add_argument("--keep", action="store_true", help="keep images and logs in build/image")
    given = arguments.parse_args()
    if missing := [package for program, package in PROGRAMS.items() if shutil.which(program) is None]:
        sys.exit(f"error: missing: {', '.join(missing)}; on Debian: apt-get install {' '.join(missing)}")
    if os.geteuid() != 0:
        sys.exit("error: buildah and runc need root here")
    images = Images(HOME, ROOT, given.ca, given.driver)
    try:
        check(images)
    except CheckError as error:
        sys.exit(f"error: {error}")
    finally:
        images.unmount()
        if not given.keep:
            images.remove()


def check(images: Images) -> None:
    """Build, look into, run. Raises CheckError saying what is wrong."""
    began = time.monotonic()
    images.make_base()
    for target in ("postroom", "postroom-ingest"):
        images.build(target)
        for line in images.facts(target):
            print(f"{target}: {line}", flush=True)
    print(f"built in {time.monotonic() - began:.0f} s", flush=True)
    with tempfile.TemporaryDirectory(prefix="postroom-image-") as folder:
        asyncio.run(smoke(images, Path(folder)))


async def smoke(images: Images, folder: Path) -> None:
    """Start the servers and all services; return when a webhook has become a conversation whose owner got a mail."""
    kafka, mongo, sink = KafkaServer(folder / "kafka"), MongoServer(folder / "mongo"), SmtpSink()
    for server in (kafka, mongo, sink):
        server.start()
    settings = {
        "POSTROOM_KAFKA_BOOTSTRAP": kafka.bootstrap,
        "POSTROOM_MONGO_URI": mongo.uri,
        "POSTROOM_HTTP_HOST": "127.0.0.1",
        "POSTROOM_GRACEFUL_TIMEOUT_SECONDS": "240",
        **SECRETS,
    }
    company = folder / "company.json"
    company.write_text(json.dumps(COMPANY | {"accounts": [*COMPANY["accounts"], mail_account(sink)]}))
    sandbox = Sandbox(folder, {t: images.mount(t) for t in ("postroom", "postroom-ingest")}, settings, company)
    running: dict[str, Container] = {}
    try:
        print(f"inside: {sandbox.look_around('postroom')}", flush=True)
        for words in (["topics", "apply"], ["migrate"], ["config", "apply", "/etc/company.json"]):
            sandbox.run("postroom-ingest", words)
        for name in SERVICES:
            running[name] = sandbox.start("postroom-ingest" if name == "ingest" else "postroom", name)
        for container in running.values():
            await container.ready(READY_SECONDS)
        print(f"ready: {', '.join(running)}, as user 10001 on a read-only root", flush=True)
        await send_webhook(running["ingest"].url)
        owner = await conversation_with_owner(running["desk"].url)
        await answered(sink)
        print(f"a webhook became a conversation of {owner}, who was told by mail", flush=True)
        for name, container in running.items():
            print(f"{name}: {container.resident_mib()} MiB resident", flush=True)
        for name, container in running.items():
            seconds = await container.stop(STOP_SECONDS)
            print(f"{name}: stopped in order in {seconds:.1f} s", flush=True)
    except CheckError as error:
        logs = "\n".join(f"--- {container.name}\n{container.log_end()}" for container in running.values())
        raise CheckError(f"{error}\n{logs}") from error
    finally:
        for container in running.values():
            container.kill()
        sink.stop()
        kafka.kill()
        mongo.kill()


def mail_account(sink: SmtpSink) -> dict[str, object]:
    """Return an account that sends and reads nothing."""
    return {"id": "mail", "channel": "email", "smtp": {"host": "127.0.0.1", "port": sink.port, "tls": "none"}}


if __name__ == "__main__":
    main()
