"""The router: the only writer of a conversation. It decides everything about one but its owner."""
