"""The audit: who read, answered and changed what, and from where; append-only and hash-chained."""
