"""A PostgreSQL server of the test's own, where one is installed."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

# Where distributions put it, besides the PATH.
_PLACES = ("/usr/lib/postgresql", "/usr/pgsql", "/opt/homebrew/opt", "/usr/local/pgsql")
NOBODY = 65534


def programs() -> Path | None:
    """The folder with initdb and postgres, or None."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    for place in _PLACES:
        for initdb in sorted(Path(place).glob("*/bin/initdb"), reverse=True):
            return initdb.parent
    return None


class PostgresServer:
    """A server on a port of this machine; it may be killed and begun again.

    Attributes:
        url: of its database.
    """

    def __init__(self, folder: Path) -> None:
        self._bin = programs()
        assert self._bin is not None
        self._data = folder / "postgres"
        self._data.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"postgresql://tester@127.0.0.1:{self._port}/postgres"
        # It refuses to run as root.
        self._user = NOBODY if os.geteuid() == 0 else None
        if self._user is not None:
            folder.chmod(0o711)
            os.chown(self._data, NOBODY, NOBODY)
        self._run("initdb", "-D", self._data, "-U", "tester", "--auth=trust", "--no-sync")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        """Begin, and wait until it answers."""
        assert self._bin is not None
        arguments = ("-D", self._data, "-p", str(self._port), "-h", "127.0.0.1", "-k", "")
        self._process = subprocess.Popen(
            [self._bin / "postgres", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
            start_new_session=True,
        )
        for _ in range(300):
            if self._answers():
                return
            time.sleep(0.1)
        raise TimeoutError("PostgreSQL does not answer")

    def kill(self) -> None:
        """As the power cut does: nothing is written any more."""
        assert self._process is not None
        # Its children are no group with it, and those that live on would hold the memory.
        for process in (self._process.pid, *_children(self._process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait()
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _answers(self) -> bool:
        import psycopg

        with contextlib.suppress(psycopg.OperationalError):
            psycopg.connect(self.url, connect_timeout=1).close()
            return True
        return False

    def _run(self, program: str, *arguments: object) -> None:
        assert self._bin is not None
        subprocess.run(
            [self._bin / program, *map(str, arguments)],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            user=self._user,
        )


def _children(parent: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    return [int(line) for line in listed.stdout.split()]


@contextlib.contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A server that ends with the block, in a folder that another user can get at."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        server = PostgresServer(Path(folder))
        try:
            yield server
        finally:
            server.kill()
