"""Decisions of ingest: pure functions, no clock, no randomness, no I/O."""
