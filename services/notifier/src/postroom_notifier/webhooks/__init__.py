"""Webhooks out: events of conversations over HTTP to other systems."""
