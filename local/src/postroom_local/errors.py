"""What can go wrong with an embedded server, each with its remedy in the text."""

from __future__ import annotations


class LocalServerError(Exception):
    """An embedded server cannot be had; the text names what failed and what to do about it."""


class UnsupportedPlatformError(LocalServerError):
    """The embedded servers do not run on this system."""


class MissingProgramError(LocalServerError):
    """A program of the operating system is not installed, or is of a version we cannot configure."""


class DownloadFailedError(LocalServerError):
    """Server programs could not be fetched or are not the ones we know."""


class PortTakenError(LocalServerError):
    """Somebody else listens on the port that a server was told to use."""


class StartFailedError(LocalServerError):
    """A server ended, or did not answer within its deadline; the text quotes the end of its log."""
