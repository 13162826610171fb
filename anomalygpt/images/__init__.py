"""Photos as files: which ones a folder holds, and what their values mean."""
