"""Turns, episodes, pauses and SLA targets of one conversation, by its facts (`docs/metrics.md`). Pure.

Analytics makes figures of them and the assigner keeps their deadlines; both go by the same code, so that what is
announced as missed is what the figures show as missed.
"""
