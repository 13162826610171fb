"""A run-time alarm: verdicts that harmless changes of the photo turn, and photos far from all."""
