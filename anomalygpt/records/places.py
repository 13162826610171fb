"""Where things are kept."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from anomalygpt.errors import ConfigError

# Name the folder and the database where no option does.
FOLDER_VARIABLE, DATABASE_VARIABLE = "ANOMALYGPT_DATA", "ANOMALYGPT_DATABASE"
SQLITE_NAME = "anomalygpt.sqlite"


@dataclass(frozen=True)
class Place:
    """Where products, photos and the log are.

    Attributes:
        folder: of photos, maps and memory banks, and of the database where no server has it.
        url: of the database, as SQLAlchemy writes it.
    """

    folder: Path
    url: str

    @classmethod
    def of(cls, folder: str | Path | None = None, url: str | None = None) -> Place:
        """The place that options name, else the environment, else the user's own.

        Raises:
            ConfigError: a database of a kind that is not known here, or nobody has a home.
        """
        folder = folder or os.environ.get(FOLDER_VARIABLE) or _usual()
        path = Path(folder).expanduser().absolute()
        url = url or os.environ.get(DATABASE_VARIABLE) or f"sqlite:///{path / SQLITE_NAME}"
        kind = url.partition(":")[0].partition("+")[0]
        if kind == "postgres":  # as some hosts write it
            url, kind = url.replace("postgres", "postgresql", 1), "postgresql"
        if kind not in ("sqlite", "postgresql"):
            raise ConfigError(
                f"a database is sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, not "
                f"{kind!r}; leave --database out for a file in the data folder"
            )
        if url.startswith("postgresql://"):
            url = url.replace("postgresql://", "postgresql+psycopg://", 1)
        return cls(path, url)

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.url.startswith("sqlite")


def _usual() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    try:
        return Path(base or Path.home() / ".local" / "share") / "anomalygpt"
    except RuntimeError:
        raise ConfigError(
            f"there is no home folder to keep products in; name one with {FOLDER_VARIABLE}"
        ) from None
