"""Rules of the notifier: pure, no I/O."""
