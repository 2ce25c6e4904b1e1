"""Which pictures elsewhere may be asked for, what counts as one, and what stands where none came."""

import pytest
from postroom_desk.domain.pictures import (
    NoPicture,
    Picture,
    has_remote_pictures,
    is_spy,
    judged,
    picture_address,
    placeholder,
)


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("https://shop.example/logo.png?x=1#top", "https://shop.example/logo.png?x=1"),
        (" http://shop.example/a ", "http://shop.example/a"),
        ("//cdn.example/a.gif", "https://cdn.example/a.gif"),
        ("https://shop.example:443/a", "https://shop.example:443/a"),
        ("https://shop.example:6379/a", None),
        ("https://shop.example:99999/a", None),
        ("https://user:secret@shop.example/a", None),
        ("ftp://shop.example/a", None),
        ("file:///etc/passwd", None),
        ("javascript:alert(1)", None),
        ("data:image/png;base64,AA==", None),
        ("/api/v1/company", None),
        ("https:///a", None),
        ("https://shop.example/a\r\nX-Evil: 1", None),
        ("https://shop.example/a b", None),
        ("https://[::1/a", None),
        ("https://shop.example/" + "a" * 2000, None),
    ],
)
def test_only_plain_addresses_of_the_web_are_asked(value: str, address: str | None) -> None:
    assert picture_address(value) == address


def test_a_picture_is_told_by_its_bytes() -> None:
    assert judged(b"GIF89a" + bytes(10)) == Picture("image/gif", b"GIF89a" + bytes(10))
    for body in (b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"<html>", b"%PDF-1.7", b"", b"BM" + bytes(20)):
        assert judged(body) == NoPicture("kind")


def test_pixels_that_count_readers_are_known() -> None:
    assert is_spy(Picture("image/gif", b"GIF89a\x01\x00\x01\x00"))
    assert not is_spy(Picture("image/gif", b"GIF89a\x10\x00\x01\x00"))
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
    assert is_spy(Picture("image/png", png + b"\x00\x00\x00\x01\x00\x00\x00\x01"))
    assert not is_spy(Picture("image/png", png + b"\x00\x00\x01\x00\x00\x00\x00\x01"))


@pytest.mark.parametrize(
    ("markup", "has"),
    [
        ("<img src=https://a.example/x>", True),
        ('<IMG alt="" SRC = "//a.example/x">', True),
        ("<img src='http://a.example/x'>", True),
        ("<img src=cid:1>", False),
        ("<a href=https://a.example>no picture</a>", False),
        ("<img " * 400_000, False),
        ("<img" + " src=" * 400_000, False),
    ],
    ids=["plain", "without scheme", "quoted", "brought along", "link", "many beginnings", "many sources"],
)
def test_a_mail_that_names_pictures_elsewhere_is_known(markup: str, has: bool) -> None:
    assert has_remote_pictures(markup) is has


def test_what_stands_in_place_of_a_picture_says_why() -> None:
    said = placeholder(NoPicture("address"))
    assert said.startswith("data:image/svg+xml,")
    assert "not%20a%20public%20address" in said
    assert '"' not in said
    assert "<" not in said
