"""Ship and verify: an assistant that nobody taught, with the records of the stages before."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.doctor.known_answers import KNOWN_ANSWERS, known_answers
from anomalygpt.errors import DataError, OutputError
from anomalygpt.files import hash_file
from anomalygpt.presets import PRESETS
from anomalygpt.pretrained import load_training_photos
from embedded import ship, ship_talk, verify
from embedded.photos import split_photos
from embedded.prompts import starting_assistant
from embedded.records import MADE_BY, RECORD, hash_of, recorded

pytestmark = pytest.mark.usefixtures("one_thread", "small_input")

Run = Callable[..., int]


@pytest.fixture(scope="module")
def examples(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("examples")
    (folder / "plate").mkdir()
    for name, photo in zip(("good_1", "good_2", "bent"), sorted(photos.iterdir()), strict=False):
        with Image.open(photo) as picture:
            picture.save(folder / "plate" / f"{name}.png")
    return folder


@pytest.fixture(scope="module")
def work(
    photos: Path,
    encoder_file: Path,
    language_folder: Path,
    small_input: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Folders of stages with their records, as if they had been run; nothing was learned."""
    work = tmp_path_factory.mktemp("work")

    def leave(stage: str, write: Callable[[Path], object], **given: object) -> None:
        output = work / stage
        options = argparse.Namespace(stage=stage, output=output, seed=0, **given)

        def run(_: argparse.Namespace) -> int:
            output.mkdir(exist_ok=True)
            write(output)
            return 0

        assert recorded(stage, options, run) == 0

    weights, words = work / "encoder" / encoder_file.name, work / "language" / "language_model"
    options: Any = argparse.Namespace(
        encoder=encoder_file, language_model=language_folder, text_weight=0.1, seed=0
    )
    assistant = starting_assistant(options)
    leave("encoder", lambda _: shutil.copyfile(encoder_file, weights), photos=[photos])
    leave("language", lambda _: shutil.copytree(language_folder, words))
    leave("evidence", lambda folder: (folder / "a.pt").write_text("seen"), encoder=weights)
    leave(
        "prompts", lambda folder: assistant.save_pretrained(folder / "assistant"), encoder=weights,
        language_model=words, evidence=work / "evidence",
    )  # fmt: skip
    before = work / "prompts" / "assistant"
    leave("heads", lambda f: shutil.copytree(before, f / "assistant"), assistant=before)
    return work


@pytest.fixture(scope="module")
def send(photos: Path, examples: Path, work: Path, run_stage: Run) -> Run:
    """The ship stage."""

    def run(output: Path, work: Path = work) -> int:
        return run_stage(
            ship, assistant=work / "heads" / "assistant",
            language_model=work / "language" / "language_model", photos=photos,
            examples=examples, work=work, output=output,
        )  # fmt: skip

    return run


