"""Labels of other programs: one module for each format, with `read` and what writes it.

All speak of `LabelledPhoto` (`labels.py`), whose outlines and masks `shapes.py` draws and traces.
"""
