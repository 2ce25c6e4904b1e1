"""What is looked for is found however it is written, packed or encoded; and nothing else is."""

import base64
import io
import json
import zipfile
from email.message import EmailMessage
from typing import Any

import pytest
from postroom_runtime.seeking import Seeker, forms, unpacked

NAME = "Zébulon Quîxworth"


def archive(**files: bytes) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return body.getvalue()


def mail(**parts: Any) -> bytes:
    message = EmailMessage()
    message["From"] = f"{parts.get('name', 'Ann')} <ann@example.test>"
    message["Subject"] = "Order"
    message.set_content(parts.get("text", "Hello"), charset=parts.get("charset", "utf-8"), cte=parts.get("cte"))
    if "file" in parts:
        message.add_attachment(parts["file"], maintype="application", subtype="zip", filename="a.zip")
    return message.as_bytes()


@pytest.mark.parametrize(
    "value",
    [
        NAME,
        NAME.upper(),
        {"a": [{"b": f"<{NAME}>"}]},
        {NAME: 1},
        NAME.encode(),
        NAME.encode("latin-1"),
        json.dumps({"name": NAME}).encode(),
        ["zebulon quixworth"],
    ],
    ids=["text", "case", "nested", "key", "utf-8", "latin-1", "json", "without accents"],
)
def test_it_is_found(value: Any) -> None:
    assert Seeker([NAME]).found_in(value) == {NAME}


@pytest.mark.parametrize("value", ["Zebulon", 7, None, b"\xff\x00", {}, base64.b64encode(NAME.encode())])
def test_it_is_not_found(value: Any) -> None:
    assert Seeker([NAME]).found_in(value) == set()


@pytest.mark.parametrize(
    "body",
    [
        mail(name=NAME),
        mail(text=f"Yours, {NAME}", cte="base64"),
        mail(text=f"Yours, {NAME}", cte="quoted-printable"),
        mail(text=f"Yours, {NAME}", charset="utf-16", cte="base64"),
        mail(file=archive(a=f"<w>{NAME}</w>".encode())),
        archive(**{f"{NAME}.txt": b"x"}),
    ],
    ids=["encoded header", "base64", "quoted-printable", "utf-16", "attached archive", "name in an archive"],
)
def test_it_is_found_in_what_is_packed(body: bytes) -> None:
    assert Seeker([NAME]).found_in(*unpacked(body)) == {NAME}


@pytest.mark.parametrize(
    "body", [b"", b"PK\x03\x04 broken", b"PK", b"\x00" * 1000, b"From: \xff\n\n", b"Subject: =?x?q?\n\n"]
)
def test_what_cannot_be_read_is_passed_over(body: bytes) -> None:
    assert Seeker([NAME]).found_in(*unpacked(body)) == set()


def test_forms_of_a_text() -> None:
    assert forms(" Ann@Example.test ") == {"ann@example.test"}
    assert "quixworth" in forms("Quîxworth")
