"""Ports on MongoDB, and their doubles in memory."""
