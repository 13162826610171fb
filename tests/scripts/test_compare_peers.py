"""The comparison with other methods, on small made photos and a small random encoder."""

from __future__ import annotations

import importlib.util
import sys
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor

from anomalygpt import AnomalyGPT
from anomalygpt.data import open_data

SCRIPT = Path(__file__).parents[2] / "scripts" / "compare_peers.py"
ENCODER = "test_resnet"  # timm's own network for tests, 0.5 M
SIDE = 64


def load_script() -> ModuleType:
    specification = importlib.util.spec_from_file_location("compare_peers", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["compare_peers"] = module
    specification.loader.exec_module(module)
    return module


script = load_script()


@pytest.fixture(autouse=True)
def same_threads() -> Iterator[None]:
    """The script sets numbers of threads; other tests keep theirs."""
    before, of_torch = script.cv2.getNumThreads(), torch.get_num_threads()
    torch.set_num_threads(1)  # for photos this small more only wait for each other
    yield
    script.cv2.setNumThreads(before)
    torch.set_num_threads(of_torch)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = timm.create_model(ENCODER, pretrained=False)
        for module in network.modules():  # residual branches of an untrained network end in 0
            if isinstance(module, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(module.weight, 0.5, 1.5)
    path = tmp_path_factory.mktemp("weights") / "encoder.safetensors"
    save_file({name: value.contiguous() for name, value in network.state_dict().items()}, path)
    return path


@pytest.fixture(scope="module")
def assistant(weights: Path) -> AnomalyGPT:
    return AnomalyGPT.from_encoder(ENCODER, weights, options={"input_size": SIDE}, device="cpu")


def part(seed: int, *, damaged: bool = False) -> np.ndarray:
    """(96, 80, 3): the same stripes for every seed, some noise, and a dark square if damaged."""
    rng = np.random.default_rng(seed)
    rows = 128 + 60 * np.sin(np.arange(96) / 5)[:, None, None]
    photo = rows + rng.normal(0, 4, (96, 80, 3))
    if damaged:
        photo[56:80, 8:32] = 10
    return photo.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two categories: `plate` with masks, `toy` without."""
    root = tmp_path_factory.mktemp("data")
    mask = np.zeros((96, 80), np.uint8)
    mask[56:80, 8:32] = 255
    for shift, category in ((0, "plate"), (100, "toy")):
        for number in range(5):
            save(root / category / "train" / "good" / f"{number}.png", part(shift + number))
        for number in range(3):
            good, bad = part(shift + 20 + number), part(shift + 30 + number, damaged=True)
            save(root / category / "test" / "good" / f"{number}.png", good)
            save(root / category / "test" / "dent" / f"{number}.png", bad)
            if category == "plate":
                save(root / category / "ground_truth" / "dent" / f"{number}_mask.png", mask)
    return root


def save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def pixels_of(assistant: AnomalyGPT, *photos: np.ndarray) -> Tensor:
    return torch.cat([script.open_photo(assistant, Image.fromarray(p))[0] for p in photos])


def command(data: Path, weights: Path, *more: str) -> list[str]:
    given = [str(data), "--encoder", ENCODER, "--encoder-weights", str(weights)]
    return [*given, "--encoder-option", f"input_size={SIDE}", *more]


def plain_readings(assistant: AnomalyGPT) -> list[Any]:
    whole = script.PatchCoreStyle(assistant.encoder, share=1.0)
    return [whole, script.SpadeStyle(assistant.encoder)]


@torch.no_grad()
def test_a_reference_against_itself_scores_0(assistant: AnomalyGPT) -> None:
    pixels = pixels_of(assistant, part(0))
    for method in plain_readings(assistant):
        method.fit([], pixels)
        found = method.read(pixels)
        assert found.score == pytest.approx(0, abs=1e-6)
        assert found.anomaly_map.shape == (SIDE, SIDE)
        assert np.abs(found.anomaly_map).max() <= 1e-6


@torch.no_grad()
@pytest.mark.parametrize("shots", [1, 4])
def test_damage_scores_higher_and_lies_where_the_map_is_highest(
    assistant: AnomalyGPT, shots: int
) -> None:
    good, bad = (pixels_of(assistant, photo) for photo in (part(50), part(50, damaged=True)))
    coreset = script.PatchCoreStyle(assistant.encoder)
    for method in (*plain_readings(assistant), coreset):
        method.fit([], pixels_of(assistant, *(part(seed) for seed in range(shots))))
        without, found = method.read(good), method.read(bad)
        assert found.score > without.score, method.name
        row, column = np.unravel_index(found.anomaly_map.argmax(), (SIDE, SIDE))
        # Of 96×80 pixels the damage fills rows 56 to 80, columns 8 to 32.
        assert 56 / 96 <= row / SIDE <= 80 / 96, method.name
        assert 8 / 80 <= column / SIDE <= 32 / 80, method.name


def test_ours_is_what_inspect_says(assistant: AnomalyGPT, data: Path) -> None:
    """The same score and map, in both formulations."""
    references = sorted((data / "plate" / "train" / "good").iterdir())[:2]
    photo = data / "plate" / "test" / "dent" / "0.png"
    for formulation in ("published", "normalised"):
        method = script.Ours(assistant, formulation)
        method.fit(references, script.open_photo(assistant, references[0])[0])
        found = method.read(script.open_photo(assistant, photo)[0])
        expected = assistant.inspect(photo, references, map_only=True)
        assert found.score == pytest.approx(expected.anomaly_score, abs=1e-6)
        assert np.allclose(found.anomaly_map, expected.small_map, atol=1e-6)


@torch.no_grad()
def test_spade_asks_as_many_neighbours_as_there_are_references(assistant: AnomalyGPT) -> None:
    method = script.SpadeStyle(assistant.encoder)
    for shots, expected in ((1, 1), (3, 3), (7, 5)):
        method.fit([], pixels_of(assistant, *(part(seed) for seed in range(shots))))
        assert method.neighbours == expected


@given(seed=st.integers(0, 1000), rows=st.integers(1, 30), banked=st.integers(1, 30))
@settings(max_examples=30, deadline=None)
def test_nearest_agrees_with_all_pairs(seed: int, rows: int, banked: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(rows, 5, generator=generator)
    bank = torch.randn(banked, 5, generator=generator)
    count = min(3, banked)
    distances, indices = script.nearest(query, bank, count)
    expected = torch.cdist(query, bank, compute_mode="donot_use_mm_for_euclid_dist")
    assert torch.allclose(distances, expected.sort(dim=1).values[:, :count], atol=1e-5)
    assert torch.allclose(distances, expected.gather(1, indices), atol=1e-6)
    assert (script.nearest(bank, bank, 1)[0] == 0).all()


@given(seed=st.integers(0, 1000), count=st.integers(1, 20), copies=st.integers(1, 3))
@settings(max_examples=30, deadline=None)
def test_the_coreset_takes_the_farthest_patch_each_time(seed: int, count: int, copies: int) -> None:
    """Copies of patches come last, and no patch is taken twice."""
    apart = torch.randn(20, 4, generator=torch.Generator().manual_seed(seed))
    patches = apart.repeat(copies, 1)
    taken = script.coreset(patches, count).tolist()
    assert len(set(taken)) == count
    assert len({index % 20 for index in taken}) == count
    pairs = torch.cdist(patches, patches, compute_mode="donot_use_mm_for_euclid_dist")
    for number in range(1, count):
        reach = pairs[:, taken[:number]].amin(dim=1)
        assert reach[taken[number]] == pytest.approx(float(reach.max()), abs=1e-5)


@given(
    values=st.lists(st.floats(0, 1e6, width=32), min_size=1, max_size=50),
    scale=st.floats(1e-3, 1e3),
)
def test_bounded_maps_keep_their_order(values: list[float], scale: float) -> None:
    distances = np.array(values, np.float32)
    found = script.bounded(distances, scale)
    assert found.dtype == np.float32
    assert found.min() >= 0
    assert found.max() <= 1
    assert (np.diff(found[np.argsort(distances, kind="stable")]) >= 0).all()


def test_references_are_those_of_evaluate(
    data: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All methods get them, drawn from the good training photos in the order of their names."""
    got: list[tuple[str, list[Path]]] = []

    def noted(method: Any, assistant: AnomalyGPT, references: Sequence[Path], _: bool) -> Any:
        got.append((method.name, list(references)))
        return script.Tally(script.Outcome(failure="not fitted"))

    monkeypatch.setattr(script, "fitted", noted)
    shots = ["--shots", "1", "3", "--seeds", "0", "2"]
    arguments = command(data, weights, "--peers", "none", *shots, "--categories", "plate")
    assert script.main(arguments) == 0
    good = sorted((data / "plate" / "train" / "good").iterdir())
    expected = []
    for count in (1, 3):
        for seed in (0, 2):
            drawn = [good[i] for i in np.random.default_rng(seed).permutation(len(good))[:count]]
            expected += [drawn] * 4
    assert [references for _, references in got] == expected
    assert [name for name, _ in got[:4]] == [
        *("ours, normalised", "ours, published", "PatchCore-style", "SPADE-style")
    ]


class Scripted:
    """A method that says what it is told to, and notes what it sees."""

    bounded = False

    def __init__(self, name: str, seen: list[tuple[str, float]], fails: str = "") -> None:
        self.name = name
        self.seen = seen
        self.fails = fails
        self.reads = 0

    def fit(self, references: Sequence[Path], pixels: Tensor) -> None:
        if self.fails == "fit":
            raise RuntimeError("the covariance\nis singular")

    def read(self, pixels: Tensor) -> Any:
        self.reads += 1
        self.seen.append((self.name, float(pixels.sum())))
        if self.fails == "read" and self.reads == 3:
            raise RuntimeError("out of luck")
        value = np.nan if self.fails == "nan" and self.reads == 3 else 1.0
        return script.Reading(float(pixels.sum()), np.full((4, 4), value, np.float32))


def trial_of(
    assistant: AnomalyGPT, data: Path, methods: Sequence[Any], category: str = "plate"
) -> dict[str, Any]:
    found = open_data(data, categories=[category])
    references = [found.select(split="train")[0].image]
    tests = found.select(split="test")
    with script.tqdm(disable=True) as progress:
        return script.run_trial(methods, assistant, tests, references, progress)


def test_a_method_that_fails_does_not_stop_the_others(assistant: AnomalyGPT, data: Path) -> None:
    methods = [Scripted(fails or "well", [], fails) for fails in ("fit", "read", "nan", "")]
    found = trial_of(assistant, data, methods)
    assert found["fit"].failure == "the covariance is singular"
    assert found["read"].failure == "out of luck"
    assert "no numbers" in found["nan"].failure
    assert found["well"].failure is None
    assert len(found["well"].milliseconds) == 6
    assert found["well"].figures["image_auroc"] is not None
    assert all(value is None for value in found["read"].figures.values())


def test_all_methods_see_the_same_photo_in_changing_order(
    assistant: AnomalyGPT, data: Path
) -> None:
    seen: list[tuple[str, float]] = []
    found = trial_of(assistant, data, [Scripted(name, seen) for name in "abc"])
    timed = seen[3:]  # one reading each before the clock starts
    rounds = [timed[start : start + 3] for start in range(0, len(timed), 3)]
    assert len(rounds) == 6
    for one in rounds:
        assert sorted(name for name, _ in one) == ["a", "b", "c"]
        assert len({pixels for _, pixels in one}) == 1
    assert len({"".join(name for name, _ in one) for one in rounds}) > 1
    assert all(len(outcome.milliseconds) == 6 for outcome in found.values())


def test_without_masks_there_are_no_figures_of_the_map(assistant: AnomalyGPT, data: Path) -> None:
    for category, known in (("plate", True), ("toy", False)):
        method = script.PatchCoreStyle(assistant.encoder)
        figures = trial_of(assistant, data, [method], category)[method.name].figures
        assert figures["image_auroc"] is not None
        assert (figures["pixel_auroc"] is not None) == known
        assert (figures["aupro"] is not None) == known


def outcome(image: float, pixel: float | None, milliseconds: float, failure: str = "") -> Any:
    figures = {"image_auroc": image, "pixel_auroc": pixel, "aupro": pixel and pixel / 2}
    if failure:
        figures = dict.fromkeys(figures)
    return script.Outcome(12.4, failure or None, figures, [milliseconds] * 3)


def test_the_table_says_what_cannot_be_told() -> None:
    """`plate` has masks and `toy` has none; one method fails on one of them, one on both."""
    rows = {
        "ours, normalised": script.Row(
            {
                "plate": [outcome(0.8, 0.9, 20.0), outcome(1.0, 0.7, 20.0)],
                "toy": [outcome(0.6, None, 20.0), outcome(0.8, None, 20.0)],
            }
        ),
        "half": script.Row(
            {"plate": [outcome(0.5, 0.5, 30.0)] * 2, "toy": [outcome(0, None, 0, "no luck")] * 2}
        ),
        "none": script.Row(dict.fromkeys(("plate", "toy"), [outcome(0, None, 0, "singular")] * 2)),
    }
    lines = script.table(1, rows, ["plate", "toy"]).splitlines()
    assert lines[0] == "## 1 reference"
    assert lines[2].startswith("| method | image AUROC | plate | toy | pixel AUROC | AUPRO |")
    assert len({text.count("|") for text in lines[2:7]}) == 1
    assert lines[4] == (
        "| ours, normalised | 0.800 ± 0.100 | 0.900 | 0.700 | 0.800 | 0.400 | 20.0 | 1.00 | 12 |"
    )
    assert lines[5] == "| half | – | 0.500 | – | 0.500 | 0.250 | 30.0 | 1.50 | 12 |"
    assert lines[6] == "| none | – | – | – | – | – | – | – | – |"
    assert lines[8:] == ["- half failed on toy: no luck", "- none failed: singular"]


def test_one_seed_has_no_deviation() -> None:
    rows = {"ours, normalised": script.Row({"plate": [outcome(0.8, 0.9, 20.0)]})}
    table = script.table(4, rows, ["plate"])
    assert "## 4 references" in table
    assert "| ours, normalised | 0.800 | 0.800 |" in table


def test_the_whole_without_anomalib(
    data: Path, weights: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.md"
    more = ["--peers", "none", "--shots", "1", "2", "--seeds", "0", "1", "--limit", "4"]
    assert script.main(command(data, weights, *more, "--output", str(report))) == 0
    text = report.read_text(encoding="utf-8")
    assert capsys.readouterr().out == text
    assert "Test photos: plate 4, toy 4." in text
    assert "--peers none --shots 1 2 --seeds 0 1 --limit 4" in text
    assert "## 1 reference\n" in text
    assert "## 2 references\n" in text
    ours = next(row for row in text.splitlines() if row.startswith("| ours, normalised"))
    assert ours.split(" | ")[7] == "1.00"
    assert "failed" not in text


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--categories", "lamp"], "lamp"),
        (["--shots", "0"], "--shots counts from 1"),
        (["--shots", "6"], "6 references"),
        (["--peers", "none", "PaDiM"], "--peers none goes with no other name"),
        (["--limit", "0"], "limit"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_line(
    data: Path, weights: Path, capsys: pytest.CaptureFixture[str], more: list[str], said: str
) -> None:
    assert script.main(command(data, weights, "--peers", "none", *more)) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert said in error
    assert error.count("\n") == 1


def test_data_that_is_not_there(weights: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(command(Path("nowhere"), weights)) == 2
    assert "nowhere does not exist" in capsys.readouterr().err


def test_without_anomalib_the_extra_is_named(
    data: Path,
    weights: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "anomalib", None)
    assert script.main(command(data, weights)) == 2
    assert "pip install 'anomalygpt[peers]', or add --peers none" in capsys.readouterr().err


def test_ctrl_c_ends_without_a_report(
    data: Path,
    weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(script, "read_one", interrupted)
    report = tmp_path / "report.md"
    arguments = command(data, weights, "--peers", "none", "--output", str(report))
    assert script.main(arguments) == 130
    assert "stopped" in capsys.readouterr().err
    assert not report.exists()


def test_models_that_are_not_run_have_a_reason() -> None:
    lines = script.left_out(["Patchcore", "WinClip", "Fastflow", "Tomorrow"])
    assert len(lines) == 3
    assert any("downloaded: WinClip" in line for line in lines)
    assert any("newer than this script: Tomorrow" in line for line in lines)
    assert not any("Patchcore" in line for line in lines)


@pytest.fixture
def anomalib() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(
            "anomalib.models.image",
            reason="anomalib is not installed (extra peers)",
            exc_type=ImportError,
        )


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shots", [1, 3])
def test_our_patchcore_agrees_with_anomalibs(
    anomalib: Any, assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch, shots: int
) -> None:
    """With every patch kept. Its map repeats the values of cells where ours interpolates."""
    monkeypatch.setattr(script, "CORESET_SHARE", 1.0)
    theirs = script.Peer("PatchCore", assistant.encoder)
    ours = script.PatchCoreStyle(assistant.encoder, share=1.0)
    with torch.no_grad():
        references = pixels_of(assistant, *(part(seed) for seed in range(shots)))
        for method in (theirs, ours):
            method.fit([], references)
        assert len(theirs.model.memory_bank) == len(ours.bank)
        for photo in (part(50), part(51), part(50, damaged=True)):
            pixels = pixels_of(assistant, photo)
            expected, found = theirs.read(pixels), ours.read(pixels)
            assert found.score == pytest.approx(expected.score, rel=1e-3)
            both = np.corrcoef(found.anomaly_map.ravel(), expected.anomaly_map.ravel())
            assert both[0, 1] > 0.98
            assert found.anomaly_map.mean() == pytest.approx(expected.anomaly_map.mean(), rel=0.02)


@pytest.mark.filterwarnings("ignore")
def test_anomalibs_models_carry_our_weights(anomalib: Any, assistant: AnomalyGPT) -> None:
    pixels = pixels_of(assistant, part(0))
    for name in ("PatchCore", "PaDiM", "DFM", "DFKDE", "MH-PatchCore"):
        peer = script.Peer(name, assistant.encoder)
        assert peer.difference(assistant.encoder, pixels) <= 1e-6
        with torch.no_grad():
            next(peer.built.feature_extractor.parameters()).mul_(1.1)
        assert peer.difference(assistant.encoder, pixels) > script.SAME_LEVELS


@pytest.mark.filterwarnings("ignore")
@torch.no_grad()
def test_anomalibs_models_are_fitted_alike_each_time(anomalib: Any, assistant: AnomalyGPT) -> None:
    references = pixels_of(assistant, *(part(seed) for seed in range(3)))
    pixels = pixels_of(assistant, part(50, damaged=True))
    for name in ("PatchCore", "PaDiM", "MH-PatchCore"):
        peer = script.Peer(name, assistant.encoder)
        found = []
        for _ in range(2):
            peer.fit([], references)
            found.append(peer.read(pixels))
        assert found[0].score == found[1].score, name
        assert (found[0].anomaly_map == found[1].anomaly_map).all(), name


@pytest.mark.filterwarnings("ignore")
def test_all_of_anomalibs_models_have_their_say(
    anomalib: Any, data: Path, weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """PaDiM has no covariance of a single photo, CFA no place for this network."""
    more = ["--shots", "1", "3", "--seeds", "0", "--categories", "plate"]
    assert script.main(command(data, weights, *more)) == 0
    text = capsys.readouterr().out
    assert "CFA not run: reads levels 1 to 3 of resnet18" in text
    assert "newer than this script" not in text
    one, three = text.split("## 3 references")
    for name in ("PatchCore", "MH-PatchCore"):
        assert f"anomalib {name} failed" not in text
    for name in ("PaDiM", "DFM"):
        assert f"anomalib {name} failed" in one
        assert f"anomalib {name} failed" not in three
    assert "anomalib DFKDE failed: needs at least 16 references" in three
