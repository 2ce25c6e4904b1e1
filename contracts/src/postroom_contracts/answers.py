"""The marker line of notification mail: an agent's answer stands above it."""

MARKER = "##- Please type your answer above this line -##"
"""Everything above the first line that holds this is the answer. A text that still holds it is refused."""
