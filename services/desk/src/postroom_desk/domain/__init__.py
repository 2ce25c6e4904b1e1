"""What the read model is and how requests are made: pure."""
