"""Single sign-on against a real Keycloak, logged in to by Chromium: `make check-keycloak`. Needs Java 17, Maven, Chromium.

Keycloak (176 MB) is fetched once into build/keycloak by Maven, which checks it, and started on a free port of
loopback; a realm with a client and two people is made; a desk over doubles lets one of them in and turns the other away.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import uvicorn
from playwright.async_api import async_playwright
from postroom_desk.adapters.identity_stores import provider_of
from postroom_local.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.component.desk.doubles import DeskBench, settings  # noqa: E402 - the doubles lie in the tests

VERSION = "26.7.3"
HOME = ROOT / "build" / "keycloak"
ARTIFACT = f"org.keycloak:keycloak-quarkus-dist:{VERSION}:tar.gz"
PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
START_SECONDS = 240
SECRET = "secret-of-the-check"  # noqa: S105 - of a server that lives for a minute
PASSWORD = "password-of-the-check"  # noqa: S105
PEOPLE = (("ana", "ana@velo.test", True), ("ben", "ben@velo.test", False))


def fetch() -> Path:
    """Return the folder of the unpacked distribution, which Maven fetches and checks."""
    folder = HOME / f"keycloak-{VERSION}"
    if not (folder / "bin" / "kc.sh").exists():
        HOME.mkdir(parents=True, exist_ok=True)
        print(f"fetching {ARTIFACT}", flush=True)
        options = [f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={HOME}", "-Dmdep.useBaseVersion=true"]
        subprocess.run(["mvn", "-q", "-B", PLUGIN, *options], check=True, timeout=600)
        packed = HOME / f"keycloak-quarkus-dist-{VERSION}.tar.gz"
        with tarfile.open(packed) as archive:
            archive.extractall(HOME, filter="data")
        packed.unlink()
    return folder


@contextlib.contextmanager
def keycloak(port: int) -> Iterator[str]:
    """Run it for as long as the block lasts; give its address."""
    environment = {
        **os.environ,
        "KC_BOOTSTRAP_ADMIN_USERNAME": "admin",
        "KC_BOOTSTRAP_ADMIN_PASSWORD": "admin",
        "JAVA_OPTS_KC_HEAP": "-Xmx512m",
    }
    command: list[str | Path] = [fetch() / "bin" / "kc.sh", "start-dev", f"--http-port={port}", "--http-host=127.0.0.1"]
    with (HOME / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


async def make_realm(address: str, callback: str) -> None:
    """Wait until it stands, then make the realm."""
    deadline = time.monotonic() + START_SECONDS
    async with httpx.AsyncClient(base_url=address, timeout=30, trust_env=False) as http:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await http.get("/realms/master/.well-known/openid-configuration")).status_code == 200:  # noqa: PLR2004
                    break
            if time.monotonic() > deadline:
                raise SystemExit(f"error: Keycloak did not start; see {HOME / 'log'}")
            await asyncio.sleep(1)
        form = {"grant_type": "password", "client_id": "admin-cli", "username": "admin", "password": "admin"}
        token = (await http.post("/realms/master/protocol/openid-connect/token", data=form)).json()["access_token"]
        made = await http.post("/admin/realms", json=realm(callback), headers={"Authorization": f"Bearer {token}"})
        made.raise_for_status()


def realm(callback: str) -> dict[str, object]:
    client = {
        "clientId": "postroom",
        "secret": SECRET,
        "redirectUris": [callback],
        "standardFlowEnabled": True,
        "attributes": {"pkce.code.challenge.method": "S256"},
    }
    people = [
        {
            "username": name,
            "email": email,
            "emailVerified": verified,
            "enabled": True,
            "firstName": name.title(),
            "lastName": "Check",
            "credentials": [{"type": "password", "value": PASSWORD, "temporary": False}],
        }
        for name, email, verified in PEOPLE
    ]
    name = f"velo{os.getpid()}"
    return {"realm": name, "enabled": True, "clients": [client], "users": people}


@contextlib.asynccontextmanager
async def desk(issuer: str, port: int) -> AsyncIterator[str]:
    """Run a desk over doubles that knows this provider; give its address."""
    address = f"http://127.0.0.1:{port}"
    given = settings(public_url=address, oidc_issuer=issuer, oidc_client_id="postroom", oidc_client_secret=SECRET)
    bench = DeskBench(given, provider=provider_of(given))
    server = uvicorn.Server(uvicorn.Config(bench.app, port=port, log_level="warning", lifespan="off"))
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.05)
    try:
        yield address
    finally:
        server.should_exit = True
        await running


async def sign_in(desk_address: str, name: str) -> tuple[str, str]:
    """Return the address at which Chromium ends, and the text there."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    if executable is None:
        raise SystemExit("error: Chromium is needed (Debian: apt-get install chromium)")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        page = await (await browser.new_context()).new_page()
        await page.goto(f"{desk_address}/login?next=/account")
        await page.click("a[href^='/login/sso']")
        await page.fill("#username", name)
        await page.fill("#password", PASSWORD)
        await page.click("[name=login]")
        await page.wait_for_url(f"{desk_address}/**")
        ended = (page.url, await page.inner_text("body"))
        await browser.close()
    return ended


async def check() -> None:
    keycloak_port, desk_port = free_port(), free_port()
    with keycloak(keycloak_port) as address:
        await make_realm(address, f"http://127.0.0.1:{desk_port}/login/sso/callback")
        async with desk(f"{address}/realms/velo{os.getpid()}", desk_port) as here:
            url, text = await sign_in(here, "ana")
            if url != f"{here}/account" or "ana@velo.test" not in text:
                raise SystemExit(f"error: ana was not let in: {url}: {text[:300]}")
            url, text = await sign_in(here, "ben")
            if "verified" not in text:
                raise SystemExit(f"error: ben, whose address is not verified, was not turned away: {url}: {text[:300]}")
    print(f"Keycloak {VERSION}: who is verified is let in, who is not is turned away")


if __name__ == "__main__":
    asyncio.run(check())
