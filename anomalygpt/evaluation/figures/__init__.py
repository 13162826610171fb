"""Figures from records: of photos, of pixels, of places."""
