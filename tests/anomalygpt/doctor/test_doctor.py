"""The doctor: what it finds on a sound machine, and whether it notices what is broken."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file, save_file

from anomalygpt import AnomalyGPT, presets, pretrained
from anomalygpt.doctor import examination as doctor
from anomalygpt.doctor import report
from anomalygpt.doctor.known_answers import (
    FEW_REFERENCES,
    KNOWN_ANSWERS,
    ask_again,
    differences,
    known_answers,
    load_known_answers,
    some_of,
)
from anomalygpt.errors import AnomalyGPTError, CheckpointError
from anomalygpt.references.library import ReferenceLibrary


@pytest.fixture(scope="module")
def examples(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `examples`; do not write into it."""
    folder = tmp_path_factory.mktemp("examples")
    (folder / "disc").mkdir()
    for source, name in (
        ("good.png", "good_1.png"), ("other.png", "good_2.png"), ("stained.png", "stained.png")
    ):  # fmt: skip
        shutil.copyfile(parts / source, folder / "disc" / name)
    return folder


@pytest.fixture(scope="module")
def sound(assistant_folder: Path, examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny assistant with its known answers; do not write into it."""
    folder = shutil.copytree(assistant_folder, tmp_path_factory.mktemp("sound") / "tiny")
    answers = known_answers(AnomalyGPT.from_pretrained(folder, device="cpu"), examples)
    (folder / KNOWN_ANSWERS).write_text(json.dumps(answers))
    return folder


@pytest.fixture
def model(sound: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may damage."""
    return shutil.copytree(sound, tmp_path / "model")


@pytest.fixture
def examined(anomalygpt, examples):
    """Runs the doctor on a model and reads its JSON."""

    def run(model: object, *arguments: object) -> dict:
        photos = () if "--examples" in arguments else ("--examples", examples)
        ran = anomalygpt(
            "doctor", "--model", model, *photos, *arguments, "--json", "--device", "cpu"
        )
        assert ran.err == ""
        found = json.loads(ran.out)
        assert found["status"] == ran.status
        return found

    return run


# --- what is fine ------------------------------------------------------------------------------


def test_a_sound_model_passes(examined, sound) -> None:
    found = examined(sound)
    assert found["status"] in (0, 1)  # other doubts belong to the machine
    assert found["faults"] == []
    answers = found["known_answers"]
    assert (answers["result"], answers["device"]) == ("passed", "cpu")
    assert [photo["result"] for photo in answers["photos"]] == ["passed"] * 3
    assert found["versions"]["packages"]["torch"] == metadata.version("torch")
    assert found["devices"]["memory_bytes"] > found["devices"]["memory_free_bytes"] > 0
    assert found["devices"]["threads"] == torch.get_num_threads()
    assert found["models"][str(sound)]["disk_bytes"] > 0
    assert found["disk"]["current folder"]["folder"] == str(Path.cwd())


def test_a_report_for_people(anomalygpt, sound, examples, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "EXTRAS", ())
    monkeypatch.setattr(doctor, "LEAST_DISK_BYTES", 0)
    monkeypatch.setattr(doctor, "memory", lambda: (8 * 10**9, 4 * 10**9))
    ran = anomalygpt("doctor", "--model", sound, "--examples", examples, "--device", "cpu")
    assert (ran.status, ran.err) == (0, "")
    assert "4.0 GB of 8.0 GB free" in ran.out
    assert "passed: 3 of 3 photos as expected, on cpu" in ran.out
    assert ran.out.endswith("All is fine.\n")


def test_the_shipped_model_says_what_it_did(anomalygpt) -> None:
    folder = pretrained.PRESETS["embedded"]
    if not (folder / KNOWN_ANSWERS).is_file() or not doctor.beside_package().is_dir():
        pytest.skip("the embedded model or the example photos are not there")
    ran = anomalygpt("doctor", "--thorough", "--json")
    found = json.loads(ran.out)
    assert found["known_answers"]["result"] == "passed", found["known_answers"]
    assert ran.status in (0, 1), found["faults"]


# --- what is broken ----------------------------------------------------------------------------


def _zero(weight: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(weight)


def _flip(weight: torch.Tensor) -> torch.Tensor:
    return -weight


@pytest.mark.parametrize("damage", [_zero, _flip])
def test_a_damaged_prompt_learner_is_noticed(examined, model, damage) -> None:
    path = model / "prompt_learner.safetensors"
    save_file({name: damage(weight) for name, weight in load_file(path).items()}, path)
    found = examined(model)
    assert found["status"] == 2
    assert found["known_answers"]["result"] == "failed"
    assert "failed" in {photo["result"] for photo in found["known_answers"]["photos"]}
    assert any("weights are damaged" in fault for fault in found["faults"])


@pytest.mark.parametrize("name", ["encoder", "prompt_learner"])
def test_weights_that_are_no_numbers(examined, model, name) -> None:
    path = model / f"{name}.safetensors"
    save_file({key: torch.full_like(w, torch.nan) for key, w in load_file(path).items()}, path)
    found = examined(model)
    assert found["status"] == 2
    assert found["faults"]


@pytest.mark.parametrize("name", ["encoder", "projection", "language_model/model"])
def test_a_file_that_was_cut_short(examined, model, name) -> None:
    path = model / f"{name}.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    found = examined(model)
    assert found["status"] == 2
    assert str(path) in " ".join(found["faults"])
    assert "again" in found["faults"][0]


def test_a_file_that_is_gone(examined, model) -> None:
    (model / "projection.safetensors").unlink()
    found = examined(model)
    assert found["status"] == 2
    assert "projection" in found["faults"][0]


def test_a_model_that_is_not_there(anomalygpt, tmp_path) -> None:
    ran = anomalygpt("doctor", "--model", tmp_path / "nothing")
    assert (ran.status, ran.err) == (2, "")
    assert "does not exist" in ran.out
    assert "not run: the model cannot be loaded" in ran.out


def test_torch_that_does_not_load(anomalygpt, sound, monkeypatch) -> None:
    def fail() -> bool:
        raise OSError("libtorch.so:\n cannot open")

    monkeypatch.setattr(torch.cuda, "is_available", fail)
    ran = anomalygpt("doctor", "--model", sound)
    assert ran.status == 2
    assert "fault: torch does not work here (libtorch.so: cannot open)" in ran.out


@pytest.mark.parametrize("text", ["", "{}", "[]", "[1]", '[{"image": "a.png"}]'])
def test_known_answers_that_are_damaged(examined, model, text) -> None:
    (model / KNOWN_ANSWERS).write_text(text)
    with pytest.raises(CheckpointError, match="copy the model again"):
        load_known_answers(model)
    assert examined(model)["status"] == 2


# --- what is doubtful --------------------------------------------------------------------------


def test_photos_that_are_not_there(anomalygpt, sound, tmp_path) -> None:
    ran = anomalygpt("doctor", "--model", sound, "--examples", tmp_path / "nothing")
    assert ran.status == 1
    assert f"not run: the example photos are not at {tmp_path / 'nothing'}" in ran.out
    assert "--examples" in ran.out


def test_photos_are_looked_for_beside_the_package(anomalygpt, sound, examples, monkeypatch) -> None:
    monkeypatch.setattr(presets, "PACKAGE", examples / "x")
    assert doctor.beside_package() == examples / "examples"  # as in a repository
    ran = anomalygpt("doctor", "--model", sound)
    assert ran.status == 1
    assert f"not at {examples / 'examples'}" in ran.out


def test_a_photo_that_was_changed(examined, sound, examples, tmp_path) -> None:
    changed = shutil.copytree(examples, tmp_path / "examples")
    shutil.copyfile(examples / "disc" / "good_1.png", changed / "disc" / "stained.png")
    found = examined(sound, "--examples", changed)
    assert found["status"] == 1
    assert found["known_answers"]["result"] == "passed"
    results = {photo["image"]: photo["result"] for photo in found["known_answers"]["photos"]}
    assert results == {
        "disc/good_1.png": "passed", "disc/good_2.png": "passed", "disc/stained.png": "not run",
    }  # fmt: skip
    assert any("stained.png was changed" in doubt for doubt in found["doubts"])


def test_all_photos_changed_is_not_run(examined, sound, examples, tmp_path) -> None:
    changed = shutil.copytree(examples, tmp_path / "examples")
    for photo in (changed / "disc").iterdir():
        photo.write_bytes(photo.read_bytes() + b"x")
    found = examined(sound, "--examples", changed)
    assert (found["status"], found["known_answers"]["result"]) == (1, "not run")


def test_a_model_without_known_answers(examined, assistant_folder) -> None:
    found = examined(assistant_folder)
    assert (found["status"], found["known_answers"]["result"]) == (1, "not run")
    assert "brings no known answers" in found["known_answers"]["reason"]


def test_low_memory_and_a_full_disk(examined, sound, monkeypatch) -> None:
    monkeypatch.setattr(doctor, "memory", lambda: (8 * 10**9, 10**8))
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=5_000_000))
    found = examined(sound)
    assert found["status"] == 1
    assert found["models"]["embedded"]["fits"] is False
    doubts = " ".join(found["doubts"])
    assert "of memory, 0.1 GB of 8.0 GB free; close other programs" in doubts
    assert "has only 5 MB free; make room" in doubts


