"""How any service runs: batch consumption, publishing, errors, dead letters, timers, health. Knows no shared inbox."""
