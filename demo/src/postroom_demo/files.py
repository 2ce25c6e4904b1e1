"""Small real files for attachments, made byte by byte: a PNG and a one-page PDF."""

import struct
import zlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class File:
    """One attachment to be."""

    name: str
    content_type: str
    content: bytes


def png(width: int, height: int, red: int, green: int, blue: int) -> bytes:
    """Return a PNG of one colour that fades to white downwards (W3C PNG, colour type 2, 8 bits)."""
    rows = []
    for y in range(height):
        shade = y / max(height - 1, 1)
        pixel = bytes(round(c + (255 - c) * shade) for c in (red, green, blue))
        rows.append(b"\0" + pixel * width)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(b"".join(rows), 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(_chunk, chunks))


def _chunk(named: tuple[bytes, bytes]) -> bytes:
    name, body = named
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def pdf(line: str) -> bytes:
    """Return a PDF of one page with one line of text in Helvetica (ISO 32000-1). `line` is ASCII without brackets."""
    text = line.encode("ascii", "replace").translate(None, b"()\\")
    stream = b"BT /F1 18 Tf 60 760 Td (" + text + b") Tj ET"
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        (
            b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
            b" /Resources << /Font << /F1 5 0 R >> >> >>"
        ),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(bodies, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(bodies) + 1
    trailer = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (size, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (size, table) + trailer


def photo(number: int) -> File:
    return File(f"IMG_{number:04d}.png", "image/png", png(96, 64, number * 53 % 200, number * 97 % 200, 120))


def receipt(order: str) -> File:
    return File(f"receipt {order}.pdf", "application/pdf", pdf(f"Receipt for order {order}"))
