"""What is typed wrongly: one line that says what to type instead."""

from __future__ import annotations

import itertools
import subprocess
import sys

import pytest

from anomalygpt.cli import main
from anomalygpt.cli.main import build_parser


def said(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr of arguments that make no command."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert (ended.value.code, out) == (2, "")
    assert line.startswith("anomalygpt: error: ")
    assert "usage" not in line
    return line


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND is missing; `anomalygpt --help`"),
        (["dance"], "invalid choice: 'dance'"),
        (["inspect"], "IMAGE is missing; `anomalygpt inspect --help`"),
        (["inspect", "a", "--batch-size", "0"], "from 1 on, got '0'"),
        (["inspect", "a", "--batch-size"], "expected one argument"),
        (["inspect", "a", "--referense", "b"], "did you mean --reference?"),
        (["inspect", "a", "--two\nlines"], "--two lines: not known here"),
        (["chat", "a", "b"], "b: not known here; `anomalygpt chat --help`"),
        (["data"], "SUBCOMMAND is missing; `anomalygpt data --help`"),
        (["data", "check"], "ROOT is missing; `anomalygpt data check --help`"),
        (
            ["data", "check", "a", "--fast"],
            "--fast: not known here; `anomalygpt data check --help`",
        ),
        (["convert"], "--output is missing; `anomalygpt convert --help`"),
        (["train"], "DATA, OUTPUT are missing"),
        (["simulate", "--kinds", "hole", "DATA"], "--kinds takes all that follows it"),
        (["evaluate", "--shots", "1", "DATA"], "--shots takes all that follows it"),
        (["train", "a", "b", "--steps", "many"], "train --help"),
    ],
)
def test_one_line(arguments: list[str], words: str, capsys) -> None:
    assert words in said(arguments, capsys)


@pytest.mark.parametrize("command", ["inspect", "chat"])
@pytest.mark.parametrize("option", ["--reference", "-r", "--encoder-option"])
@pytest.mark.parametrize("later", [[], ["--flips"], ["--device", "cpu"]])
def test_an_option_that_took_the_photo_is_named(command, option, later, capsys) -> None:
    line = said([command, option, "a=1", "part.jpg", *later], capsys)
    assert f"IMAGE is missing: {option} takes all that follows it" in line
    assert f"put IMAGE before {option}, or `--` before IMAGE" in line


@pytest.mark.parametrize("command", ["inspect", "chat"])
def test_what_it_advises_works(command) -> None:
    for arguments in itertools.permutations((["part.jpg"], ["-r", "good.jpg"])):
        typed = [
            command,
            *arguments[0],
            *(["--"] if arguments[0][0] == "-r" else []),
            *arguments[1],
        ]
        options = build_parser().parse_args(typed)
        photo = options.image if command == "chat" else options.images[0]
        assert (photo, options.reference) == ("part.jpg", ["good.jpg"])


def test_an_error_is_shown_without_torch() -> None:
    script = (
        "import sys, anomalygpt.cli\n"
        "try: anomalygpt.cli.main(['inspect', '-r', 'a', 'b'])\n"
        "except SystemExit as end: assert end.code == 2\n"
        "assert not {'torch', 'numpy'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
