"""The command line: what it prints, what it writes, and how it ends."""

from __future__ import annotations

import gc
import io
import itertools
import json
import logging
import os
import shutil
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TextIO

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import GenerationOptions, Inspection, pretrained, progress
from anomalygpt.cli import assistant as assistants
from anomalygpt.cli import main
from anomalygpt.cli.shared import parse_options
from anomalygpt.errors import ConfigError, DeviceError
from tests import processes


def shell(*arguments: object, **options) -> subprocess.CompletedProcess[str]:
    """The command line as a shell starts it."""
    command = [sys.executable, "-m", "anomalygpt", *(str(argument) for argument in arguments)]
    settings = {"capture_output": True, "text": True, "timeout": 120, "check": False}
    return subprocess.run(command, **{**settings, **options})


def inspections(out: str) -> list[Inspection]:
    return [Inspection.from_json(line) for line in out.splitlines()]


# --- libraries that complain -------------------------------------------------------------------

COMPLAINING = """
import builtins, logging, warnings
load = builtins.__import__
def complain(name, *rest, **named):
    if name == "timm":
        warnings.warn("an argument goes soon", FutureWarning)
        logging.getLogger("transformers").warning("this is old")
    return load(name, *rest, **named)
builtins.__import__ = complain
"""


@pytest.mark.parametrize("debug", [False, True])
def test_only_who_asks_sees_warnings_of_libraries(
    assistant_folder: Path, parts: Path, tmp_path: Path, debug: bool
) -> None:
    (tmp_path / "sitecustomize.py").write_text(COMPLAINING)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment["ANOMALYGPT_DEBUG"] = str(int(debug))
    photos = (parts / "plain.jpg", "--reference", parts / "good.png")
    done = shell("inspect", *photos, "--model", assistant_folder, env=environment)
    assert done.returncode == 0, done.stderr
    if debug:
        assert "an argument goes soon" in done.stderr
        assert "this is old" in done.stderr
    else:
        assert done.stderr == ""


def test_what_the_command_changes_for_libraries_ends_with_it(anomalygpt, parts: Path) -> None:
    def state() -> tuple[object, ...]:
        disabled = logging.root.manager.disable
        return warnings.showwarning, disabled, dict(os.environ), gc.get_threshold()

    usual = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    try:
        before = state()
        assert anomalygpt("inspect", parts / "absent.png").status == 2
        assert state() == before
    finally:
        gc.set_threshold(*usual)


# --- help --------------------------------------------------------------------------------------


def test_help_is_quick() -> None:
    """The processor's time, because other tests run at the same time; the best of three."""
    seconds = []
    for _ in range(3):
        before = os.times()
        done = shell("--help")
        after = os.times()
        seconds.append(sum(after[2:4]) - sum(before[2:4]))  # user and system, of its children
        assert done.returncode == 0
        assert not done.stderr
        if seconds[-1] < 0.5:
            return
    pytest.fail(f"--help took {min(seconds):.2f} s")


