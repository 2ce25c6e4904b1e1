"""Loads the fixtures that every test directory shares."""

pytest_plugins = ["tests.servers"]
