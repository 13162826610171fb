"""A collection seen by the features of an image encoder: which photos are unlike the others, and a
map of all. They propose; nothing is changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from PIL import Image

from anomalygpt.data.names import meaning
from anomalygpt.data.tools.manifests import Progress
from anomalygpt.data.tools.pages import Card, Point, write_cards, write_plot
from anomalygpt.data.tools.writing import refuse_existing, write_csv, write_json
from anomalygpt.errors import ConfigError, DataError, ImageError
from anomalygpt.images.reading import load_image

Encode: TypeAlias = Callable[[Sequence[Image.Image]], np.ndarray]
Colouring: TypeAlias = Literal["label", "version", "folder"]

# Trees of the Isolation Forest: more change the order of photos little.
_TREES = 200
_FEWEST = 3
_VERSION = re.compile(r"\d{8}_V\d+(_.+)?")
MOST_PICTURES = 60


@dataclass(frozen=True)
class Seen:
    """Photos and their features.

    Attributes:
        paths: those that could be read.
        features: (N, D) float, of length 1 each.
        unreadable: the others.
    """

    paths: tuple[Path, ...]
    features: np.ndarray
    unreadable: tuple[Path, ...]


@dataclass(frozen=True)
class Outlier:
    """A photo and how unlike the others it is.

    Attributes:
        path: the photo.
        score: from 0 to 1, higher is more unlike; about 0.5 is usual.
        is_proposed: whether it is among the share that was asked for.
    """

    path: Path
    score: float
    is_proposed: bool


def see(
    paths: Sequence[Path], encode: Encode, progress: Progress | None = None, batch: int = 8
) -> Seen:
    """Encode photos.

    Args:
        paths: the photos.
        encode: gives (B, D) for B photos.
        progress: gets the photos' numbers and how many there are, and hands them on; for a bar.
        batch: so many photos at a time.

    Raises:
        DataError: fewer than three can be read.
    """
    progress = progress or (lambda items, total: items)
    read: list[Path] = []
    broken: list[Path] = []
    rows: list[np.ndarray] = []
    waiting: list[Image.Image] = []
    for path in progress(paths, len(paths)):
        picture = _read(path)
        if picture is None:
            broken.append(path)
            continue
        read.append(path)
        waiting.append(picture)
        if len(waiting) == batch:
            rows.append(encode(waiting))
            waiting = []
    if waiting:
        rows.append(encode(waiting))
    return gathered(read, rows, broken)


def gathered(
    read: Sequence[Path], rows: Sequence[np.ndarray], unreadable: Sequence[Path] = ()
) -> Seen:
    """Photos with features that somebody computed.

    Args:
        read: the photos.
        rows: their features, (B, D) each, of all photos together.
        unreadable: photos that have none.

    Raises:
        DataError: fewer than three can be read.
    """
    if len(read) < _FEWEST:
        raise DataError(
            f"{len(read)} photos can be read; at least {_FEWEST} are needed to compare them"
        )
    features = np.concatenate(rows).astype(np.float64)
    features /= np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    return Seen(tuple(read), features, tuple(unreadable))


def _read(path: Path) -> Image.Image | None:
    try:
        return load_image(path)
    except ImageError:
        return None


def outliers(seen: Seen, share: float = 0.05, seed: int = 0) -> list[Outlier]:
    """Photos by how unlike the others they are, by an Isolation Forest.

    Args:
        seen: from `see`.
        share: so many are proposed, in (0, 0.5], at least one.
        seed: of the forest; the same seed gives the same order.

    Returns:
        All photos, the most unlike first.

    Raises:
        ConfigError: the share is out of range.
    """
    from sklearn.ensemble import IsolationForest

    if not 0 < share <= 0.5:
        raise ConfigError(f"the share of outliers is in (0, 0.5], got {share}")
    forest = IsolationForest(n_estimators=_TREES, random_state=seed).fit(seen.features)
    scores = -forest.score_samples(seen.features)
    order = sorted(range(len(scores)), key=lambda row: (-scores[row], str(seen.paths[row])))
    most = max(1, round(share * len(order)))
    return [
        Outlier(seen.paths[row], float(scores[row]), place < most)
        for place, row in enumerate(order)
    ]


def plane(seen: Seen) -> tuple[np.ndarray, tuple[float, float]]:
    """The photos on the plane that shows most of their differences (PCA).

    Returns:
        (N, 2) places, and the share of the variance that each of the two axes explains.
    """
    from sklearn.decomposition import PCA

    if not np.ptp(seen.features, axis=0).any():  # all the same photo: nothing differs
        return np.zeros((len(seen.paths), 2)), (0.0, 0.0)
    pca = PCA(2, svd_solver="full")
    places = pca.fit_transform(seen.features)
    first, second = (float(share) for share in pca.explained_variance_ratio_)
    return places, (first, second)


def group_of(path: Path, by: Colouring) -> str:
    """The group of a photo for colours: by label, what the nearest folder says whose name means
    good or bad; by version, the folder such as 20240910_V0_raw; else the name of its folder."""
    folders = path.parts[-2::-1]
    if by == "label":
        said = next(filter(None, map(meaning, folders)), None)
        return said or (folders[0] if folders else "none")
    if by == "version":
        return next((name for name in folders if _VERSION.fullmatch(name)), "no version")
    return folders[0] if folders else "none"


def write_outliers(output: Path, found: Sequence[Outlier]) -> list[Path]:
    """Write outliers.json, outliers.csv, and outliers.html with pictures of those proposed.

    Raises:
        OutputError: a file is there already, or cannot be written.
    """
    places = [output / f"outliers.{suffix}" for suffix in ("json", "csv", "html")]
    refuse_existing(places)
    rows = [
        {
            "path": str(each.path),
            "rank": rank,
            "score": round(each.score, 6),
            "proposed": each.is_proposed,
        }
        for rank, each in enumerate(found, 1)
    ]
    write_json(places[0], rows)
    write_csv(places[1], ("path", "rank", "score", "proposed"), rows)
    proposed = [each for each in found if each.is_proposed]
    cards = [Card(each.path, f"score {each.score:.3f}") for each in proposed[:MOST_PICTURES]]
    intro = f"{len(found)} photos were looked at. These are proposals; nothing was changed."
    write_cards(places[2], "Photos unlike the others", intro, [(f"{len(proposed)} photos", cards)])
    return places


def write_view(
    output: Path, seen: Seen, places: np.ndarray, explained: tuple[float, float], by: Colouring
) -> list[Path]:
    """Write view.html, a plot with pictures on hover, and view.csv.

    Args:
        output: the folder.
        seen: from `see`.
        places, explained: from `plane`.
        by: what decides a point's colour.

    Raises:
        OutputError: a file is there already, or cannot be written.
    """
    files = [output / "view.html", output / "view.csv"]
    refuse_existing(files)
    points = [
        Point(path, float(x), float(y), group_of(path, by))
        for path, (x, y) in zip(seen.paths, places, strict=True)
    ]
    intro = (
        f"{len(points)} photos, coloured by {by}. Photos whose features are alike lie together; "
        f"the axes explain {100 * explained[0]:.1f} % and {100 * explained[1]:.1f} % of the "
        "variance."
    )
    write_plot(files[0], "Photos by their features", intro, points)
    rows = [
        {"path": str(p.path), "x": round(p.x, 6), "y": round(p.y, 6), "group": p.group}
        for p in points
    ]
    write_csv(files[1], ("path", "x", "y", "group"), rows)
    return files
