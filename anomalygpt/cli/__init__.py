"""The command line: `main` reads it, and each command has a module of its own.

A command's module has `SUMMARY`, one line for the list of commands, `add_arguments(parser)`, and
`run(options) -> int`, which returns the exit status. What brings torch, numpy, OpenCV or Pillow is
imported in `run`, so that `--help` answers at once.
"""

from anomalygpt.cli.main import main

__all__ = ["main"]
