"""The fault run: real mail through real servers while everything is killed, and a count of what became of it."""