def test_packages_that_are_missing_or_old(examined, sound, monkeypatch) -> None:
    true = metadata.version

    def version(name: str) -> str:
        if name in ("open-clip-torch", "gradio"):
            raise metadata.PackageNotFoundError(name)
        return "0.1" if name == "tqdm" else true(name)

    monkeypatch.setattr(metadata, "version", version)
    found = examined(sound)
    assert found["status"] == 1
    assert found["versions"]["packages"]["gradio"] is None
    doubts = " ".join(found["doubts"])
    assert "gradio is missing; `pip install" in doubts
    assert "open-clip-torch" not in doubts
    assert "tqdm 0.1 does not fit >=4.66" in doubts


def test_what_is_optional_is_no_fault(anomalygpt, sound, examples, monkeypatch) -> None:
    """A fresh installation without any extra is fine, with a GPU as well."""
    true, gone = metadata.version, ("open-clip-torch", "bitsandbytes")

    def version(name: str) -> str:
        if name in gone:
            raise metadata.PackageNotFoundError(name)
        return true(name)

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setattr(doctor, "LEAST_DISK_BYTES", 0)
    ran = anomalygpt("doctor", "--model", sound, "--examples", examples, "--device", "cpu")
    assert (ran.status, ran.err) == (0, "")
    for name, extra in zip(gone, ("clip", "gpu"), strict=True):
        assert f'not installed (optional): {name}; `pip install "anomalygpt[{extra}]"`' in ran.out
    assert "All is fine." in ran.out


