"""Real Kafka, MongoDB and mail servers as child processes of this one, without Docker or a system Java.

For trial and tests, on Linux x86-64 with glibc >= 2.35; everything listens on 127.0.0.1 only, without passwords
(Kafka, MongoDB) or with the given ones (mail). Production brings its own servers by one setting each.
"""
