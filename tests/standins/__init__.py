"""Small servers on loopback that behave as providers do, and misbehave when told to."""
