"""Measuring an assistant on labelled photos: figures, the run that makes them, and the report.

`evaluate` runs one; docs/evaluation.md says what is measured and how.
"""
