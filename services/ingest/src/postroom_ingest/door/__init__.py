"""The SMTP and LMTP door: other servers hand us mail, and 250 means that it is safe. See docs/mail-doors.md."""