@pytest.mark.parametrize("command", [[], ["inspect"], ["chat"], ["convert"], ["doctor"]])
def test_help_does_not_wait_for_torch(command: list[str]) -> None:
    script = (
        "import sys, anomalygpt.cli\n"
        "try: anomalygpt.cli.main([*sys.argv[1:], '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'transformers', 'timm', 'numpy', 'cv2', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "usage: anomalygpt" in done.stdout


def test_version(capsys) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out.startswith("anomalygpt ")


# --- inspect -----------------------------------------------------------------------------------


def test_json_is_one_object_per_line(anomalygpt, parts, encoder_options) -> None:
    ran = anomalygpt("inspect", parts, "-r", parts / "good.png", *encoder_options, "--json")
    assert (ran.status, ran.err) == (0, "")
    found = inspections(ran.out)
    assert [Path(item.image).name for item in found] == [
        "good.png",
        "other.png",
        "plain.jpg",
        "stained.png",
    ]
    assert all(item.references == (str(parts / "good.png"),) for item in found)
    assert all(item.is_anomalous is None for item in found)
    scores = {Path(item.image).name: item.anomaly_score for item in found}
    assert max(scores, key=scores.get) == "stained.png"


def test_a_sentence_per_photo(anomalygpt, parts, encoder_options) -> None:
    ran = anomalygpt("inspect", parts / "stained.png", "-r", parts / "good.png", *encoder_options)
    assert ran.status == 0
    assert ran.out.startswith(f"{parts / 'stained.png'}: score 0.")
    assert "stands out: " in ran.out


def test_a_whole_assistant_answers(anomalygpt, parts, assistant, assistant_folder) -> None:
    options = ["--model", assistant_folder, "-r", parts / "good.png", "--category", "disc"]
    ran = anomalygpt("inspect", parts / "stained.png", *options, "--json", "--device", "cpu")
    (found,) = inspections(ran.out)
    expected = assistant.inspect(parts / "stained.png", [parts / "good.png"])
    assert (found.answer, found.anomaly_probability) == (
        expected.answer,
        expected.anomaly_probability,
    )
    spoken = anomalygpt("inspect", parts / "stained.png", *options)
    assert f"(P(anomaly) {expected.anomaly_probability:.2f}, " in spoken.out


def test_patterns_and_several_references(anomalygpt, parts, encoder_options) -> None:
    ran = anomalygpt(
        *("inspect", parts / "*.jpg", "-r", parts / "good.png", "-r", parts / "o*.png"),
        *(*encoder_options, "--json", "--rotations", 2, "--flips"),
    )
    (found,) = inspections(ran.out)
    assert Path(found.image).name == "plain.jpg"
    assert [Path(name).name for name in found.references] == ["good.png", "other.png"]


def test_pictures_do_not_collide(anomalygpt, parts, tmp_path, encoder_options) -> None:
    """part.jpg beside part.png, and part.png in two folders, keep a file of their own each."""
    for folder, names in (("a", ["part.png", "part.jpg"]), ("b/c", ["part.png"])):
        (tmp_path / folder).mkdir(parents=True)
        for name in names:
            with Image.open(parts / "stained.png") as picture:
                picture.save(tmp_path / folder / name)
    drawn, maps = tmp_path / "drawn", tmp_path / "maps"
    ran = anomalygpt(
        *("inspect", tmp_path / "a", tmp_path / "b", "-r", parts / "good.png", *encoder_options),
        *("--save-overlay", drawn, "--save-map", maps),
    )
    assert ran.status == 0
    expected = ["a/part.jpg.png", "a/part.png.png", "b/c/part.png.png"]
    for folder in (drawn, maps):
        files = sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file())
        assert files == [str(Path(name)) for name in expected]
    with Image.open(maps / expected[0]) as picture:
        assert (picture.mode, picture.size) == ("I;16", (96, 80))
    with Image.open(drawn / expected[0]) as picture:
        assert (picture.mode, picture.size) == ("RGB", (96, 80))


def test_one_photo_gets_a_plain_name(anomalygpt, parts, tmp_path, encoder_options) -> None:
    photos = [parts / "plain.jpg", parts / "stained.png"]
    anomalygpt(
        *("inspect", *photos, "-r", parts / "good.png", *encoder_options),
        *("--save-overlay", tmp_path / "new" / "drawn"),
    )
    names = sorted(file.name for file in (tmp_path / "new" / "drawn").iterdir())
    assert names == ["plain.png", "stained.png"]


def test_results_stay_inside_their_folder(
    anomalygpt, parts, tmp_path, encoder_options, monkeypatch
) -> None:
    """ ".." in the name of a photo must not lead out of the folder for results."""
    for folder in ("here", "there"):
        (tmp_path / folder).mkdir()
        shutil.copyfile(parts / "stained.png", tmp_path / folder / "part.png")
    before = (tmp_path / "there" / "part.png").read_bytes()
    monkeypatch.chdir(tmp_path / "here")
    ran = anomalygpt(
        *("inspect", "part.png", "../there/part.png", "-r", parts / "good.png"),
        *(*encoder_options, "--save-overlay", tmp_path / "drawn"),
    )
    assert ran.status == 0
    assert (tmp_path / "there" / "part.png").read_bytes() == before
    assert len(list((tmp_path / "drawn").rglob("*.png"))) == 2