@pytest.mark.parametrize(
    ("variable", "address", "said"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:9", "needs the package socksio"),
        ("https_proxy", "socks5h://u:secret@host:9", "needs the package socksio"),
        ("all_proxy", "socks://127.0.0.1:9", "is of no kind that is known"),
        ("HTTPS_PROXY", "http://127.0.0.1:9", None),
    ],
)
def test_a_proxy_is_named(
    anomalygpt, sound, examples, monkeypatch, without_socks, variable, address, said
) -> None:
    monkeypatch.setenv(variable, address)
    ran = anomalygpt("doctor", "--model", sound, "--examples", examples, "--device", "cpu")
    doubts = [line for line in ran.out.splitlines() if "doubt: the proxy" in line]
    assert f"proxy: {address.replace('u:secret@', '')}" in ran.out
    assert "secret" not in ran.out
    assert [said in line and f"unset {variable}" in line for line in doubts] == [True] * bool(said)


def test_gpus_are_counted_for_large_models(sound) -> None:
    """A GPU takes what the memory of the machine does not hold."""
    gpu = {"name": "H200", "memory_bytes": 10**11, "memory_free_bytes": 10**11}
    devices = {"memory_bytes": 10**9, "memory_free_bytes": 10**8, "cuda": []}
    findings = doctor.Findings({"devices": devices})
    assert doctor._needs(findings, "tiny", sound)["fits"] is False
    devices["cuda"] = [gpu]
    assert doctor._needs(findings, "tiny", sound)["fits"] is True
    assert any("H200, 100.0 GB of 100.0 GB free" in line for line in _device_lines(devices))


def _device_lines(devices: dict) -> list[str]:
    whole = {"system": "x", "cpu_cores": 1, "threads": 1, "mps": True, **devices}
    return list(report._device_lines(whole))


def test_the_limit_of_a_container_counts(tmp_path, monkeypatch) -> None:
    (tmp_path / "memory.max").write_text(f"{2 * 10**9}\n")
    (tmp_path / "memory.current").write_text(f"{5 * 10**8}\n")
    total, free = doctor.memory(tmp_path)
    assert total == 2 * 10**9
    assert free <= 15 * 10**8


