"""The version of this package; results carry it."""

__version__ = "0.1.0"
