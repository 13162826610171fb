"""Reading the command line, running one command, and turning errors into one line.

Errors are one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import gc
import io
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import Any

from anomalygpt.cli.parsing import Parser
from anomalygpt.cli.status import ERROR, INTERRUPTED, OK
from anomalygpt.errors import AnomalyGPTError
from anomalygpt.version import __version__

# Each is a module beside this one; the list of commands has their order.
COMMANDS = (
    "inspect",
    "watch",
    "chat",
    "demo",
    "serve",
    "key",
    "convert",
    "simulate",
    "data",
    "knowledge",
    "product",
    "audit",
    "feedback",
    "train",
    "evaluate",
    "doctor",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status."""
    _print_all_letters()
    options = build_parser().parse_args(arguments)
    options.typed = list(sys.argv[1:] if arguments is None else arguments)
    seldom = nullcontext() if options.command in _LASTING else seldom_collected()
    with quiet_libraries(), seldom:
        return _run(options)


def _run(options: argparse.Namespace) -> int:
    """Run the command; errors become one line and a status."""
    try:
        status = _module(options.command).run(options)
        sys.stdout.flush()
    except AnomalyGPTError as error:
        return _report(f"error: {' '.join(str(error).split())}", ERROR)
    except KeyboardInterrupt:
        return _report("interrupted; what was written so far is complete", INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has left; Python must not complain when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return _report(
            "error: out of memory; use a smaller model, a smaller --batch-size or fewer references",
            ERROR,
        )
    except OSError as error:
        return _report(f"error: {error}; check the path, the permissions and free space", ERROR)
    return status


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Keep warnings of libraries from people, who can do nothing about them.

    ANOMALYGPT_DEBUG=1 shows them. What turns warnings into errors, as our tests do, still does.
    """
    if os.environ.get("ANOMALYGPT_DEBUG", "0") not in ("", "0"):
        yield
        return
    show, level = warnings.showwarning, logging.root.manager.disable
    before = {name: os.environ.get(name) for name in _QUIET}
    warnings.showwarning = lambda *_, **__: None
    logging.disable(logging.WARNING)
    os.environ.update({name: value for name, value in _QUIET.items() if before[name] is None})
    try:
        yield
    finally:
        warnings.showwarning = show
        logging.disable(level)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


# What runs for hours gives memory back as usual.
_LASTING = ("watch", "demo", "serve", "train", "evaluate")


# New objects before Python looks for circles among them, and how often it looks at older ones.
SELDOM = (100_000, 50, 50)


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for circles of objects less often than usual.

    While libraries are loaded it finds none, and looking took a seventh of the time of inspecting
    one photo.
    """
    usual = gc.get_threshold()
    gc.set_threshold(*SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*usual)


# Read by torch when it is loaded, and by the processes that a command starts.
_QUIET = {"TORCH_CPP_LOG_LEVEL": "ERROR", "PYTHONWARNINGS": "ignore"}


def _print_all_letters() -> None:
    """A name with letters that the output lacks is printed with their codes, and ends nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _module(command: str) -> Any:
    return import_module(f"anomalygpt.cli.{command}")


def _is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out; torch says so with a RuntimeError, in other words per device."""
    told = type(error).__name__ == "OutOfMemoryError" or "can't allocate memory" in str(error)
    return told or isinstance(error, MemoryError)


def _report(message: str, status: int) -> int:
    print(f"anomalygpt: {message}", file=sys.stderr)
    return status


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = Parser(
        prog="anomalygpt",
        description="A conversational inspector for industrial images.",
        epilog="`anomalygpt COMMAND --help` explains a command.",
    )
    parser.add_argument("--version", action="version", version=f"anomalygpt {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name in COMMANDS:
        module = _module(name)
        module.add_arguments(commands.add_parser(name, help=module.SUMMARY))
    return parser
