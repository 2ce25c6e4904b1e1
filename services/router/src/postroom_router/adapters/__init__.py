"""What the router keeps in MongoDB beside its conversations."""
