"""How closely photos are looked at, as people ask for it."""

from __future__ import annotations

from typing import TypeAlias

from anomalygpt.errors import ConfigError

# "whole" looks at a photo once; a number also at so many windows along its shorter side; "auto" at
# two where the photo has the pixels for them: 448 a side with a model that reads 256.
Detail: TypeAlias = "int | str"

# So many windows along the shorter side "auto" takes, where the photo has the pixels for them.
AUTO_WINDOWS = 2
MOST_WINDOWS = 8


def checked_detail(detail: Detail) -> Detail:
    """
    Raises:
        ConfigError: neither "auto", "whole" nor a number from 1 to 8.
    """
    is_count = type(detail) is int and 1 <= detail <= MOST_WINDOWS
    if not is_count and detail not in ("auto", "whole"):
        raise ConfigError(
            f"detail is 'auto', 'whole' or a number from 1 to {MOST_WINDOWS}, got {detail!r}"
        )
    return detail
