"""Rules of ownership: no I/O, no clock, no randomness."""