@pytest.mark.parametrize("option", ["--save-overlay", "--save-map"])
def test_no_photo_is_overwritten(anomalygpt, parts, tmp_path, encoder_options, option) -> None:
    shutil.copytree(parts, tmp_path / "photos")
    photo = tmp_path / "photos" / "stained.png"
    before = photo.read_bytes()
    reference = ["-r", parts / "good.png", *encoder_options]
    ran = anomalygpt("inspect", photo, *reference, option, tmp_path / "photos")
    assert ran.status == 2
    assert f"{photo} is one of the photos" in ran.error
    assert photo.read_bytes() == before
    # A photo whose result has another name may have its result beside it.
    plain = tmp_path / "photos" / "plain.jpg"
    assert anomalygpt("inspect", plain, *reference, option, tmp_path / "photos").status == 0


def test_overlays_and_maps_need_a_folder_each(anomalygpt, parts, tmp_path, encoder_options) -> None:
    ran = anomalygpt(
        *("inspect", parts, *encoder_options, "-r", parts / "good.png"),
        *("--save-overlay", tmp_path / "x", "--save-map", tmp_path / "y" / ".." / "x"),
    )
    assert ran.status == 2
    assert "two different folders" in ran.error


def test_a_broken_photo_is_named_and_the_rest_goes_on(
    anomalygpt, parts, tmp_path, encoder_options
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes((parts / "good.png").read_bytes()[:300])
    gone = tmp_path / "gone.png"
    ran = anomalygpt(
        *("inspect", parts / "good.png", broken, gone, parts / "plain.jpg"),
        *("-r", parts / "good.png", *encoder_options, "--json", "--batch-size", 2),
    )
    assert ran.status == 1
    assert [Path(item.image).name for item in inspections(ran.out)] == ["good.png", "plain.jpg"]
    lines = ran.err.splitlines()
    assert [line.split()[2] for line in lines[:2]] == [str(broken), str(gone)]
    assert lines[2] == "anomalygpt: 2 of 4 photos could not be inspected"


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_is_drawn_on_a_terminals_stderr_only(
    anomalygpt, parts, encoder_options, monkeypatch, terminal
) -> None:
    """A log file gets plain lines instead of a bar, and stdout neither."""
    monkeypatch.setattr(progress, "BAR_DELAY", -1.0)
    monkeypatch.setattr(progress, "is_watched", lambda: terminal)
    ran = anomalygpt(
        *("inspect", parts, "-r", parts / "good.png", parts / "other.png"),
        *(*encoder_options, "--json", "--batch-size", 1),
    )
    assert len(inspections(ran.out)) == 4
    assert ("4/4" in ran.err) is terminal
    assert ("references: 1 of 2, about" in ran.err) is not terminal
    assert ("photos: 1 of 4, about" in ran.err) is not terminal


def test_lines_of_a_log_are_seconds_apart(monkeypatch, capsys) -> None:
    """The first when it takes a while; then about ten seconds apart, in a long run further."""
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    monkeypatch.setattr(progress, "is_watched", lambda: False)
    told = []
    for _ in progress.with_bar(range(2000), 2000, "parts"):
        if capsys.readouterr().err:
            told.append(now)
        now += 1.0
    gaps = [later - earlier for earlier, later in itertools.pairwise(told)]
    assert told[0] <= 3
    assert gaps[0] == 10
    assert all(10 <= gap <= max(10, 0.06 * at + 1) for gap, at in zip(gaps, told, strict=False))
    assert gaps[-1] > 50
    assert list(progress.with_bar(range(1), 1)) == [0]
    assert not capsys.readouterr().err


def test_the_published_formulation_can_be_asked_for(anomalygpt, parts, encoder_options) -> None:
    photo = ["inspect", parts / "stained.png", "-r", parts / "good.png", *encoder_options]
    levels = [
        inspections(anomalygpt(*photo, "--json", "--formulation", name).out)[0].level
        for name in ("normalised", "published")
    ]
    assert levels[0] == 0.5
    assert levels[1] != 0.5


# --- chat --------------------------------------------------------------------------------------


def test_questions_come_from_a_pipe(
    anomalygpt, parts, assistant, assistant_folder, monkeypatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("Where is it?\nWhat now?\n"))
    options = ["--model", assistant_folder, "-r", parts / "good.png", "--max-new-tokens", 6]
    ran = anomalygpt("chat", parts / "stained.png", *options)
    assert (ran.status, ran.err) == (0, "")
    chat = assistant.chat(parts / "stained.png", [parts / "good.png"])
    chat.judge()
    assert ran.out.startswith(f"{parts / 'stained.png'}: {chat.inspection.answer[:3]}")
    assert "P(anomaly)" in ran.out
    short = GenerationOptions(max_new_tokens=6)
    for question in ("Where is it?", "What now?"):
        # Nonsense of a random model may hold control codes, which are not printed.
        said = chat.ask(question, short)
        assert "".join(c if c.isprintable() else " " for c in said) in ran.out


def test_an_empty_line_ends_the_chat(anomalygpt, parts, assistant_folder, monkeypatch) -> None:
    stdin = io.StringIO("\nWhat now?\n")
    monkeypatch.setattr(sys, "stdin", stdin)
    ran = anomalygpt("chat", parts / "stained.png", "--model", assistant_folder)
    assert ran.status == 0
    assert stdin.read() == "What now?\n"


# --- convert -----------------------------------------------------------------------------------


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


# --- options that do not fit together ----------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--encoder", "resnet18"], "add --map-only"),
        (["--encoder-weights", "x.pth"], "need --encoder NAME"),
        (["--encoder-option", "input_size=64"], "need --encoder NAME"),
        (["--model", "no/such/folder"], "no/such/folder does not exist"),
        (["--map-only", "--encoder", "resnet18x", "--encoder-weights", "x"], "resnet18"),
        (["--map-only", "--encoder", "resnet18", "--encoder-weights", "x"], "x does not exist"),
        (["--map-only", "--encoder", "imagebind_huge"], "--encoder-weights FILE"),
    ],
)
def test_models_that_cannot_be_used(anomalygpt, parts, arguments, message, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts / "other.png", *arguments)
    assert ran.status == 2
    assert message in ran.error
    assert not ran.out