# --- asking ---


def test_each_reference_is_encoded_once_and_the_answers_stay(
    assistant, sound, examples, monkeypatch
) -> None:
    """Asked together or one by one, the same is said."""
    known = load_known_answers(sound)
    encoded: list[str] = []
    usual = ReferenceLibrary.remember

    def remember(self: ReferenceLibrary, references, *settings, **options):
        encoded.extend(str(reference) for reference in references)
        return usual(self, references, *settings, **options)

    monkeypatch.setattr(ReferenceLibrary, "remember", remember)
    together = ask_again(assistant, examples, known)
    assert sorted(encoded) == sorted({str(examples / n) for a in known for n in a["references"]})
    assert together == [ask_again(assistant, examples, [answer])[0] for answer in known] == known


def test_a_photo_that_cannot_be_read_is_its_own_error(assistant, sound, examples, tmp_path) -> None:
    changed = shutil.copytree(examples, tmp_path / "examples")
    (changed / "disc" / "stained.png").write_bytes(b"no photo")
    found = {
        Path(known["image"]).name: answer
        for known, answer in zip(
            load_known_answers(sound),
            ask_again(assistant, changed, load_known_answers(sound)),
            strict=True,
        )
    }
    assert isinstance(found["stained.png"], AnomalyGPTError)
    assert not isinstance(found["good_2.png"], AnomalyGPTError)


@pytest.mark.parametrize("parts", range(1, 8))
def test_a_short_look_is_about_few_parts_good_and_damaged(parts: int) -> None:
    known = [
        {"image": f"{part}/{name}", "references": [f"{part}/{good}"], "is_anomalous": name == "bad"}
        for part in range(parts)
        for name, good in (("good_1", "good_2"), ("good_2", "good_1"), ("bad", "good_1"))
    ]
    chosen = some_of(known)
    assert [answer for answer in known if answer in chosen] == chosen
    assert len({answer["references"][0] for answer in chosen}) == min(2 * parts, FEW_REFERENCES)
    few = min(parts, FEW_REFERENCES)
    assert sum(answer["is_anomalous"] for answer in chosen) == few
    assert sum(not answer["is_anomalous"] for answer in chosen) >= few


def test_a_thorough_look_asks_for_all(anomalygpt, examined, sound, examples, monkeypatch) -> None:
    monkeypatch.setattr("anomalygpt.doctor.known_answers.FEW_REFERENCES", 1)
    short, thorough = examined(sound)["known_answers"], examined(sound, "--thorough")
    count = len(short["photos"])
    assert 1 <= count < short["known"] == 3
    assert len(thorough["known_answers"]["photos"]) == 3
    ran = anomalygpt("doctor", "--model", sound, "--examples", examples, "--device", "cpu")
    assert f"{count} of {count} photos as expected, on cpu (--thorough asks about all 3)" in ran.out


# --- comparing ---------------------------------------------------------------------------------

ANSWER = {
    "is_anomalous": True, "answer": "Yes.", "locations": ["left"],
    "anomaly_probability": 0.8, "anomaly_score": 0.7,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, None),
        ({"anomaly_probability": 0.82, "anomaly_score": 0.69}, None),
        ({"anomaly_probability": 0.821}, "anomaly_probability is 0.821, expected 0.8 ± 0.02"),
        ({"anomaly_score": 0.715}, "anomaly_score is 0.715"),
        ({"anomaly_score": float("nan")}, "anomaly_score is nan"),
        ({"locations": []}, "the list of places is []"),
        ({"answer": "No."}, "the sentence is 'No.'"),
        ({"is_anomalous": False}, "is_anomalous is False"),
    ],
)
def test_what_counts_as_different(change: dict, said: str | None) -> None:
    found = differences(ANSWER, {**ANSWER, **change})
    assert len(found) == (said is not None)
    assert said is None or said in found[0]


def test_an_installed_package_has_its_photos_inside(tmp_path, monkeypatch) -> None:
    package = tmp_path / "site-packages" / "anomalygpt"
    (package / "example_photos").mkdir(parents=True)
    monkeypatch.setattr(presets, "PACKAGE", package)
    assert presets.beside_package() == package / "example_photos"
