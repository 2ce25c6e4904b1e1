"""Grants at rest."""

import base64

import pytest
from postroom_runtime.oauth_cipher import TokenCipher, TokenKeyError, read_keys

OLD, NEW = b"o" * 32, b"n" * 32


def test_what_was_encrypted_comes_back_and_never_looks_alike() -> None:
    cipher = TokenCipher([NEW])
    first, second = cipher.encrypt("refresh-1", "support"), cipher.encrypt("refresh-1", "support")
    assert first != second
    assert b"refresh" not in first
    assert cipher.decrypt(first, "support") == "refresh-1"


def test_rotated_key_reads_old_grants_and_writes_with_the_new_key() -> None:
    rotating = TokenCipher([NEW, OLD])
    assert rotating.decrypt(TokenCipher([OLD]).encrypt("t", "support"), "support") == "t"
    assert TokenCipher([NEW]).decrypt(rotating.encrypt("t", "support"), "support") == "t"


def test_grant_of_another_account_and_changed_bytes_are_refused() -> None:
    sealed = TokenCipher([NEW]).encrypt("t", "support")
    with pytest.raises(TokenKeyError, match="another account"):
        TokenCipher([NEW]).decrypt(sealed, "billing")
    with pytest.raises(TokenKeyError, match="changed"):
        TokenCipher([NEW]).decrypt(sealed[:-1] + bytes([sealed[-1] ^ 1]), "support")
    with pytest.raises(TokenKeyError, match="POSTROOM_TOKEN_KEYS"):
        TokenCipher([OLD]).decrypt(sealed, "support")


@pytest.mark.parametrize("text", ["", "not base64!", base64.b64encode(b"short").decode(), "AAAA,,"])
def test_setting_that_is_no_key_says_how_to_make_one(text: str) -> None:
    with pytest.raises(TokenKeyError, match="openssl rand -base64 32"):
        read_keys(text)


def test_keys_come_in_order_in_either_alphabet() -> None:
    odd = bytes([0xFB, 0xFF] * 16)
    text = f"{base64.b64encode(NEW).decode()}, {base64.urlsafe_b64encode(odd).decode()}"
    assert read_keys(text) == [NEW, odd]
