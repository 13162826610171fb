"""Arguments of the command line, whose errors are one line that says what to type instead."""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

_MISSING = re.compile(r"the following arguments are required: (.+)")
_INVALID = re.compile(r"argument (\S+): invalid ")


class Parser(argparse.ArgumentParser):
    """`ArgumentParser` that prints no usage with an error, but the error and where to read on."""

    _typed: Sequence[str] = ()

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """As usual; what nobody knows is an error here, where the command's options are known."""
        self._typed = list(sys.argv[1:] if args is None else args)
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown(unknown))
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        missing, invalid = _MISSING.fullmatch(message), _INVALID.match(message)
        advice = f"`{self.prog} --help` lists what can be given"
        if missing is not None:
            names = missing[1]
            message = f"{names} {'are' if ',' in names else 'is'} missing"
            option = self._greedy()
            if option is not None and "," not in names and not names.startswith("-"):
                message += f": {option} takes all that follows it"
                advice = f"put {names} before {option}, or `--` before {names}"
        elif invalid is not None and self._takes_all(invalid[1].split("/")[0]):
            message += f" ({invalid[1]} takes all that follows it, unless `--` ends it)"
        self.exit(2, f"anomalygpt: error: {' '.join(message.split())}; {advice}\n")

    def _unknown(self, arguments: Sequence[str]) -> str:
        first = arguments[0].partition("=")[0]
        similar = difflib.get_close_matches(first, self._option_string_actions, 1, 0.75)
        meant = f" (did you mean {similar[0]}?)" if similar and first.startswith("-") else ""
        return f"{' '.join(arguments)}: not known here{meant}"

    def _greedy(self) -> str | None:
        """The last option that was typed and that takes as many words as there are."""
        return next((word for word in reversed(self._typed) if self._takes_all(word)), None)

    def _takes_all(self, option: str) -> bool:
        action = self._option_string_actions.get(option)
        return action is not None and action.nargs in ("+", "*")
