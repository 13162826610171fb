"""Which layout a folder has, and the data set in it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from anomalygpt.data.files import entries, folder_name, is_file, is_folder, photos, subfolders
from anomalygpt.data.folders import (
    has_named_folders,
    is_called_good,
    is_crackforest,
    is_pairs,
    read_crackforest,
    read_folder,
    read_good,
    read_pairs,
)
from anomalygpt.data.foreign import recognise
from anomalygpt.data.instructions import JSON_NAME, find_json
from anomalygpt.data.meta import META, is_meta, read_meta
from anomalygpt.data.mmad import JSON as MMAD_JSON
from anomalygpt.data.mmad import is_mmad, open_mmad, read_mmad
from anomalygpt.data.names import KNOWN_WORDS, meaning
from anomalygpt.data.questionnaires import Questionnaire
from anomalygpt.data.robustmad import JSON as ROBUSTMAD_JSON
from anomalygpt.data.robustmad import is_robustmad, open_robustmad, read_robustmad
from anomalygpt.data.samples import InspectionData, Reading
from anomalygpt.data.trees import category_folders, is_loco, read_trees
from anomalygpt.data.visa import TABLE, read_visa
from anomalygpt.errors import DataError
from anomalygpt.files import shown

Reader: TypeAlias = Callable[[Path, "Collection[str] | None"], Reading]

_MOST_NAMED = 6


@dataclass(frozen=True)
class Layout:
    """A layout of a data set.

    Attributes:
        title: what people call it.
        needs: what it takes to be one, in words.
        fits: whether a folder is one, by a look at its names.
        read: its samples; None where they are no photos of parts.
    """

    title: str
    needs: str
    fits: Callable[[Path], bool]
    read: Reader | None


def _is_mvtec(root: Path) -> bool:
    trees = category_folders(root)
    return bool(trees) and not all(is_loco(folder) for folder in trees)


def _is_loco(root: Path) -> bool:
    trees = category_folders(root)
    return bool(trees) and all(is_loco(folder) for folder in trees)


def _never(root: Path) -> bool:
    return False  # only where somebody says so


LAYOUTS = {
    "mvtec": Layout("MVTec AD", "CATEGORY/train/good", _is_mvtec, read_trees),
    "visa": Layout("VisA", TABLE.as_posix(), lambda root: is_file(root / TABLE), read_visa),
    "loco": Layout("MVTec LOCO", "CATEGORY/validation/good", _is_loco, read_trees),
    "crackforest": Layout(
        "CrackForest", "image/ and groundTruth/*.mat", is_crackforest, read_crackforest
    ),
    "folder": Layout(
        "plain folders",
        "good/ and bad/",
        lambda root: has_named_folders(root) or is_called_good(root),
        read_folder,
    ),
    "good": Layout("photos of good parts", "photos alone, if somebody says so", _never, read_good),
    "pairs": Layout("pairs", "query/ and reference/", is_pairs, read_pairs),
    "instructions": Layout(
        "PandaGPT instruction data", JSON_NAME, lambda root: find_json(root) is not None, None
    ),
    "mmad": Layout("MMAD", MMAD_JSON, is_mmad, read_mmad),
    "robustmad": Layout("RobustMAD", ROBUSTMAD_JSON, is_robustmad, read_robustmad),
    "meta": Layout("a table of AnomalyCLIP's kind", META, is_meta, read_meta),
}

# Those that are multiple-choice questions.
_QUESTIONNAIRES = {"mmad": open_mmad, "robustmad": open_robustmad}


def open_data(
    root: str | Path, layout: str = "auto", categories: Sequence[str] | None = None
) -> InspectionData:
    """Read which photos a data set has and what is known about them.

    Args:
        root: its folder; for MVTec AD and LOCO the folder of categories or one category.
        layout: "auto", "mvtec", "visa", "loco", "crackforest", "folder", "pairs",
            "meta", or "good" to say that all photos directly in the folder show good parts.
        categories: only these products; None takes all.

    Raises:
        DataError: the folder is missing or empty, has none or several of the layouts, lacks a
            category, or its own tables name files that are not there.
    """
    root = Path(root)
    layout = find_layout(root, layout)
    reader = LAYOUTS[layout].read
    if reader is None:
        raise DataError(
            f"{shown(root)} holds dialogues ({JSON_NAME}), not photos of parts; "
            "read it with open_instructions"
        )
    reading = reader(root, categories)
    unknown = [name for name in categories or () if name not in reading.categories]
    if unknown:
        raise DataError(
            f"{shown(root)} has no category {', '.join(map(shown, unknown))}; "
            f"it has {_listed(reading.categories)}"
        )
    errors = [finding for finding in reading.findings if finding.severity == "error"]
    if errors:
        first = errors[0]
        raise DataError(
            f"{shown(root)} is incomplete: {first.problem}: {len(errors)}, first "
            f"{shown(first.path)}; `anomalygpt data check` lists them all"
        )
    if not reading.samples:
        raise DataError(
            f"{shown(root)} has the layout of {LAYOUTS[layout].title}, but no photo in it; "
            "copy the data set again"
        )
    return InspectionData(root, layout, tuple(reading.samples), tuple(reading.findings))


def open_questionnaire(root: str | Path, layout: str = "auto") -> Questionnaire:
    """Read a benchmark of multiple-choice questions. Photos and templates need not be there; what
    cannot be asked is left out and among the findings.

    Args:
        root: its folder.
        layout: "auto", "mmad" or "robustmad".

    Raises:
        DataError: the folder holds no such benchmark, or nothing of it can be asked.
    """
    root = Path(root)
    layout = find_layout(root, layout)
    if layout not in _QUESTIONNAIRES:
        raise DataError(
            f"{shown(root)} is {LAYOUTS[layout].title} and has no questions with options; "
            f"expected {MMAD_JSON} or {ROBUSTMAD_JSON} in it"
        )
    found = _QUESTIONNAIRES[layout](root)
    if not any(photo.questions for photo in found.photos):
        raise DataError(
            f"{shown(found.file)} has no question that can be asked; `anomalygpt data check` says "
            "why"
        )
    return found


def normal_images(root: str | Path, category: str | None = None) -> list[Path]:
    """Training photos of good parts, from a data set of any layout or a plain folder of photos.

    Args:
        root: the data set, or a folder of nothing but photos, of good parts as the caller says.
        category: only this product; None takes all.

    Raises:
        DataError: there is no such data set, category or photo.
    """
    root = Path(root)
    layout = "good" if _just_photos(root) and meaning(folder_name(root)) != "bad" else "auto"
    data = open_data(root, layout, None if category is None else [category])
    found = [sample.image for sample in data.select(split="train", is_anomalous=False)]
    if not found:
        raise DataError(
            f"{shown(data.root)} ({LAYOUTS[data.layout].title}) has no training photo of a good "
            "part; add some, or choose another data set"
        )
    return found


def find_layout(root: Path, layout: str = "auto") -> str:
    """The layout of a data set, detected or checked.

    Raises:
        DataError: none or several fit, or not the one that was asked for.
    """
    if layout != "auto" and layout not in LAYOUTS:
        raise DataError(f"there is no layout {layout!r}; choose auto, {', '.join(LAYOUTS)}")
    if find_json(root) == root and layout in ("auto", "instructions"):
        return "instructions"
    if not is_folder(root):
        what = "is a file" if is_file(root) else "does not exist"
        raise DataError(f"{shown(root)} {what}; give the folder of a data set")
    fitting = _fitting(root)
    if layout != "auto":
        if not _accepts(root, layout, fitting):
            raise DataError(
                f"{shown(root)} is not in the layout of {LAYOUTS[layout].title}: looked for "
                f"{LAYOUTS[layout].needs}, found {_contents(root)}{_hint(root, layout, fitting)}"
            )
        return layout
    if len(fitting) > 1:
        named = " and ".join(f"{name} ({LAYOUTS[name].needs})" for name in fitting)
        raise DataError(
            f"{shown(root)} could be {named}; say which one with --dataset, or separate them"
        )
    if not fitting:
        raise DataError(_unknown(root))
    return fitting[0]


def _fitting(root: Path) -> list[str]:
    fitting = [name for name, layout in LAYOUTS.items() if layout.fits(root)]
    # Folders of another layout often have this table, too, and say the same by themselves.
    return [name for name in fitting if name != "meta"] or fitting


def _just_photos(root: Path) -> bool:
    return is_folder(root) and bool(photos(root)) and not _fitting(root)


def _accepts(root: Path, layout: str, fitting: Collection[str]) -> bool:
    if layout in ("mvtec", "loco"):  # both are read alike
        return bool({"mvtec", "loco"} & set(fitting))
    if layout == "meta":
        return is_meta(root)
    if layout == "good" and meaning(folder_name(root)) != "bad":
        return bool(photos(root))
    return layout in fitting


def _unknown(root: Path) -> str:
    """Why a folder is not read, and what to do."""
    if foreign := recognise(root):
        return (
            f"{shown(root)} holds {foreign.title} ({shown(foreign.evidence.name)}), which is not "
            f"read; {foreign.advice}"
        )
    if count := len(photos(root)):
        name = shown(folder_name(root))
        if meaning(folder_name(root)) == "bad":
            return (
                f"{shown(root)} holds photos alone, and {name} means bad parts; give the folder "
                "above it, with one of good parts beside it"
            )
        return (
            f"{shown(root)} holds photos ({count}) and no word about whether the parts are good. "
            f"If all are good, say so with the layout good (--dataset good, in training --layout "
            f"good), or name the folder so; else sort them into good and bad. Known: {KNOWN_WORDS}"
        )
    looked_for = "; ".join(f"{each.needs} ({each.title})" for each in LAYOUTS.values())
    return (
        f"{shown(root)} has no layout that is known. Found: {_contents(root)}. Looked for: "
        f"{looked_for}. Words for good and bad that are known: {KNOWN_WORDS}"
        f"{_hint(root, 'auto', [])}"
    )


def _hint(root: Path, layout: str, fitting: Sequence[str]) -> str:
    """What the folder is instead, or its subfolders that are data sets by themselves, which
    happens with unpacked archives."""
    if fitting:
        return f". It is {' or '.join(LAYOUTS[name].title for name in fitting)}"
    wanted = {layout} if layout != "auto" else set(LAYOUTS)
    inner = [folder for folder in subfolders(root)[:50] if wanted & set(_fitting(folder))]
    if not inner:
        return ". The layouts are described in docs/data.md"
    return f". A data set lies in {_listed([folder.name for folder in inner])}: give that folder"


def _contents(root: Path) -> str:
    return _listed([path.name + "/" * is_folder(path) for path in entries(root)]) or "nothing"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    listed = ", ".join(map(shown, names[:_MOST_NAMED]))
    return f"{listed} and {more} more" if more > 0 else listed
