"""Foreign models as the voice of the inspector, and what it hands to them as evidence."""
