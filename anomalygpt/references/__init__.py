"""Photos of good parts: which pictures of them are compared, and where they are kept."""
