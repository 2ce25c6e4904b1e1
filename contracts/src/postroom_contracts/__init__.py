"""What other systems may depend on: event models, topics, ids, the configuration model and shared pure functions.

Nothing here does I/O, reads a clock or draws a random number. Only pydantic and tzdata are imported.
"""
