"""Ingest: from mail accounts and webhooks to inbound messages."""
