"""The rules of a conversation: pure, no clock, no randomness, no I/O."""
