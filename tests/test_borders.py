"""The borders of the rooms, the public surface, and that nothing is left half done."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import anomalygpt

ROOT = Path(__file__).parents[1]
ROOMS = ("decoder", "prompt_learner", "simulation")
PRODUCT = ("anomalygpt", *ROOMS)
PUBLIC = [
    "AnomalyGPT",
    "AnomalyGPTConfig",
    "AnomalyGPTError",
    "Chat",
    "GenerationOptions",
    "Inspection",
    "Region",
    "__version__",
]


def modules(package: str) -> list[Path]:
    found = sorted((ROOT / package).rglob("*.py"))
    assert found, f"{package} has no modules"
    return found


def imported(path: Path) -> set[str]:
    """The top-level packages that a module names, wherever in it; "." for relative imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add("." if node.level else (node.module or "").split(".")[0])
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # import_module("anomalygpt.model")
            dotted = re.fullmatch(r"(\w+)\.\w[\w.]*", node.value)
            names |= {dotted[1]} if dotted and dotted[1] in PRODUCT else set()
    return names


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_neither_the_assistant_nor_another_room(room: str) -> None:
    for path in modules(room):
        foreign = imported(path) & (set(PRODUCT) - {room})
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


@pytest.mark.parametrize("package", PRODUCT)
def test_imports_name_the_whole_path(package: str) -> None:
    for path in modules(package):
        assert "." not in imported(path), f"{path.relative_to(ROOT)} has a relative import"


@pytest.mark.parametrize("package", PRODUCT)
def test_the_product_does_not_import_tests_or_scripts(package: str) -> None:
    for path in modules(package):
        foreign = imported(path) & {"tests", "scripts", "pytest", "hypothesis"}
        assert not foreign, f"{path.relative_to(ROOT)} imports {sorted(foreign)}"


def test_the_public_surface() -> None:
    """Whoever adds a name decides here that it is for others."""
    assert sorted(anomalygpt.__all__) == sorted(PUBLIC) == sorted(dir(anomalygpt))
    for name in PUBLIC:
        assert getattr(anomalygpt, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = anomalygpt.nothing


@pytest.mark.parametrize("package", PRODUCT)
def test_nothing_is_left_half_done(package: str) -> None:
    for path in modules(package):
        text = path.read_text(encoding="utf-8")
        left = re.findall(r"NotImplementedError|\bTODO\b|\bFIXME\b|\bXXX\b", text)
        assert not left, f"{path.relative_to(ROOT)} has {left}"


def test_test_folders_are_no_packages() -> None:
    """A tests/decoder/__init__.py would hide the package `decoder`."""
    assert not list((ROOT / "tests").rglob("__init__.py"))