def test_a_model_that_is_missing_from_the_installation(anomalygpt, parts, monkeypatch) -> None:
    monkeypatch.setitem(pretrained.PRESETS, "embedded", parts / "nothing")
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts / "other.png")
    assert ran.status == 2
    assert "'embedded' is missing from this installation" in ran.error


def test_chat_needs_words(anomalygpt, parts) -> None:
    ran = anomalygpt("chat", parts / "good.png", "--encoder", "resnet18")
    assert ran.status == 2
    assert "cannot answer in words" in ran.error


@pytest.mark.parametrize("device", ["tpu9", "cuda:99", "meta"])
def test_a_device_that_is_not_there(anomalygpt, parts, encoder_options, device) -> None:
    ran = anomalygpt(
        "inspect", parts / "good.png", "-r", parts, *encoder_options, "--device", device
    )
    assert ran.status == 2
    assert device in ran.error


def test_a_number_format_that_is_none(anomalygpt, parts, assistant_folder) -> None:
    ran = anomalygpt("inspect", parts, "--model", assistant_folder, "--dtype", "int3")
    assert ran.status == 2
    assert "int3" in ran.error


@pytest.mark.parametrize(
    "option",
    [
        "nothing",
        "input_size=abc",
        "input_size=64.5",
        "input_size=true",
        "input_size=65",
        "input_size=0",
        "input_size=64,64",
        "mean=a,b,c",
        "mean=0.5,0.5",
        "std=a",
        "std=0,0,0",
        "stages=x",
        "stages=1.5",
        "stages=99",
        "resize=round",
        "legs=3",
        "embed_dim=abc",
        "num_heads=5",
    ],
)
def test_encoder_options_that_cannot_be(anomalygpt, parts, encoder_options, option) -> None:
    ran = anomalygpt("inspect", parts / "good.png", "-r", parts, *encoder_options, option)
    assert ran.status == 2
    assert ran.error


def test_options_are_numbers_lists_and_words() -> None:
    assert parse_options(["a=1", "b=0.5,1", "c=true", "d=same", "e=__import__('os')"]) == {
        "a": 1,
        "b": (0.5, 1),
        "c": True,
        "d": "same",
        "e": "__import__('os')",
    }
    for wrong in ("a", "=1", "a b=1"):
        with pytest.raises(ConfigError, match="KEY=VALUE"):
            parse_options([wrong])


# --- how it ends -------------------------------------------------------------------------------


def _raising(error: BaseException):
    def fail(*arguments, **options):
        raise error

    return fail


