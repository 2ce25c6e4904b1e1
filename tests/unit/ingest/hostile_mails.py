# ruff: noqa: E501 - a table of mails reads better in long lines
"""Mails made to cost their reader much: name to a function that builds one. Some have 25 MiB, so they are built one by one."""

import base64
import struct
from collections.abc import Callable

MIB = 1024 * 1024
HEAD = b"From: a@x.test\r\nTo: b@x.test\r\nSubject: s\r\nMessage-ID: <1@x.test>\r\nDate: Mon, 2 Mar 2026 10:00:00 +0100\r\n"
_HTML = HEAD + b"Content-Type: text/html; charset=utf-8\r\n\r\n"
_MIXED = HEAD + b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"


def nested(levels: int, kind: bytes = b"mixed") -> bytes:
    return b"".join(b"Content-Type: multipart/%s; boundary=B%d\r\n\r\n--B%d\r\n" % (kind, n, n) for n in range(levels))


def attached_within_each_other(levels: int) -> bytes:
    return HEAD + b"Content-Type: message/rfc822\r\n\r\n" * levels + b"\r\nwords"


def tnef(*attributes: tuple[int, bytes, int]) -> bytes:
    """Return a mail with a winmail.dat of attributes (name, value, length that it claims)."""
    stream = b"\x78\x9f\x3e\x22\x01\x00" + b"".join(
        struct.pack("<BII", 2, name, length) + value + b"\0\0" for name, value, length in attributes
    )
    part = b"--B\r\nContent-Type: application/ms-tnef; name=winmail.dat\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return _MIXED + part + base64.encodebytes(stream) + b"\r\n--B--\r\n"


