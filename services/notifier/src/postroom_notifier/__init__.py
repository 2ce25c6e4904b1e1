"""The notifier: who is told what, and the sending of what leaves the house. See docs/services/notifier.md."""
