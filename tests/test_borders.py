"""The borders of the rooms, the public surface, and that nothing is left half done.

Borders hold for every import: at the top of a module, inside a function, behind `TYPE_CHECKING`,
and by `import_module`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import anomalygpt
from anomalygpt import errors

ROOT = Path(__file__).parents[1]
ROOMS = ("decoder", "prompt_learner", "simulation")
PRODUCT = ("anomalygpt", *ROOMS)
PUBLIC = [
    "AnomalyGPT",
    "AnomalyGPTConfig",
    "AnomalyGPTError",
    "BusyError",
    "Chat",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "DialogueTooLongError",
    "ExpertError",
    "GenerationOptions",
    "ImageError",
    "Inspection",
    "MissingExtraError",
    "MissingPartError",
    "OutputError",
    "RecordsError",
    "Region",
    "SourceError",
    "TrainingError",
    "WorkerError",
    "__version__",
]

# Modules that lie in no room, docs/architecture.md.
LOOSE = {
    *("model", "chat", "verdict", "evidence", "pretrained"),
    *("errors", "config", "constants", "devices", "files", "progress", "interruptions"),
    *("version", "presets", "proxies", "__init__", "__main__"),
}

# Who must never import whom, by the beginnings of their names; what is not there yet, too.
LATER = ("experts", "knowledge", "feedback", "bulk", "records", "products", "audit")
HEART = ("model", "chat", "pretrained", "verdict")
NEVER = [
    ("anomalygpt.language", ("images", "results", "encoders", "evidence")),
    ("anomalygpt.results", ("language",)),
    *((f"anomalygpt.{name}", ("training", "evaluation", "serving", *LATER)) for name in HEART),
    ("anomalygpt.training", ("evaluation",)),
    ("anomalygpt.evaluation", ("training",)),
    ("anomalygpt.serving.desk", ("serving.api",)),
    ("anomalygpt.serving.api", ("serving.desk",)),
    ("anomalygpt.serving.drawing", ("serving.api", "serving.desk")),
]
# Packages of others, and the only places that may import them.
ONLY = [
    (("argparse",), ("anomalygpt.cli",)),
    (("gradio",), ("anomalygpt.serving.desk", "anomalygpt.serving.server")),
    (
        ("fastapi",),
        (
            "anomalygpt.serving.desk",
            "anomalygpt.serving.server",
            "anomalygpt.serving.api",
            "anomalygpt.serving.drawing",
        ),
    ),
    (("ray",), ("anomalygpt.bulk.ray_data",)),
    (("fsspec",), ("anomalygpt.bulk.sources",)),
    (("watchdog",), ("anomalygpt.bulk.arrivals",)),
    (("paho",), ("anomalygpt.bulk.sinks",)),
    (
        ("sqlalchemy", "alembic"),
        (
            *(f"anomalygpt.{room}" for room in ("records", "products", "audit", "feedback")),
            "anomalygpt.serving.api",
        ),
    ),
    (
        (
            "requests",
            "httpx",
            "httpx2",
            "aiohttp",
            "urllib3",
            "http.client",
            "urllib.request.urlopen",
            "openai",
        ),
        # A webhook is told results of a stream; a photo never leaves that way.
        ("anomalygpt.experts", "anomalygpt.bulk.sinks"),
    ),
]

LONGEST_FILE, LONGEST_FUNCTION = 450, 60


def modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} has no modules"
    return found


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def imported(path: Path) -> frozenset[str]:
    """Whole names of all that a module names in an import; "." for relative imports.

    `from a import b` gives "a" and "a.b", for b may be a module.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." if node.level else (node.module or "")
            names |= {module, *(f"{module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # import_module("anomalygpt.model")
            dotted = re.fullmatch(r"(\w+)\.\w[\w.]*", node.value)
            names |= {node.value} if dotted and dotted[1] in PRODUCT else set()
    return frozenset(names)


@cache
def graph() -> dict[str, frozenset[str]]:
    """Of every module of the product, those that it imports itself."""
    paths = {name_of(path): path for package in PRODUCT for path in modules(package)}
    found = {}
    for name, path in paths.items():
        named = {each for each in imported(path) if each in paths}
        # Who imports a module of a package does not mean the package.
        meant = {each for each in named if not any(one.startswith(f"{each}.") for one in named)}
        found[name] = frozenset(meant - {name})
    return found


def within(name: str, places: tuple[str, ...]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def all_modules() -> Iterator[tuple[str, Path]]:
    for package in PRODUCT:
        for path in modules(package):
            yield name_of(path), path


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_neither_the_assistant_nor_another_room(room: str) -> None:
    for path in modules(room):
        top = {name.partition(".")[0] for name in imported(path)}
        foreign = top & (set(PRODUCT) - {room})
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_nothing_imports_the_command_line() -> None:
    """But the two doors to it."""
    doors = {"anomalygpt.__main__"}
    for name, path in all_modules():
        if name not in doors and not within(name, ("anomalygpt.cli",)):
            found = [each for each in imported(path) if within(each, ("anomalygpt.cli",))]
            assert not found, f"{name} imports {found}"


@pytest.mark.parametrize(("who", "whom"), NEVER, ids=lambda value: str(value))
def test_rooms_that_must_not_know_each_other(who: str, whom: tuple[str, ...]) -> None:
    forbidden = tuple(f"anomalygpt.{name}" for name in whom)
    for name, path in all_modules():
        if within(name, (who,)):
            found = sorted(each for each in imported(path) if within(each, forbidden))
            assert not found, f"{name} imports {found}"


@pytest.mark.parametrize("name", HEART)
def test_the_heart_brings_no_other_work_with_it(name: str) -> None:
    """Nor does what it imports."""
    seen, waiting = set(), [f"anomalygpt.{name}"]
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting += graph()[module]
    others = ("training", "evaluation", "serving", "cli", "doctor", "data", *LATER)
    found = sorted(each for each in seen if within(each, tuple(f"anomalygpt.{o}" for o in others)))
    assert not found, f"anomalygpt.{name} brings {found}"


@pytest.mark.parametrize(("packages", "places"), ONLY, ids=lambda value: str(value))
def test_what_has_one_place(packages: tuple[str, ...], places: tuple[str, ...]) -> None:
    for name, path in all_modules():
        if not within(name, places):
            found = sorted(each for each in imported(path) if within(each, packages))
            assert not found, f"{name} imports {found}"


def test_there_is_no_circle_of_imports() -> None:
    left = dict(graph())
    # Whoever imports nothing that is left is taken away, until only circles remain.
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    around = {name: sorted(others & left.keys()) for name, others in left.items()}
    assert not around


def test_only_few_modules_lie_in_no_room() -> None:
    assert {path.stem for path in (ROOT / "anomalygpt").glob("*.py")} == LOOSE
    assert len(LOOSE) <= 20


@pytest.mark.parametrize("folder", [*PRODUCT, "scripts", "tests"])
def test_files_and_functions_can_be_taken_in(folder: str) -> None:
    too_long = []
    for path in modules(folder):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT)
        if text.count("\n") > LONGEST_FILE:
            too_long.append(str(name))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                too_long += [f"{name}: {node.name}"] if lines > LONGEST_FUNCTION else []
    assert not too_long


@pytest.mark.parametrize("package", PRODUCT)
def test_imports_name_the_whole_path(package: str) -> None:
    for path in modules(package):
        assert "." not in imported(path), f"{path.relative_to(ROOT)} has a relative import"


@pytest.mark.parametrize("package", PRODUCT)
def test_the_product_does_not_import_tests_or_scripts(package: str) -> None:
    for path in modules(package):
        top = {name.partition(".")[0] for name in imported(path)}
        foreign = top & {"tests", "scripts", "pytest", "hypothesis"}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_the_public_surface() -> None:
    """Whoever adds a name decides here that it is for others."""
    assert sorted(anomalygpt.__all__) == sorted(PUBLIC) == sorted(dir(anomalygpt))
    for name in PUBLIC:
        assert getattr(anomalygpt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = anomalygpt.nothing


def test_every_error_is_public() -> None:
    found = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.AnomalyGPTError)
    }
    assert found == {name for name in PUBLIC if name.endswith("Error")}


@pytest.mark.parametrize("place", [anomalygpt, errors])
def test_former_names_work_for_one_version_and_say_so(place: object) -> None:
    with pytest.warns(DeprecationWarning, match="called DialogueTooLongError now"):
        assert place.ConversationTooLongError is errors.DialogueTooLongError  # type: ignore[attr-defined]
    with pytest.raises(AttributeError, match="no attribute 'NoError'"):
        _ = place.NoError  # type: ignore[attr-defined]


@pytest.mark.parametrize("package", PRODUCT)
def test_nothing_is_left_half_done(package: str) -> None:
    for path in modules(package):
        text = path.read_text(encoding="utf-8")
        left = re.findall(r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b", text)
        assert not left, f"{path.relative_to(ROOT)} has {left}"


def test_test_folders_are_no_packages() -> None:
    """A tests/decoder/__init__.py would hide the package `decoder`."""
    assert not list((ROOT / "tests").rglob("__init__.py"))


def private(name: str) -> bool:
    """Whether a part of a dotted name is private."""
    return any(part.startswith("_") and not part.endswith("__") for part in name.split("."))


def replaced(node: ast.AST) -> Iterator[str]:
    """Names that a piece of code replaces: `setattr`, `delattr`, `mock.patch`, an assignment to
    what belongs to another."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
        if not (isinstance(node.value, ast.Name) and node.value.id in ("self", "cls")):
            yield node.attr
    elif isinstance(node, ast.Call):
        called = ast.unparse(node.func)
        if re.search(r"\b(setattr|delattr|patch|patch\.object)$", called):
            # ("a.b", value) or (a, "b", value)
            given = [*node.args[:2], *(word.value for word in node.keywords)]
            texts = [each.value for each in given if isinstance(each, ast.Constant)]
            yield from [text for text in texts if isinstance(text, str)][:1]
        elif called.endswith("patch.multiple"):
            yield from (word.arg for word in node.keywords if word.arg)


def test_tests_replace_no_private_names() -> None:
    """What is private to the code is what a test should measure: whoever replaces it measures the
    rest. Bring the situation about from outside, or make the name public."""
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno} replaces {name}"  # type: ignore[attr-defined]
        for path in modules("tests")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in replaced(node)
        if private(name)
    ]
    assert not found, "\n".join(found)