def test_ctrl_c(anomalygpt, parts, encoder_options, monkeypatch) -> None:
    monkeypatch.setattr(assistants, "remember", _raising(KeyboardInterrupt()))
    ran = anomalygpt("inspect", parts, "-r", parts, *encoder_options)
    assert ran.status == 130
    assert "interrupted" in ran.error


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
        torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB"),
    ],
)
def test_memory_that_runs_out(anomalygpt, parts, monkeypatch, error) -> None:
    monkeypatch.setattr(assistants, "assistant_of", _raising(error))
    ran = anomalygpt("inspect", parts)
    assert ran.status == 2
    assert "out of memory; use a smaller model" in ran.error


def test_an_error_of_several_lines_is_printed_in_one(anomalygpt, parts, monkeypatch) -> None:
    monkeypatch.setattr(assistants, "assistant_of", _raising(DeviceError("one\n  two\nthree")))
    assert anomalygpt("inspect", parts).error == "anomalygpt: error: one two three"


def test_a_fault_of_ours_is_not_hidden(parts, monkeypatch) -> None:
    """Only known errors become one line; a programming error keeps its traceback."""
    monkeypatch.setattr(assistants, "assistant_of", _raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["inspect", str(parts)])


def test_a_real_run_prints_json_and_nothing_else(parts, tmp_path, encoder_options) -> None:
    done = processes.run(
        *("inspect", parts, "-r", parts / "good.png", *encoder_options, "--json"),
        *("--save-map", tmp_path / "maps"),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode()
    assert len(inspections(lines)) == 4
    assert json.loads(lines.splitlines()[0])["schema_version"] == 1
    with Image.open(tmp_path / "maps" / "stained.png") as picture:
        assert np.asarray(picture).max() > 0


# A command that only prints, so that these runs need not wait for torch.
PRINTING = (
    "import sys\n"
    "from anomalygpt.cli import inspect, main\n"
    "inspect.run = lambda options: print('line\\n' * 50000) or 0\n"
    "sys.exit(main(['inspect', 'photo.png']))\n"
)


def _print_into(stdout: TextIO) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PRINTING],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_pipe_that_closes_ends_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as closed:
        done = _print_into(closed)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout() -> None:
    with Path("/dev/full").open("w") as full:
        done = _print_into(full)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "No space left" in done.stderr


# --- letters that the output lacks -------------------------------------------------------------

NAMES = ("부품.png", "Teil für Größe.png", "部品.png", "part😀.png", "not utf-8 \udcff.png")


@pytest.mark.parametrize("letters", ["cp1252", "ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_every_name_is_printed_to_any_output(letters: str, stream: str) -> None:
    """Whatever a command prints, on either stream, in whatever letters the terminal has."""
    script = (
        "import sys\n"
        "from anomalygpt.cli import inspect, main\n"
        f"show = lambda options: [print(n, file=sys.{stream}) for n in {NAMES!r}] and 0\n"
        "inspect.run = show\n"
        "sys.exit(main(['inspect', 'photo.png']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": letters, "PYTHONUTF8": "0"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = getattr(done, stream).decode(letters).splitlines()
    expected = [name.encode(letters, "backslashreplace").decode(letters) for name in NAMES]
    assert lines == expected


@pytest.mark.parametrize("command", ["inspect", "data", "simulate"])
def test_a_batch_goes_on_after_a_foreign_name(command, parts, tmp_path, encoder_options) -> None:
    folder = tmp_path / "사진"
    folder.mkdir()
    for name, source in (("부품.png", "good.png"), ("z.png", "other.png")):
        (folder / name).write_bytes((parts / source).read_bytes())
    (folder / "깨진.png").write_bytes(b"no photo")
    arguments = {
        "inspect": ["inspect", folder, "-r", parts / "good.png", *encoder_options],
        "data": ["data", "check", folder, "--dataset", "good"],
        "simulate": ["simulate", folder, "--count", 2, "--output", tmp_path / "out"],
    }[command]
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = processes.run(*arguments, env=environment)
    assert b"Traceback" not in done.stderr
    assert done.returncode in (0, 1), done.stderr
    shown = "깨진.png".encode("cp1252", "backslashreplace")
    assert shown in done.stderr + done.stdout
