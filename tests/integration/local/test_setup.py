"""Programs come from the cache without a network, and a failure to fetch them names its remedy."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from postroom_local import jars
from postroom_local.cache import cache_dir
from postroom_local.errors import DownloadFailedError, StartFailedError, UnsupportedPlatformError
from postroom_local.jars import Program, jars_of, known_programs
from postroom_local.platform_check import check_platform, supported
from postroom_local.ports import free_port, is_free
from postroom_local.process import spawn
from postroom_local.resolvers import RESOLVERS, Resolver, ResolverFailedError

JAR = b"a jar"


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program of one jar, an empty cache, and resolvers that find nothing."""
    toy = Program("toy", ("org.example:toy:1",), {"toy-1.jar": hashlib.sha256(JAR).hexdigest()})
    monkeypatch.setenv("POSTROOM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(jars, "known_programs", lambda: {"toy": toy})
    monkeypatch.setitem(RESOLVERS, "mvn", offline)
    monkeypatch.setitem(RESOLVERS, "jgo", offline)
    return toy


def offline(*_: object) -> list[Path]:
    raise ResolverFailedError("Temporary failure in name resolution")


def finds(content: bytes) -> Resolver:
    def resolve(_coordinates: object, work_dir: Path, _progress: object) -> list[Path]:
        (work_dir / "toy-1.jar").write_bytes(content)
        (work_dir / "unwanted-2.jar").write_bytes(b"unwanted")
        return list(work_dir.glob("*.jar"))

    return resolve


def test_without_network_the_remedy_is_named(program: Program) -> None:
    with pytest.raises(
        DownloadFailedError, match=r"(?s)toy could not be fetched.*reaches the network.*name resolution"
    ):
        jars_of("toy")


def test_a_cached_program_needs_no_network(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as online:
        online.setitem(RESOLVERS, "jgo", finds(JAR))
        first = jars_of("toy")
    assert jars_of("toy") == first
    assert [path.name for path in first] == ["toy-1.jar"]
    assert first[0].read_bytes() == JAR
    assert list(first[0].parent.iterdir()) == first


def test_a_jar_with_another_digest_is_not_used(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(RESOLVERS, "jgo", finds(b"not that jar"))
    with pytest.raises(DownloadFailedError, match=r"toy-1\.jar has SHA-256"):
        jars_of("toy")
    assert not (cache_dir() / "jars" / program.directory_name).exists()


def test_an_unknown_resolver_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_RESOLVER", "ant")
    with pytest.raises(DownloadFailedError, match="'ant'; known are: mvn, jgo"):
        jars_of("toy")


@pytest.mark.connected
def test_the_pure_python_resolver_alone_brings_the_mail_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POSTROOM_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("POSTROOM_RESOLVER", "jgo")
    assert [path.name for path in jars_of("greenmail")] == ["greenmail-standalone-2.1.5.jar"]


def test_every_known_program_lists_its_jars_with_digests() -> None:
    assert {name: len(program.digests) for name, program in known_programs().items()} == {"kafka": 46, "greenmail": 1}
    assert all(len(digest) == 64 for program in known_programs().values() for digest in program.digests.values())


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POSTROOM_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_dir() == Path("/somewhere/postroom")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/ana")
    assert cache_dir() == Path("/home/ana/.cache/postroom")
    monkeypatch.setenv("POSTROOM_CACHE_DIR", "/own")
    assert cache_dir() == Path("/own")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param(("linux", "x86_64", "glibc", "2.35"), True, id="oldest"),
        pytest.param(("linux", "x86_64", "glibc", "2.41"), True, id="newer"),
        pytest.param(("linux", "x86_64", "glibc", "2.31"), False, id="old glibc"),
        pytest.param(("linux", "x86_64", "", ""), False, id="musl"),
        pytest.param(("linux", "aarch64", "glibc", "2.36"), False, id="arm"),
        pytest.param(("darwin", "x86_64", "", ""), False, id="mac"),
    ],
)
def test_where_the_embedded_servers_run(values: tuple[str, str, str, str], expected: bool) -> None:
    assert supported(*values) is expected


def test_elsewhere_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "aarch64")
    with pytest.raises(UnsupportedPlatformError, match=r"glibc >= 2\.35 .*aarch64.*run `docker compose up` instead"):
        check_platform()


def test_free_ports_differ_and_are_below_the_ephemeral_range() -> None:
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
    assert all(is_free(port) and port < first_ephemeral for port in ports)


def test_a_child_that_ends_early_is_reported_with_its_log(tmp_path: Path) -> None:
    process = spawn("toy", ["/bin/sh", "-c", "echo no licence; exit 3"], tmp_path / "toy.log")
    with pytest.raises(StartFailedError, match=r"(?s)toy ended with exit status 3\. Buy one\..*no licence"):
        process.wait_ready(lambda: False, 10, "Buy one.")


def test_a_child_that_never_answers_is_ended_at_the_deadline(tmp_path: Path) -> None:
    process = spawn("toy", ["/bin/sleep", "60"], tmp_path / "toy.log")
    with pytest.raises(StartFailedError, match=r"toy did not answer within 0\.2 s"):
        process.wait_ready(lambda: False, 0.2, "")
    assert not process.running


def test_a_child_deaf_to_sigterm_is_killed_after_the_deadline(tmp_path: Path) -> None:
    log_path = tmp_path / "toy.log"
    process = spawn("toy", ["/bin/sh", "-c", "trap '' TERM; echo deaf; sleep 60 & wait; sleep 60"], log_path)
    process.wait_ready(lambda: "deaf" in process.log_tail(), 10, "")
    assert process.stop(0.3) is False
    assert not process.running


def test_children_die_with_a_killed_parent(tmp_path: Path) -> None:
    code = (
        "import pathlib, sys, threading, time\n"
        "from postroom_local.process import spawn\n"
        "def work():\n"
        "    print(spawn('toy', ['/bin/sleep', '60'], pathlib.Path(sys.argv[1])).pid, flush=True)\n"
        "starter = threading.Thread(target=work); starter.start(); starter.join(); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert Path(f"/proc/{child}").exists()  # the thread that asked for it has ended; it lives on
        parent.send_signal(signal.SIGKILL)
    give_up_at = time.monotonic() + 5
    while process_state(child) not in {None, "Z"}:
        assert time.monotonic() < give_up_at, "the child outlived its parent"
        time.sleep(0.02)


def process_state(pid: int) -> str | None:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return None
