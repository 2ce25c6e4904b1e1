"""Loads the fixtures that every test directory shares."""

import os
from pathlib import Path

from hypothesis import settings

pytest_plugins = ["tests.servers"]
settings.register_profile("suite", deadline=None)  # a machine that is busy is no fault of what is tested
settings.load_profile("suite")
if os.environ.pop(
    "PYTHONDONTWRITEBYTECODE", ""
):  # as the Makefile: the processes of the tests compile their imports once
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).resolve().parents[1] / "build" / "bytecode")
