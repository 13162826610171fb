"""Photos as files: which ones a folder holds, and what their values mean."""

from __future__ import annotations

from anomalygpt.errors import ConfigError


def check_bit_depth(bit_depth: int | None) -> None:
    """
    Raises:
        ConfigError: it is no whole number from 8 to 16.
    """
    if bit_depth is not None and (type(bit_depth) is not int or not 8 <= bit_depth <= 16):
        raise ConfigError(f"a bit depth is a whole number from 8 to 16, got {bit_depth!r}")
