"""The command line: `anomalygpt inspect`, `chat`, `train`, `evaluate`, `doctor` and others.

This module only reads arguments; what needs torch is imported when a command runs, so that
`--help` answers at once. Errors are one line on stderr and exit status 2.
"""

from __future__ import annotations

import argparse
import ast
import gc
import io
import logging
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path

from anomalygpt import __version__
from anomalygpt.errors import AnomalyGPTError, ConfigError
from anomalygpt.evaluation.options import add_evaluate
from anomalygpt.parsing import Parser
from anomalygpt.serving.settings import add_arguments as add_serving
from anomalygpt.training.options import add_train

OK, SOME_FAILED, ERROR, INTERRUPTED = 0, 1, 2, 130


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
        status = _command(options.command)(options)
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
_LASTING = ("demo", "train", "evaluate")


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let Python look for circles of objects less often than usual.

    While libraries are loaded it finds none, and looking took a seventh of the time of inspecting
    one photo.
    """
    usual = gc.get_threshold()
    gc.set_threshold(100_000, 50, 50)
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


# Module and function of each command.
_COMMANDS = {
    "inspect": ("anomalygpt.commands", "inspect"),
    "chat": ("anomalygpt.terminal", "chat"),
    "convert": ("anomalygpt.commands", "convert"),
    "demo": ("anomalygpt.serving.command", "run"),
    "simulate": ("anomalygpt.simulate", "run"),
    "data": ("anomalygpt.data.command", "run"),
    "train": ("anomalygpt.training.command", "train"),
    "evaluate": ("anomalygpt.evaluation.command", "run"),
    "doctor": ("anomalygpt.doctor.examination", "run"),
}


# As in anomalygpt.data.opening, which a help text must not wait for.
_LAYOUTS = ("mvtec", "visa", "loco", "crackforest", "folder", "good", "pairs", "instructions")


def _command(name: str) -> Callable[[argparse.Namespace], int]:
    module, function = _COMMANDS[name]
    return getattr(import_module(module), function)


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
    _add_inspect(commands)
    _add_chat(commands)
    _add_demo(commands)
    _add_convert(commands)
    _add_simulate(commands)
    _add_data(commands)
    add_train(commands)
    add_evaluate(commands, _add_model_options)
    _add_doctor(commands)
    return parser


def _add_inspect(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "inspect",
        help="say whether photos show something wrong, and where",
        description="Inspect photos. Status 0: all were inspected; 1: some could not be read "
        "(they are named, the rest is done); 2: nothing could be done.",
    )
    parser.add_argument(
        "images", nargs="+", metavar="IMAGE", help="photos, folders of photos, or patterns"
    )
    _add_part_options(parser)
    _add_formulation(_add_model_options(parser))
    parser.add_argument(
        "--map-only", action="store_true", help="draw the map only; needs no language model"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per photo")
    parser.add_argument(
        "--save-overlay", metavar="DIR", type=Path, help="write each photo with its map over it"
    )
    parser.add_argument(
        "--save-map", metavar="DIR", type=Path, help="write each map as a 16-bit PNG"
    )
    parser.add_argument(
        "--batch-size", type=_positive, default=8, metavar="N", help="photos at a time (default 8)"
    )


def _add_chat(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "chat",
        help="talk about one photo",
        description="Talk about one photo, and then about others. Questions come from the keyboard "
        "or a pipe; /help lists what else can be typed, /quit or Ctrl-D ends. In a pipe every "
        "answer is one line, and an empty line ends.",
    )
    parser.add_argument("image", metavar="IMAGE", help="the photo")
    _add_part_options(parser)
    _add_formulation(_add_model_options(parser))
    parser.add_argument(
        "--max-new-tokens", type=_positive, default=128, metavar="N", help="longest answer"
    )
    parser.add_argument(
        "--temperature", type=float, default=0.0, help="0 (default) always takes the likeliest word"
    )
    parser.add_argument("--seed", type=int, help="makes sampled answers repeatable")
    parser.add_argument(
        "--no-picture",
        action="store_true",
        help="draw no map in the terminal; without colours (NO_COLOR, TERM=dumb) none is drawn",
    )


def _add_demo(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "demo",
        help="open the inspector's desk in a browser",
        description="Serve the page until Ctrl-C. Nothing leaves this machine.",
    )
    add_serving(parser)


def _add_part_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--reference",
        "-r",
        nargs="+",
        action="extend",
        default=[],
        metavar="PHOTO",
        help="photos of good parts, folders of them, or patterns",
    )
    parser.add_argument("--description", help="a sentence about the part")
    parser.add_argument("--category", help='what the part is called, such as "metal nut"')
    parser.add_argument(
        "--rotations",
        type=_positive,
        metavar="N",
        help="compare with N evenly turned copies of each reference, itself included (default: 12 "
        "of a single one, 6 of two, else 1); 1 for parts that must not be turned",
    )
    parser.add_argument(
        "--flips", action="store_true", help="also compare with mirrored references"
    )
    parser.add_argument(
        "--fixed-pose",
        action="store_true",
        help="parts always lie the same in the photo: compare place by place, without turns, so "
        "that something missing, extra, moved or mirrored is seen",
    )
    _add_bit_depth(parser)


def _add_bit_depth(parser: argparse.ArgumentParser) -> None:
    text = "bits in use, 8 to 16, where 16-bit photos do not say it themselves"
    parser.add_argument("--bit-depth", type=int, choices=range(8, 17), metavar="N", help=text)


def _add_model_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    group = parser.add_argument_group("model")
    group.add_argument(
        "--model",
        help="a preset, a folder that `convert` wrote, or a hub name (default embedded)",
    )
    group.add_argument(
        "--encoder",
        metavar="NAME",
        help="an image encoder alone instead of a model, for maps without words: a timm name, "
        "clip/NAME or imagebind_huge",
    )
    group.add_argument("--encoder-weights", metavar="FILE", help="its weight file")
    group.add_argument(
        "--encoder-option",
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="its input_size, mean, std, stages or resize, or an argument of its architecture",
    )
    group.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 …")
    group.add_argument("--dtype", default="auto", help="auto (default), float32, bfloat16, float16")
    group.add_argument(
        "--quantization", choices=["4bit", "8bit"], help="smaller language model, on a GPU"
    )
    return group


def _add_formulation(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--formulation",
        choices=["normalised", "published"],
        help="how distances become a map; by default what the model was made for",
    )


def _add_convert(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "convert",
        help="turn the published weight files into one folder",
        description="Read published weights, add deltas, check every tensor, and write one "
        "folder for --model. Hub names work wherever a file or folder is expected.",
    )
    parser.add_argument("--imagebind", metavar="FILE", required=True, help="imagebind_huge.pth")
    parser.add_argument("--vicuna", metavar="DIR", help="a whole Vicuna, Hugging Face format")
    parser.add_argument("--llama", metavar="DIR", help="LLaMA, for use with --vicuna-delta")
    parser.add_argument("--vicuna-delta", metavar="DIR", help="Vicuna v0 delta, added to --llama")
    parser.add_argument("--pandagpt", metavar="FILE", help="PandaGPT delta (projection and LoRA)")
    parser.add_argument("--anomalygpt", metavar="FILE", help="AnomalyGPT delta")
    parser.add_argument("--output", metavar="DIR", required=True, type=Path, help="a new folder")
    parser.add_argument("--dtype", default="float16", help="float16 (default), bfloat16 or float32")
    parser.add_argument(
        "--merge-lora", action="store_true", help="add the LoRA to the language model's weights"
    )
    parser.add_argument(
        "--allow-unknown", action="store_true", help="leave out tensors with unknown names"
    )
    parser.add_argument(
        "--max-shard-size",
        type=_byte_count,
        default=2 * 1024**3,
        metavar="SIZE",
        help="largest file, such as 2GB (default); about twice as much memory is used",
    )
    parser.add_argument("--lora-alpha", type=float, help="alpha of a LoRA of another rank than 32")
    parser.add_argument(
        "--imagebind-option",
        nargs="+",
        default=[],
        metavar="KEY=VALUE",
        help="vision_heads and text_heads of an ImageBind that is not the huge one",
    )


def _add_data(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "data",
        help="look at a data set before training or measuring",
        description="Data sets of photos with labels and masks.",
    )
    parts = parser.add_subparsers(dest="data_command", required=True, metavar="SUBCOMMAND")
    checked = parts.add_parser(
        "check",
        help="say what a data set holds and what is wrong with it",
        description="Read every photo and mask. Status 0: no errors; 1: the data has errors (they "
        "are named, with what to do); 2: it cannot be read as a data set.",
    )
    checked.add_argument("root", metavar="ROOT", help="the folder of the data set")
    checked.add_argument(
        "--dataset",
        choices=["auto", *_LAYOUTS],
        default="auto",
        help="its layout (default auto: found by its folders)",
    )
    checked.add_argument("--json", action="store_true", help="print one JSON object")


def _add_doctor(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "doctor",
        help="say whether this installation and this machine are fine",
        description="Look at packages, devices, memory and disk, and ask the model about photos "
        "whose answers are known. Status 0: all is fine; 1: something is doubtful; 2: the model "
        "cannot be loaded or answers wrongly. What to do is said at the end.",
    )
    parser.add_argument(
        "--model", default="embedded", help="a preset, a folder or a hub name (default embedded)"
    )
    parser.add_argument(
        "--examples",
        metavar="DIR",
        type=Path,
        help="the photos of the known answers (default: `examples` beside the package, as in a "
        "copy of the repository)",
    )
    parser.add_argument(
        "--thorough",
        action="store_true",
        help="ask for all known answers; without it, for those about three parts",
    )
    parser.add_argument("--device", default="auto", help="auto (default), cpu, cuda, cuda:1 …")
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _add_simulate(commands: argparse._SubParsersAction) -> None:
    parser = commands.add_parser(
        "simulate",
        help="show what simulated anomalies look like",
        description="Simulate anomalies on photos of good parts and draw them on a sheet. "
        "Status 0: done; 1: some photos could not be read (they are named, others took their "
        "place); 2: nothing could be done.",
    )
    parser.add_argument(
        "root", metavar="ROOT", type=Path, help="a data set, or a folder of photos of good parts"
    )
    parser.add_argument(
        "--count", type=int, default=20, metavar="N", help="examples, 1 to 200 (default 20)"
    )
    parser.add_argument("--preview", metavar="FILE", type=Path, help="the sheet, such as sheet.png")
    parser.add_argument(
        "--output",
        metavar="DIR",
        type=Path,
        help="write each image, simulated image and mask, and examples.jsonl with what is said",
    )
    parser.add_argument("--category", help="only this product, with its published settings")
    parser.add_argument(
        "--kinds",
        nargs="+",
        type=lambda text: text.replace("-", " "),
        choices=["patch", "scratch", "stain", "hole", "missing part"],
        metavar="KIND",
        help="patch, scratch, stain, hole, missing-part (default: all)",
    )
    parser.add_argument(
        "--size", type=int, default=224, metavar="PIXELS", help="longer side (default 224)"
    )
    parser.add_argument("--seed", type=int, default=0, help="the same gives the same (default 0)")
    _add_bit_depth(parser)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1 on, got {text!r}")
    return int(text)


def _byte_count(text: str) -> int:
    units = {"kb": 1024, "mb": 1024**2, "gb": 1024**3}
    number, unit = text[:-2], text[-2:].lower()
    try:
        return int(float(number) * units[unit])
    except (KeyError, ValueError):
        raise argparse.ArgumentTypeError(f"expected a size such as 2GB, got {text!r}") from None


def parse_options(texts: Sequence[str]) -> dict[str, object]:
    """KEY=VALUE … of the command line: numbers, lists of numbers, true, false, or words.

    Raises:
        ConfigError: a text has no "=" in it.
    """
    values: dict[str, object] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not key.isidentifier():
            raise ConfigError(f"expected KEY=VALUE, such as input_size=256, got {text!r}")
        parts = [_scalar(part) for part in value.split(",")]
        values[key] = parts[0] if len(parts) == 1 else tuple(parts)
    return values


def _scalar(text: str) -> object:
    try:
        value = ast.literal_eval(text.capitalize() if text in ("true", "false") else text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, bool | int | float) else text


if __name__ == "__main__":
    sys.exit(main())