def compressed_rtf(size: int) -> bytes:
    data = (
        struct.pack("<III", size, 0xFFFFFFFF, 0x75465A4C)
        + b"\0\0\0\0"
        + b"\x00{\\rtf1 a"
        + b"\xff"
        + b"\x0d\x0f" * size
    )
    properties = struct.pack("<IHHII", 1, 0x0102, 0x1009, 1, len(data)) + data
    return tnef((0x00069003, properties, len(properties)))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "nested 3000 deep": lambda: nested(3000),
    "nested 3000 deep, alternative": lambda: nested(3000, b"alternative"),
    "mails attached 3000 deep": lambda: attached_within_each_other(3000),
    "100,000 parts": lambda: _MIXED + b"--B\r\n\r\nx\r\n" * 100_000,
    "200 empty mails attached": lambda: _MIXED + b"--B\r\nContent-Type: message/rfc822\r\n\r\n\r\n" * 200,
    "20 nested of 1 MiB": lambda: b"".join(b"Content-Type: multipart/mixed; boundary=B%d\r\n\r\n--B%d\r\n" % (n, n) for n in range(19)) + b"\r\n" + b"--B\r\n" * (MIB // 5),
    "20 nested of 24 MiB": lambda: nested(20) + b"\r\n" + b"a" * 76 * (24 * MIB // 76),
    "100,000 recipients": lambda: b"To: " + b"a <a@x.test>,\r\n " * 100_000 + b"\r\n\r\nx",
    "100,000 recipients without commas": lambda: b"To: " + b"a@x.test\r\n " * 100_000 + b"\r\n\r\nx",
    "header without end": lambda: b"Subject: " + b"a" * 5 * MIB,
    "header of 25 MiB": lambda: HEAD + b"X-A: " + b"a" * (25 * MIB - 300) + b"\r\n\r\nwords",
    "headers by the thousand": lambda: b"X: y\r\n" * 100_000 + HEAD + b"\r\nwords",
    "blanks before a fold": lambda: b"Subject: a" + b" " * 400_000 + b"\r\n b\r\n\r\nx",
    "encoded words without end": lambda: b"Subject: " + b"=?utf-8?Q?a" * 100_000 + b"\r\n\r\nx",
    "encoded words, each in another charset": lambda: b"Subject: " + b"".join(b"=?x%d?B?/w==?= " % n for n in range(10_000)) + b"\r\n\r\nx",
    "encoded words of question marks": lambda: b"Subject: =?utf-8?Q?" + b"?=AA" * 100_000 + b"\r\n\r\nx",
    "encoded words to be detected": lambda: b"Subject: " + b"=?x?B?/////////////w==?= a " * 5_000 + b"\r\n\r\nx",
    "quotes and brackets": lambda: b"To: " + b'"(<' * 200_000 + b"\r\n\r\nx",
    "closing brackets": lambda: b"To: " + b'"(<' * 100_000 + b'>)"' * 100_000 + b"\r\n\r\nx",
    "comments in comments": lambda: b"From: " + b"(" * 200_000 + b")" * 200_000 + b" a@x.test\r\n\r\nx",
    "at signs": lambda: b"From: " + b"@" * 400_000 + b"\r\n\r\nx",
    "angles": lambda: b"From: " + b"<a@b" * 100_000 + b"\r\n\r\nx",
    "groups": lambda: b"To: " + b"a:" * 200_000 + b";\r\n\r\nx",
    "names without addresses": lambda: b"To: " + b"name, " * 40_000 + b"\r\n\r\nx",
    "continuations": lambda: b"Content-Type: text/plain;" + b"".join(b" a*%d=x;" % n for n in range(50_000)) + b"\r\n\r\nx",
    "quotes in parameters": lambda: b'Content-Type: text/plain; a="' + b'\\"' * 100_000 + b'";b="' + b"\r\n\r\nx",
    "blank lines in headers": lambda: b"A: b\r\n" + b" \r\n" * 200_000 + b"x",
    "date of digits": lambda: b"Date: " + b"1" * 400_000 + b"\r\n\r\nx",
    "references": lambda: b"References: " + b"<a@x>" * 90_000 + b"\r\n\r\nx",
    "boundary of meaning": lambda: HEAD + b'Content-Type: multipart/mixed; boundary="(a+)+$"\r\n\r\n--(a+)+$\r\n\r\n' + b"a" * MIB,
    "boundary never there": lambda: HEAD + b"Content-Type: multipart/mixed; boundary=Z\r\n\r\n" + b"--a\r\n" * (2 * MIB // 5),
    "boundary of blanks": lambda: _MIXED + (b"--B" + b" " * 50_000 + b"x\r\n") * 60,
    "html of brackets": lambda: _HTML + b"<" * MIB + b"<a '\"" * 100_000,
    "html of comments": lambda: _HTML + b"<!--" * 200_000 + b"<style" * 100_000,
    "html of open tags": lambda: _HTML + b"<div>" * 200_000 + b"words",
    "html of lists in lists": lambda: _HTML + b"<ul><li>" * 50_000 + b"words",
    "html of attributes": lambda: _HTML + b"<p " + b"".join(b"a%d=1 " % n for n in range(100_000)) + b">words",
    "html of fonts in each paragraph": lambda: _HTML + b"".join(b"<font color=%d>" % n for n in range(2_000)) + b"<p>x" * 20_000,
    "html of styles": lambda: _HTML + b"".join(b'<p style="color:red;margin:%dpx">x</p>' % n for n in range(40_000)),
    "html of pictures": lambda: _HTML + b'<img src="http://x.test/a.png">' * 60_000,
    "24 MiB of html": lambda: _HTML + b"<p>a &amp; b<br>\n" * (24 * MIB // 17),
    "12 pages of 2 MiB": lambda: _MIXED + (b"--B\r\nContent-Type: text/html\r\n\r\n" + b"<p>a &amp; b<br>\n" * (2 * MIB // 17) + b"\r\n") * 12,
    "12 mails of 2 MiB attached": lambda: _MIXED + (b"--B\r\nContent-Type: message/rfc822\r\n\r\nContent-Type: text/html\r\n\r\n" + b"<p>a &amp; b<br>\n" * (2 * MIB // 17) + b"\r\n") * 12,
    "blanks that do not break": lambda: _HTML + b"<p>a" + b"\xc2\xa0" * MIB,
    "ampersands": lambda: _HTML + b"& " * MIB,
    "ampersands of an attribute": lambda: _HTML + b'<p title="' + b"& " * MIB + b'">',
    "angles that are text": lambda: _HTML + b"<div>" * 300 + b"< " * MIB,
    "uuencode beginnings": lambda: HEAD + b"\r\n" + b"begin 644 a\r\n" * 100_000,
    "uuencoded files": lambda: HEAD + b"\r\n" + b"begin 644 a\r\n#0V%T\r\n`\r\nend\r\n" * 50_000,
    "yEnc beginnings": lambda: HEAD + b"\r\n" + b"=ybegin line=1 size=1 name=a\r\n" * 50_000,
    "yEnc escapes": lambda: HEAD + b"\r\n=ybegin line=1 size=1 name=a\r\n" + b"=a" * 2 * MIB + b"\r\n=yend size=1\r\n",
    "flowed": lambda: HEAD + b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"> a \r\n" * 300_000,
    "flowed without end": lambda: HEAD + b"Content-Type: text/plain; format=flowed\r\n\r\n" + b"a \r\n" * (MIB // 2),
    "one line of 10 MB": lambda: HEAD + b"\r\n" + b"a " * 5_000_000,
    "quoted-printable": lambda: HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + b"=" * 3 * MIB,
    "quoted-printable blanks": lambda: HEAD + b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=" + b" \t" * 3 * MIB,
    "quoted-printable of 24 MiB": lambda: HEAD + b"Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n" + b"=C3=A4" * (24 * MIB // 6),
    "base64 of padding": lambda: HEAD + b"Content-Transfer-Encoding: base64\r\n\r\n" + b"QQ==" * (MIB // 2),
    "base64 of 24 MiB": lambda: _MIXED + b"--B\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"QUJD" * (24 * MIB // 4) + b"\r\n--B--\r\n",
    "multipart in base64": lambda: HEAD + b"Content-Type: multipart/mixed; boundary=B\r\nContent-Transfer-Encoding: base64\r\n\r\n" + base64.b64encode(b"--B\r\n\r\nx\r\n" * 500_000),
    "punycode": lambda: HEAD + b"Content-Type: text/plain; charset=punycode\r\n\r\n" + b"a" * MIB + b"-" + b"z" * MIB,
    "utf-7": lambda: HEAD + b"Content-Type: text/plain; charset=utf-7\r\n\r\n" + b"+AAA-" * (5 * MIB // 5),
    "utf-16 of 24 MiB": lambda: HEAD + b"Content-Type: text/plain; charset=utf-16\r\n\r\n" + b"a\0" * 12 * MIB,
    "utf-8 with a wrong byte": lambda: HEAD + b"Content-Type: text/plain; charset=utf-8\r\n\r\n" + b"\xc3\xa4" * 5 * MIB + b"\xff",
    "iso-2022-jp escapes": lambda: HEAD + b"Content-Type: text/plain; charset=iso-2022-jp\r\n\r\n" + b"\x1b$B\x2d\x21\x1b(B" * 100_000,
    "unknown 8-bit": lambda: HEAD + b"\r\n" + bytes(range(128, 256)) * 100_000,
    "null bytes": lambda: HEAD + b"\r\n" + b"\0" * 10 * MIB,
    "60 parts in no charset": lambda: _MIXED + b"".join(b"--B\r\n\r\n" + bytes((n * k * k + k) % 256 for k in range(16_384)) + b"\r\n" for n in range(1, 60)),
    "20 parts of rtf": lambda: _MIXED + (b"--B\r\nContent-Type: text/rtf\r\n\r\n{\\rtf1 " + b"\\b a" * (MIB // 4) + b"}\r\n") * 20,
    "rtf braces": lambda: HEAD + b"Content-Type: text/rtf\r\n\r\n{\\rtf1 " + b"{" * (MIB // 2) + b"}" * (MIB // 2),
    "rtf words": lambda: HEAD + b"Content-Type: text/rtf\r\n\r\n{\\rtf1 " + b"\\b a" * (MIB // 4),
    "enriched": lambda: HEAD + b"Content-Type: text/enriched\r\n\r\n" + b"<param>" * 500_000,
    "calendar": lambda: HEAD + b"Content-Type: text/calendar\r\n\r\nBEGIN:VEVENT\r\n" + b"A:b\r\n" * (MIB // 4),
    "tnef that lies": lambda: tnef(*[(0x00069002, b"", 0), (0x0006800F, b"x", 0xFFFFFFFF)]),
    "tnef of files": lambda: tnef(*[(0x00069002, b"", 0)] * 20_000),
    "tnef of properties": lambda: tnef((0x00069003, struct.pack("<I", 0xFFFFFFFF) + struct.pack("<HHII", 0x101E, 0x1000, 0xFFFFFFFF, 0) * 100_000, 12 * 100_000 + 4)),
    "tnef with a bomb of rtf": lambda: compressed_rtf(500_000),
    "delivery report": lambda: HEAD + b"Content-Type: multipart/report; boundary=B\r\n\r\n--B\r\nContent-Type: message/delivery-status\r\n\r\n" + b"Action: failed\r\n\r\n" * 100_000,
    "bounce of words": lambda: HEAD.replace(b"a@x.test", b"mailer-daemon@x.test") + b"\r\n" + b"could not be delivered to: <" * 100_000,
    "bounce of blanks": lambda: HEAD.replace(b"a@x.test", b"mailer-daemon@x.test") + b"\r\nundeliverable\r\n" + b" " * 60_000 + b"\n" * 60_000,
    "26 MiB": lambda: HEAD + b"\r\n" + b"a" * 26 * MIB,
    "lone CRs": lambda: (HEAD + b"\r\n").replace(b"\r\n", b"\r") + b"a\r" * 4 * MIB,
    "cr cr lf": lambda: (HEAD + b"\r\n").replace(b"\r\n", b"\r\r\n") + b"a\r\r\n" * 2 * MIB,
}  # fmt: skip
