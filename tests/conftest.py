"""Loads the fixtures that every test directory shares."""

from hypothesis import settings

pytest_plugins = ["tests.servers"]
settings.register_profile("suite", deadline=None)  # a machine that is busy is no fault of what is tested
settings.load_profile("suite")
