"""Secrets at rest: each under its own key, and that under the deployment's."""

import base64

import pytest
from postroom_runtime.secret_cipher import Sealer, SealError, key_id_of
from postroom_runtime.settings import RuntimeSettings

OLD, NEW = b"o" * 32, b"n" * 32


def text_of(key: bytes) -> str:
    return base64.b64encode(key).decode()


def test_what_was_sealed_comes_back_and_never_looks_alike() -> None:
    sealer = Sealer([NEW])
    first, second = sealer.seal("hunter2-ü", "imap"), sealer.seal("hunter2-ü", "imap")
    assert first[17:] != second[17:]
    assert b"hunter2" not in first
    assert sealer.open(first, "imap") == "hunter2-ü"


def test_another_key_of_the_deployment_rewraps_the_data_key_alone() -> None:
    sealed = Sealer([OLD]).seal("hunter2", "imap")
    rotating = Sealer([NEW, OLD])
    again = rotating.rewrapped(sealed, "imap")
    assert again[65:] == sealed[65:]
    assert (key_id_of(sealed), key_id_of(again)) == (Sealer([OLD]).key_id, Sealer([NEW]).key_id)
    assert Sealer([NEW]).open(again, "imap") == "hunter2"
    assert rotating.rewrapped(again, "imap") == again


def test_what_was_changed_moved_or_sealed_by_others_is_refused() -> None:
    sealed = Sealer([NEW]).seal("hunter2", "imap")
    for position in range(5, len(sealed)):
        changed = bytearray(sealed)
        changed[position] ^= 1
        with pytest.raises(SealError, match="was changed"):
            Sealer([NEW]).open(bytes(changed), "imap")
    with pytest.raises(SealError, match="another name"):
        Sealer([NEW]).open(sealed, "smtp")
    with pytest.raises(SealError, match="not in POSTROOM_SECRETS_KEY"):
        Sealer([OLD]).open(sealed, "imap")
    for cut in (b"", sealed[:3], sealed[:20], sealed[:70]):
        with pytest.raises(SealError):
            Sealer([NEW]).open(cut, "imap")
    with pytest.raises(SealError, match="openssl rand"):
        Sealer([])


def test_keys_come_from_setting_or_file_and_grants_lie_under_them_too(tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("keys") / "key"
    file.write_text(f"{text_of(NEW)}\n{text_of(OLD)}\n")
    settings = RuntimeSettings(secrets_key_file=file)
    assert settings.sealer_keys() == [NEW, OLD]
    assert settings.token_cipher_keys() == [NEW, OLD]
    assert RuntimeSettings(token_keys=text_of(OLD), secrets_key=text_of(NEW)).token_cipher_keys() == [OLD, NEW]
    assert RuntimeSettings().sealer_keys() == []
    with pytest.raises(SealError, match="POSTROOM_SECRETS_KEY"):
        RuntimeSettings(secrets_key="short").sealer_keys()
