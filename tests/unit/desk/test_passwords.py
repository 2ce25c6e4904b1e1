"""Which passwords are taken, and what their hash says."""

import pytest
from postroom_desk.identity.hashing import WAITING, Hasher, TooBusyError
from postroom_desk.identity.passwords import fault_of
from postroom_desk.identity.tries import address_key

NAMES = ["Ana", "Ruiz", "ana.ruiz@velo.test", "ana.ruiz"]


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("seven bicycles", None),
        ("sevenbicycles", None),
        ("пароль из слов", None),
        ("short one 1", ("too_short", 12)),
        ("x" * 201, ("too_long", 200)),
        ("aaaaaaaaaaaab", ("too_plain", 5)),
        ("my name is RUIZ!", ("holds_name", 0)),
        ("for ana we shop", None),
        ("ana.ruiz@velo.test 1", ("holds_name", 0)),
    ],
)
def test_length_counts_and_names_are_refused(password: str, fault: tuple[str, int] | None) -> None:
    found = fault_of(password, NAMES)
    assert (found and (found.code, found.limit)) == fault


async def test_a_hash_is_argon2id_with_64_mib_and_the_same_from_every_keyboard() -> None:
    hasher = Hasher()
    made = await hasher.hash("Ångström has waves")
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert await hasher.verify("A\u030angstro\u0308m has waves", made) == (True, None)
    assert await hasher.verify("Angstrom has waves", made) == (False, None)
    assert await hasher.verify("nobody has this password", None) == (False, None)
    assert await hasher.verify("x", "not a hash") == (False, None)


async def test_more_log_ins_than_can_be_checked_are_told_to_come_again() -> None:
    hasher = Hasher()
    hasher._waiting = WAITING
    with pytest.raises(TooBusyError):
        await hasher.hash("seven bicycles")


def test_addresses_of_one_ipv6_network_are_one() -> None:
    assert address_key("2001:db8:1:2::3") == address_key("2001:db8:1:2:ffff::9")
    assert address_key("2001:db8:1:2::3") != address_key("2001:db8:1:3::3")
    assert address_key("::ffff:192.0.2.1") == address_key("192.0.2.1") != address_key("192.0.2.2")
    assert "192" not in address_key("192.0.2.1")
