"""Which addresses a request that others chose may reach."""

import asyncio

import httpcore
import pytest
from postroom_runtime import outbound
from postroom_runtime.outbound import ForbiddenAddressError, GuardedBackend, is_allowed, parse_networks

FORBIDDEN = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.8",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "169.254.169.254",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%eth0",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1",
    "2002:7f00:0001::",
    "2001:db8::1",
    "not an address",
]


@pytest.mark.parametrize("address", FORBIDDEN)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    assert not is_allowed(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address)


def test_a_network_of_ones_own_is_allowed_by_name_and_no_other() -> None:
    own = parse_networks("10.20.0.0/16, fd00::/8")
    assert is_allowed("10.20.3.4", own)
    assert is_allowed("fd12::1", own)
    assert is_allowed("::ffff:10.20.3.4", own)
    assert not is_allowed("10.21.0.1", own)
    assert not is_allowed("::ffff:10.21.0.1", own)


def test_a_faulty_network_is_named() -> None:
    with pytest.raises(ValueError, match="'ten' is not a network"):
        parse_networks("10.0.0.0/8,ten")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]"])
async def test_what_is_connected_to_is_checked_whatever_it_is_called(host: str) -> None:
    with pytest.raises(Exception) as refused:  # noqa: PT011 - a name that does not resolve is no connection either
        await GuardedBackend().connect_tcp(host.strip("[]"), 9, timeout=30)
    assert isinstance(refused.value, ForbiddenAddressError) or "resolved" in str(refused.value)


async def test_an_address_that_does_not_answer_is_passed_over_for_the_name_s_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def resolved(_host: str, _port: int) -> list[str]:
        return ["10.0.0.8", "::1", "127.0.0.2", "127.0.0.1"]

    monkeypatch.setattr(outbound, "_resolve", resolved)
    answering = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port = answering.sockets[0].getsockname()[1]
    allowed = parse_networks("127.0.0.0/8, ::1/128")
    async with answering:
        stream = await GuardedBackend(allowed).connect_tcp("two.example", port, timeout=30)
        assert stream.get_extra_info("server_addr")[0] == "127.0.0.1"
        await stream.aclose()
    with pytest.raises(httpcore.ConnectError):
        await GuardedBackend(allowed).connect_tcp("two.example", port, timeout=30)
