"""Pure: facts in, figures out; no clock, no I/O. The definition is `docs/metrics.md`."""
