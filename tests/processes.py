"""The command line in processes of its own that need not load torch again.

They come from one process for each run of the tests that has imported what commands need, and
differ from those of a shell in that alone. Tests that need them are skipped on Windows, which
cannot fork.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

_IMPORTED = [
    "anomalygpt.cli.inspect",
    "anomalygpt.encoders.compact",
    "anomalygpt.language.loading",
    "anomalygpt.pretrained",
    "anomalygpt.cli.chat",
    "anomalygpt.training.trainer",
    "transformers.convert_slow_tokenizer",
    "transformers.models.llama.modeling_llama",
]


class Started:
    """A command that runs, in a process group of its own, as a terminal starts it."""

    def __init__(
        self, *arguments: object, given: bytes = b"", env: Mapping[str, str] | None = None
    ) -> None:
        if sys.platform == "win32":
            pytest.skip("Windows cannot fork")
        self._folder = Path(tempfile.mkdtemp())
        (self._folder / "in").write_bytes(given)
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(_IMPORTED)
        settings = dict(os.environ if env is None else env)
        self._process = context.Process(
            target=_become, args=([str(each) for each in arguments], settings, self._folder)
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def output(self) -> bytes:
        """What it wrote to stdout so far."""
        written = self._folder / "out"
        return written.read_bytes() if written.exists() else b""

    def communicate(self, timeout: float = 120) -> tuple[bytes, bytes]:
        """What it wrote to stdout and stderr, once it has ended."""
        self._process.join(timeout)
        if self._process.is_alive():
            os.killpg(self.pid, signal.SIGKILL)
            self._process.join()
            raise subprocess.TimeoutExpired("anomalygpt", timeout)
        out, err = ((self._folder / name).read_bytes() for name in ("out", "err"))
        shutil.rmtree(self._folder)
        return out, err


def run(
    *arguments: object, given: bytes = b"", env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """`anomalygpt ARGUMENTS` with bytes at its standard input."""
    started = Started(*arguments, given=given, env=env)
    out, err = started.communicate()
    assert started.returncode is not None
    return subprocess.CompletedProcess(arguments, started.returncode, out, err)


def _become(arguments: list[str], env: dict[str, str], folder: Path) -> None:
    """What a process does: everything that is its own is as a shell would give it."""
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    letters, _, errors = env.get("PYTHONIOENCODING", "utf-8").partition(":")
    for handle, name in enumerate(("in", "out", "err")):
        file = os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        os.dup2(file, handle)
        os.close(file)
        usual = "backslashreplace" if name == "err" else "strict"
        stream = open(  # noqa: SIM115 - it stays open
            handle, "r" if name == "in" else "w", encoding=letters, errors=errors or usual,
            buffering=1, closefd=False,
        )  # fmt: skip
        setattr(sys, f"std{name}", stream)
        setattr(sys, f"__std{name}__", stream)
    sys.argv = ["anomalygpt", *arguments]
    from anomalygpt.cli import main

    sys.exit(main())
