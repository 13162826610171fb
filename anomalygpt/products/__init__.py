"""Products that are remembered: a name for good parts, settings, and what was promised of them."""
