"""Dialogues in English."""
