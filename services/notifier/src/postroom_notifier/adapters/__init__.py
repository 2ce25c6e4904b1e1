"""MongoDB and SMTP."""
