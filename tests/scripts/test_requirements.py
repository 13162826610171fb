"""The lists of versions: exact, from no named host, within what pyproject.toml allows."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with pytest there
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
PLATFORM = {"sys_platform": "linux", "platform_machine": "x86_64", "platform_system": "Linux"}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def listed(name: str) -> list[Requirement]:
    lines = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8").splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def allowed() -> list[Requirement]:
    """What pyproject.toml asks for, with what both lists have of its extras."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"]
    wanted = [Requirement(text) for text in project["dependencies"] + extras["clip"]]
    waiting = [Requirement(text) for text in extras["test"]]
    while waiting:
        each = waiting.pop()
        if each.name == project["name"]:  # extras of our own, which are that much shorter
            waiting += [Requirement(text) for extra in each.extras for text in extras[extra]]
        else:
            wanted.append(each)
    return wanted


def installed(name: str, python: str) -> dict[str, str]:
    """Package → version that a list gives for a Python on Linux."""
    environment = {"python_version": python, "python_full_version": f"{python}.5", **PLATFORM}
    versions: dict[str, str] = {}
    for requirement in listed(name):
        if requirement.marker is None or requirement.marker.evaluate(environment):
            package = canonicalize_name(requirement.name)
            assert package not in versions, f"{package} twice for Python {python}"
            versions[package] = str(requirement.specifier).removeprefix("==")
    return versions


@pytest.mark.parametrize("name", ["pinned", "oldest"])
def test_lists_hold_exact_versions_and_no_hosts(name: str) -> None:
    assert len(listed(name)) > 80
    for requirement in listed(name):
        assert re.fullmatch(r"==[^*,]+", str(requirement.specifier)), requirement
        assert requirement.url is None
    assert "://" not in (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", ["pinned", "oldest"])
def test_every_package_has_a_version_that_is_allowed(name: str, python: str) -> None:
    versions = installed(name, python)
    marked = {"python_version": python}
    for requirement in allowed():
        if requirement.marker is None or requirement.marker.evaluate(marked):
            version = versions[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), f"{requirement}: {version}"


def test_the_oldest_are_really_the_oldest() -> None:
    """Where the lowest version that is allowed runs on Python 3.10, that one is tried."""
    versions = installed("oldest", "3.10")
    for name, version in {"torch": "2.4.0", "numpy": "1.26.0", "transformers": "5.3.0"}.items():
        assert versions[name] == version
        (bound,) = [r for r in allowed() if r.name == name and r.marker is None]
        assert bound.specifier.contains(version)
        lowest = next(s.version for s in bound.specifier if s.operator == ">=")
        assert version.startswith(lowest)


def test_libraries_that_break_with_major_versions_have_an_upper_bound() -> None:
    bounded = {r.name for r in allowed() if any(s.operator == "<" for s in r.specifier)}
    assert bounded >= {
        *("transformers", "gradio", "peft", "accelerate"),
        *("huggingface_hub", "timm", "numpy", "torch"),
    }


def test_merging_marks_only_what_differs() -> None:
    merge = script("merge_requirements").merge
    lists = {"3.10": ["a==1", "b==1", "c==1"], "3.11": ["a==1", "b==2"]}
    assert merge(lists) == [
        "a==1",
        "b==1 ; python_version == '3.10'",
        "b==2 ; python_version == '3.11'",
        "c==1 ; python_version == '3.10'",
    ]


RESULTS = """<testsuites><testsuite>
<testcase classname="tests.test_a" name="test_fine"/>
<testcase classname="tests.test_a" name="test_left_out"><skipped/></testcase>
<testcase classname="tests.test_b" name="test_wrong"><failure message="no"/></testcase>
<testcase classname="tests.test_b" name="test_broken"><error message="no"/></testcase>
</testsuite></testsuites>"""


def test_the_table_of_a_run_counts_and_names_the_first_failure(tmp_path: Path) -> None:
    results = tmp_path / "results.xml"
    results.write_text(RESULTS)
    last = script("table_of_tests").table("newest", results).splitlines()[-1]
    assert last.startswith("| newest, Python ")
    assert last.endswith("| 1 | 2 | 1 | tests.test_b::test_wrong |")


@pytest.mark.parametrize("versions", ["", "latest"])
def test_other_versions_are_refused_before_anything_is_made(versions: str) -> None:
    done = subprocess.run(
        ["bash", ROOT / "scripts" / "test.sh", "--versions", versions],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"},
    )
    assert done.returncode == 2
    assert "newest or oldest" in done.stderr