@pytest.fixture(scope="module")
def shipped(send: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("weights") / "embedded"
    output.mkdir()
    (output / "old").write_text("replaced")
    assert send(output) == 0
    return output


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def test_what_is_shipped_is_half_as_large_and_says_the_same(
    shipped: Path, work: Path, photos: Path
) -> None:
    whole_folder = work / "prompts" / "assistant"
    assert size_of(shipped) < 0.55 * size_of(whole_folder)
    names = {path.name for path in (shipped / "language_model").iterdir()}
    assert "tokenizer.model" in names
    assert "tokenizer.json" not in names
    whole, half = (
        AnomalyGPT.from_pretrained(path, device="cpu") for path in (whole_folder, shipped)
    )
    text = "Is there any anomaly in the image?"
    assert whole.language_model is not None
    assert half.language_model is not None
    assert whole.language_model.encode(text) == half.language_model.encode(text)
    photo, reference = sorted(photos.iterdir())[:2]
    one, other = (assistant.inspect(photo, [reference]) for assistant in (whole, half))
    assert np.abs(one.anomaly_map - other.anomaly_map).max() < 0.02
    assert one.anomaly_probability == pytest.approx(other.anomaly_probability, abs=0.1)


def test_it_says_which_photos_it_knows(shipped: Path, photos: Path) -> None:
    split = split_photos([photos])
    assert load_training_photos(shipped) == split.hashes
    assert not split.hashes & {hash_file(path) for path in split.held_out}


def test_it_says_what_it_answered_about_each_example(shipped: Path, examples: Path) -> None:
    answers = json.loads((shipped / KNOWN_ANSWERS).read_text(encoding="utf-8"))
    assert [answer["image"] for answer in answers] == [
        "plate/bent.png", "plate/good_1.png", "plate/good_2.png",
    ]  # fmt: skip
    for answer in answers:
        assert len(answer["references"]) == 1
        assert answer["image"] not in answer["references"]
        files = [answer["image"], *answer["references"]]
        assert answer["sha256"] == [hash_file(examples / file) for file in files]
        assert answer["is_anomalous"] == (answer["anomaly_probability"] > 0.5)

    again = AnomalyGPT.from_pretrained(shipped, device="cpu")
    assert known_answers(again, examples) == answers


def test_a_new_folder_takes_the_place_of_the_old_one(shipped: Path) -> None:
    assert not (shipped / "old").exists()
    assert [path.name for path in shipped.parent.iterdir()] == [shipped.name]


def test_what_is_too_large_does_not_replace_the_old_folder(
    send: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = tmp_path / "embedded"
    output.mkdir()
    (output / "old").write_text("here")
    monkeypatch.setattr(ship, "MOST_MEGABYTES", 1)
    with pytest.raises(OutputError, match="1 may be shipped"):
        send(output)
    assert (output / "old").read_text() == "here"
    assert [path.name for path in tmp_path.iterdir()] == ["embedded"]


def made_by(folder: Path) -> dict[str, Any]:
    return json.loads((folder / MADE_BY).read_text(encoding="utf-8"))


def test_it_says_what_it_was_made_of(shipped: Path, work: Path, photos: Path) -> None:
    made = made_by(shipped)
    weights = [path for path in shipped.rglob("*") if path.suffix in (".safetensors", ".model")]
    assert len(weights) == 6
    for path in weights:
        assert made["files"][path.relative_to(shipped).as_posix()] == hash_file(path)
    assert list(made["stages"]) == ["encoder", "language", "evidence", "prompts", "heads"]
    (taught,) = made["stages"]["prompts"]["runs"]
    encoder = hash_file(work / "encoder" / "encoder.safetensors")
    assert taught["arguments"]["encoder"] == encoder == made["stages"]["encoder"]["result"]
    assert taught["arguments"]["seed"] == 0
    assert made["shipped"]["arguments"]["assistant"] == made["stages"]["heads"]["result"]
    assert made["shipped"]["arguments"]["photos"] == [hash_of(photos)]
    # Nothing of the machine is shipped.
    assert str(work.parent) not in (shipped / MADE_BY).read_text(encoding="utf-8")


@pytest.fixture
def changed(work: Path, tmp_path: Path) -> Path:
    """Folders of stages that a test may change."""
    return shutil.copytree(work, tmp_path / "work")


def ends_as_it_began(send: Run, work: Path, output: Path, message: str) -> None:
    output.mkdir()
    (output / "old").touch()
    with pytest.raises(DataError, match=message):
        send(output, work)
    assert [path.name for path in output.iterdir()] == ["old"]


def test_a_result_that_was_changed_is_not_shipped(send: Run, changed: Path, tmp_path: Path) -> None:
    (changed / "evidence" / "a.pt").write_text("changed")
    ends_as_it_began(send, changed, tmp_path / "out", "evidence is not as its stage left it")


def test_parts_that_were_made_from_another_are_not_shipped(
    send: Run, changed: Path, tmp_path: Path
) -> None:
    record = json.loads((changed / "prompts" / RECORD).read_text())
    record["runs"][-1]["arguments"]["language_model"] = "0" * 64
    (changed / "prompts" / RECORD).write_text(json.dumps(record))
    ends_as_it_began(send, changed, tmp_path / "out", "prompts was given another language model")


def test_stages_without_a_record_are_said(
    send: Run, changed: Path, tmp_path: Path, run_stage: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    (changed / "language" / RECORD).unlink()
    assert send(tmp_path / "out", changed) == 0
    assert "language has no record of a finished run" in capsys.readouterr().out
    assert made_by(tmp_path / "out")["stages"]["language"] is None
    assert look_at(tmp_path / "out") == 0
    assert "no whole record of language" in capsys.readouterr().out


def look_at(folder: Path) -> int:
    return verify.run(argparse.Namespace(folder=folder))


def test_what_was_shipped_is_known_again(shipped: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert look_at(shipped) == 0
    assert capsys.readouterr().out.endswith("that were shipped; their stages are known\n")


def test_the_weights_of_the_package_are_those_of_their_record(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert look_at(PRESETS["embedded"]) == 0, capsys.readouterr().out


def test_what_is_not_as_it_was_shipped_is_named(
    shipped: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(shipped, tmp_path / "shipped")
    weights = folder / "decoder.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    (folder / "config.json").unlink()
    (folder / "more.safetensors").touch()
    assert look_at(folder) == 1
    assert capsys.readouterr().out.splitlines() == [
        "config.json is missing",
        "decoder.safetensors is another file than was shipped",
        "more.safetensors is not in the record",
    ]
    (folder / MADE_BY).unlink()
    with pytest.raises(DataError, match=rf"has no {MADE_BY}"):
        look_at(folder)


def test_the_preset_talk_is_shipped_with_its_record(tmp_path: Path, run_stage: Run) -> None:
    assistant = tmp_path / "work" / "talk_prompts" / "assistant"
    assistant.mkdir(parents=True)
    (assistant / "config.json").write_text("{}")
    output = tmp_path / "talk"
    given = {"assistant": assistant, "work": tmp_path / "work", "output": output}
    assert run_stage(ship_talk, **given) == 0
    assert sorted(path.name for path in output.iterdir()) == ["config.json", MADE_BY]
    assert list(made_by(output)["stages"]) == ["talk", "talk_evidence", "talk_prompts"]
    assert look_at(output) == 0
    (assistant / "more.safetensors").write_bytes(bytes(13_000_000))
    with pytest.raises(OutputError, match="12 may be shipped"):
        run_stage(ship_talk, **given)
    assert look_at(output) == 0
