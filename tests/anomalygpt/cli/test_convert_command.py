"""The command that converts published files: sources that are missing, sizes that are none."""

from __future__ import annotations

import pytest

from anomalygpt.cli import main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--imagebind", "{}/none.pth"], r"none.pth does not exist"),
        (["--imagebind", "{}/none.pth", "--llama", "x"], "--vicuna-delta is missing"),
        (["--imagebind", "{}/none.pth", "--pandagpt", "x"], "--pandagpt continues"),
        (["--imagebind", "{}/none.pth", "--dtype", "int3"], "int3"),
        (["--imagebind", "{}"], "is a folder"),
        (["--imagebind", "{}/none.pth", "--imagebind-option", "heads"], "KEY=VALUE"),
        (["--imagebind", "{}/none.pth", "--imagebind-option", "a=b"], "whole numbers"),
    ],
)
def test_sources_that_are_not_there(anomalygpt, tmp_path, arguments, message) -> None:
    given = [argument.format(tmp_path) for argument in arguments]
    ran = anomalygpt("convert", *given, "--output", tmp_path / "out")
    assert ran.status == 2
    assert message in ran.error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("size", ["2", "GB", "xGB", ""])
def test_shard_sizes_that_are_none(size: str, capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["convert", "--imagebind", "a", "--output", "b", "--max-shard-size", size])
    assert ended.value.code == 2
    assert "such as 2GB" in capsys.readouterr().err
