"""The assistant as a whole, tiny and random: verdicts, maps, batches, chats, saving, two users."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from anomalygpt import AnomalyGPT, GenerationOptions, Inspection
from anomalygpt.encoders import ImageFeatures
from anomalygpt.errors import (
    CheckpointError,
    ConfigError,
    DialogueTooLongError,
    ImageError,
    MissingPartError,
    OutputError,
)
from anomalygpt.evidence import EncodedPhotos, Evidence
from anomalygpt.images.preprocessing import ImageGeometry
from decoder import MemoryBank

QUESTION = "Is there any anomaly in the image?"
SHORT = GenerationOptions(max_new_tokens=8)


def same(first: Inspection, second: Inspection) -> None:
    """Everything that was found is identical, the map to the last bit; names are left aside."""
    assert first.answer == second.answer
    assert first.anomaly_probability == second.anomaly_probability
    assert first.is_anomalous == second.is_anomalous
    assert first.anomaly_score == second.anomaly_score
    assert first.regions == second.regions
    assert np.array_equal(first.anomaly_map, second.anomaly_map)


@pytest.fixture(scope="module")
def bank(assistant: AnomalyGPT, parts: Path) -> MemoryBank:
    return assistant.remember([parts / "good.png"])


@pytest.fixture
def asked(assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every piece of text that is given to the tokenizer during the test."""
    texts: list[str] = []
    language_model = assistant.language_model
    encode = language_model.encode

    def recorded(text: str) -> list[int]:
        texts.append(text)
        return encode(text)

    monkeypatch.setattr(language_model, "encode", recorded)
    return texts


@pytest.fixture
def decided(assistant: AnomalyGPT, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the probability that the language model gives from now on."""
    language_model = assistant.language_model
    honest = language_model.answer_probabilities

    def decide(probability: float) -> None:
        def probabilities(logits: torch.Tensor):
            anomaly = torch.full((len(logits),), probability, dtype=torch.float64)
            return dataclasses.replace(honest(logits), anomaly=anomaly)

        monkeypatch.setattr(language_model, "answer_probabilities", probabilities)

    return decide


# --- saving ------------------------------------------------------------------------------------


@pytest.mark.parametrize("lora", [False, True], ids=["plain", "unmerged LoRA"])
def test_a_saved_assistant_comes_back_identical(
    build_assistant, parts: Path, tmp_path: Path, lora: bool
) -> None:
    first = build_assistant(lora=lora)
    first.save_pretrained(tmp_path / "saved")
    second = AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    assert second.language_model.has_adapter is lora
    assert (tmp_path / "saved" / "language_model" / "adapter").is_dir() is lora
    for references in ([], [parts / "good.png"]):
        same(*(a.inspect(parts / "stained.png", references) for a in (first, second)))
    assert second.config == first.config
    for file in (tmp_path / "saved").rglob("*.*"):
        # No path of the machine where it was saved; a tokenizer.model keeps where it was trained.
        if file.is_file() and file.name != "tokenizer.model":
            assert str(tmp_path.parent).encode() not in file.read_bytes()


def test_a_lora_that_was_merged_is_saved_as_weights(build_assistant, parts, tmp_path) -> None:
    first = build_assistant(lora=True)
    first.language_model.merge_lora()
    first.save_pretrained(tmp_path / "saved")
    second = AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    assert not second.language_model.has_adapter
    same(*(a.inspect(parts / "stained.png") for a in (first, second)))


def test_an_assistant_without_words_is_saved_too(build_assistant, parts, tmp_path) -> None:
    first = build_assistant(words=False)
    first.save_pretrained(tmp_path / "saved")
    second = AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    photo, reference = parts / "stained.png", [parts / "good.png"]
    same(*(a.inspect(photo, reference, map_only=True) for a in (first, second)))
    with pytest.raises(MissingPartError, match="no language model"):
        second.inspect(photo, reference)
    with pytest.raises(MissingPartError, match="no language model"):
        second.chat(photo, reference)


def test_the_photos_of_its_training_are_saved_too(build_assistant, tmp_path) -> None:
    first = build_assistant(words=False)
    assert first.training_photos == frozenset()
    first.save_pretrained(tmp_path / "untrained")
    assert not (tmp_path / "untrained" / "training_photos.txt").exists()
    untrained = AnomalyGPT.from_pretrained(tmp_path / "untrained", device="cpu")
    assert untrained.training_photos == frozenset()

    first.training_photos = frozenset({"b" * 64, "0" * 64, "a" * 64})
    first.save_pretrained(tmp_path / "trained")
    assert (tmp_path / "trained" / "training_photos.txt").read_text(encoding="utf-8") == (
        "# SHA-256 of each photo that this assistant was trained on or chosen by\n"
        f"{'0' * 64}\n{'a' * 64}\n{'b' * 64}\n"
    )
    second = AnomalyGPT.from_pretrained(tmp_path / "trained", device="cpu", map_only=True)
    assert second.training_photos == first.training_photos


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"# heading\n" + b"a" * 64 + b"\n" + b"b" * 40, "line 3 is 'bbb"),
        (b"a" * 64 + b"0\n", "line 1 is 'aaa"),
        (b"<html>\n", "line 1 is '<html>'"),
        (b"# heading\n", "holds no hash"),
        (b"", "holds no hash"),
        (b"\xff\xfe\x00", "cannot be read"),
    ],
    ids=["cut", "too long", "web page", "heading alone", "empty", "no text"],
)
def test_a_damaged_list_of_photos(
    build_assistant, parts, tmp_path, anomalygpt, content, problem
) -> None:
    first = build_assistant(words=False)
    first.save_pretrained(tmp_path / "saved")
    (tmp_path / "saved" / "training_photos.txt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"training_photos.txt .*; copy .* again") as raised:
        AnomalyGPT.from_pretrained(tmp_path / "saved", device="cpu")
    assert problem in str(raised.value)
    options = ("--model", tmp_path / "saved", "--map-only")
    ran = anomalygpt("inspect", parts / "good.png", *options)
    assert ran.status == 2
    assert problem in ran.error


def test_saving_overwrites_nothing(assistant: AnomalyGPT, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="not empty"):
        assistant.save_pretrained(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


# --- the verdict -------------------------------------------------------------------------------


@pytest.mark.parametrize("probability", [0.0, 0.2, 0.5, 0.5000001, 0.8, 1.0])
@pytest.mark.parametrize("with_reference", [False, True])
def test_word_number_and_regions_agree(
    assistant, parts, bank, decided, probability: float, with_reference: bool
) -> None:
    decided(probability)
    found = assistant.inspect(parts / "stained.png", bank if with_reference else ())
    assert found.is_anomalous is (probability > 0.5)
    assert found.anomaly_probability == probability
    word = "yes" if found.is_anomalous else "no"
    assert found.answer.lower().startswith(word)
    assert bool(found.regions) is found.is_anomalous


def test_without_intervention_too(assistant: AnomalyGPT, parts: Path, bank: MemoryBank) -> None:
    for found in assistant.inspect_batch(sorted(parts.iterdir()), bank):
        assert found.is_anomalous is (found.anomaly_probability > 0.5)
        assert found.answer.lower().startswith("yes" if found.is_anomalous else "no")
        assert bool(found.regions) is found.is_anomalous


@pytest.mark.parametrize("value", [1e-6, 0.2, 0.5, 1.0])
@pytest.mark.parametrize(("kind", "names"), [("normalised", ()), ("published", ("good",))])
def test_who_says_yes_shows_where_even_on_a_flat_map(
    assistant, decided, value, kind, names
) -> None:
    decided(0.9)
    features = ImageFeatures(torch.zeros(1, 32), (torch.zeros(1, 16, 32),) * 2, (4, 4))
    photos = EncodedPhotos(features, [ImageGeometry.fit((40, 50), 64, "square")], [None])
    maps = torch.full((1, 224, 224), value)
    (found,) = assistant.judge(Evidence(photos, maps, maps.mean((1, 2)), names, None, kind))
    assert len(found.regions) == 1
    assert found.regions[0].area_fraction == pytest.approx(1)


def test_a_map_alone_asks_no_language_model(assistant, parts, bank, asked) -> None:
    found = assistant.inspect(parts / "stained.png", bank, map_only=True)
    assert (found.is_anomalous, found.anomaly_probability, found.answer) == (None, None, None)
    assert not asked
    with_words = assistant.inspect(parts / "stained.png", bank)
    assert np.array_equal(found.anomaly_map, with_words.anomaly_map)
    assert found.anomaly_map.shape == (80, 96)


def test_the_description_goes_before_the_question(assistant, parts, bank, asked) -> None:
    told = "This is a photo of a disc, which should be round."
    found = assistant.inspect(parts / "good.png", bank, description=f" {told}\n")
    assert found.question == f"{told} {QUESTION}"
    assert f"{told} {QUESTION}\n### Assistant:" in asked
    assert assistant.inspect(parts / "good.png", bank, description=" ").question == QUESTION
    asked.clear()
    chat = assistant.chat(parts / "good.png", bank, description=told)
    chat.ask("Where is it?", SHORT)
    chat.ask("How large?", SHORT)
    assert f"{told} Where is it?\n### Assistant:" in asked
    assert " Human: How large?\n### Assistant:" in asked


# --- batches -----------------------------------------------------------------------------------


def test_a_batch_says_what_single_photos_say(assistant, parts, bank) -> None:
    photos = sorted(parts.iterdir())
    alone = [assistant.inspect(photo, bank) for photo in photos]
    for size in (1, 3, 8):
        together = list(assistant.inspect_batch(photos, bank, batch_size=size))
        for one, other in zip(alone, together, strict=True):
            assert (one.image, one.answer, one.is_anomalous) == (
                other.image,
                other.answer,
                other.is_anomalous,
            )
            assert other.anomaly_probability == pytest.approx(one.anomaly_probability, abs=1e-4)
            np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, atol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 8])
def test_broken_files_keep_their_place(assistant, parts, bank, tmp_path, size) -> None:
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    names = [
        tmp_path / "broken.png",
        parts / "good.png",
        tmp_path / "gone.png",
        parts / "plain.jpg",
    ]
    found = list(assistant.inspect_batch(names, bank, map_only=True, batch_size=size))
    assert [type(item) for item in found] == [ImageError, Inspection, ImageError, Inspection]
    for name, item in zip(names, found, strict=True):
        assert str(name) in (str(item) if isinstance(item, ImageError) else item.image)
    with pytest.raises(ImageError, match=r"broken\.png"):
        assistant.inspect(names[0], bank)


def test_a_batch_of_nothing_but_broken_files(assistant, bank, tmp_path) -> None:
    found = list(assistant.inspect_batch([tmp_path / "a", tmp_path / "b"], bank, batch_size=2))
    assert all(isinstance(item, ImageError) for item in found)
    assert list(assistant.inspect_batch([], bank)) == []


def test_a_batch_is_read_as_it_is_asked_for(assistant, parts, bank, encoded) -> None:
    """An endless stream of photos is fine: a batch is read when its first result is taken."""
    stream = assistant.inspect_batch(
        itertools.repeat(parts / "good.png"), bank, map_only=True, batch_size=2
    )
    assert encoded == []
    next(stream), next(stream)
    assert encoded == [2]


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_size_below_one_is_refused(assistant, size) -> None:
    with pytest.raises(ConfigError, match=f"at least 1, got {size}"):
        assistant.inspect_batch([], batch_size=size)


# --- references --------------------------------------------------------------------------------


def test_references_in_every_form_give_the_same_map(assistant, parts, bank, encoded) -> None:
    path = parts / "good.png"
    with Image.open(path) as picture:
        forms = [path, str(path), picture, np.asarray(picture)]
        maps = [
            assistant.inspect(parts / "stained.png", [form], map_only=True).anomaly_map
            for form in forms
        ]
    encoded.clear()
    found = assistant.inspect(parts / "stained.png", bank, map_only=True)
    assert encoded == [1]  # a bank is not encoded again
    assert found.references == (str(path),)
    for values in maps:
        assert np.array_equal(values, found.anomaly_map)


def test_the_same_reference_twice_is_no_error(assistant, parts, bank) -> None:
    path = parts / "good.png"
    twice = assistant.inspect(parts / "stained.png", [path, path], map_only=True)
    assert len(twice.references) == 2
    assert np.isfinite(twice.anomaly_map).all()


def test_a_broken_reference_is_named_at_once(assistant, parts, tmp_path) -> None:
    (tmp_path / "ref.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"ref\.png"):
        assistant.inspect_batch([parts / "good.png"], [parts / "good.png", tmp_path / "ref.png"])


def test_turned_references_know_a_turned_part(assistant, parts) -> None:
    with Image.open(parts / "stained.png") as picture:
        turned = picture.transpose(Image.Transpose.ROTATE_180)
    reference = [parts / "stained.png"]
    plain = assistant.remember(reference, rotations=1)
    turning = assistant.remember(reference, rotations=2)
    with_plain, with_turning = (
        assistant.decoder.reference_map(
            assistant.encode([turned]).features.stages, (4, 4), memory_bank
        ).mean()
        for memory_bank in (plain, turning)
    )
    assert with_turning < 0.5 * with_plain
    with pytest.raises(ConfigError, match="rotations"):
        assistant.remember(reference, rotations=0)


@pytest.mark.parametrize(
    ("count", "formulation", "turns"),
    [(1, "normalised", 12), (2, "normalised", 6), (3, "normalised", 1), (1, "published", 1)],
)
def test_few_references_are_turned_by_themselves(
    assistant, parts, count, formulation, turns
) -> None:
    """About a dozen views while references are few; never for published maps."""
    references = [parts / "good.png"] * count
    by_itself = assistant.remember(references, formulation=formulation)
    asked = assistant.remember(references, rotations=turns)
    query = assistant.encode(references[0]).features.stages
    assert torch.equal(by_itself.self_distances(), asked.self_distances())
    assert torch.equal(by_itself.distances(query), asked.distances(query))


def test_neither_reference_nor_text_side(parts, encoder_file) -> None:
    options = {"input_size": 64, "embed_dim": 32, "depth": 4, "num_heads": 2}
    eyes = AnomalyGPT.from_encoder(
        "vit_tiny_patch16_224", encoder_file, options=options, device="cpu"
    )
    with pytest.raises(MissingPartError, match="at least one photo of a good part"):
        eyes.inspect(parts / "good.png", map_only=True)
    assert (
        eyes.inspect(parts / "good.png", [parts / "other.png"], map_only=True).regions is not None
    )


def test_a_bank_of_another_encoder_is_refused(assistant, parts) -> None:
    foreign = MemoryBank()
    foreign.add([torch.rand(1, 16, 7)] * 2, name="x", varied=[torch.rand(1, 16, 7)] * 2)
    with pytest.raises(ConfigError, match="same encoder"):
        assistant.inspect(parts / "good.png", foreign, map_only=True)


def test_the_formulation_can_be_asked_for(assistant, parts) -> None:
    """Each call has its own: a model is shared by many."""
    photo, references = parts / "stained.png", [parts / "good.png"]
    before = assistant.inspect(photo, references, map_only=True)
    after = assistant.inspect(photo, references, map_only=True, formulation="published")
    assert (before.formulation, after.formulation) == ("normalised", "published")
    again = assistant.inspect(photo, references, map_only=True)
    assert np.array_equal(again.anomaly_map, before.anomaly_map)
    assert not np.allclose(before.anomaly_map, after.anomaly_map)
    assert after.level < after.anomaly_map.max()


# --- words about categories --------------------------------------------------------------------


def test_the_words_of_a_category_are_encoded_once(build_assistant, parts) -> None:
    reader = build_assistant(words=False)
    calls: list[str] = []

    def encode_text(texts) -> torch.Tensor:
        calls.append(texts[0])
        generator = torch.Generator().manual_seed(len(texts) + len(texts[0]))
        return torch.randn(len(texts), 24, generator=generator)

    reader.encoder.encode_text = encode_text
    reader.encoder.text_width = 24
    maps = [
        reader.inspect(parts / "stained.png", category=category, map_only=True).anomaly_map
        for category in ("metal nut", "metal nut", None, "metal nut", "object")
    ]
    # Two sides, good and damaged, of two categories; no category is called "object".
    assert len(calls) == 4
    assert calls[0] == "a photo of a metal nut."
    assert np.array_equal(maps[0], maps[3])
    assert np.array_equal(maps[2], maps[4])
    assert not np.array_equal(maps[0], maps[2])


# --- chats -------------------------------------------------------------------------------------


def test_a_second_turn_costs_its_own_words_only(assistant, parts, bank, encoded) -> None:
    chat = assistant.chat(parts / "stained.png", bank)
    assert encoded == [1]
    first = chat.ask("Who took the photo?", SHORT)
    language_model = assistant.language_model
    before, length = chat.tokens_processed, len(chat._dialogue)
    # All positions so far were read exactly once.
    assert before == length
    question = "Who made it?"
    pieces = chat.stream(question, GenerationOptions(max_new_tokens=1))
    read = chat.tokens_processed - before
    own = len(language_model.encode(language_model.template.later_turn(question)))
    # The last token of the former answer and the end after it were not read before.
    assert own <= read <= own + 1 + len(language_model.answer_end_ids)
    "".join(pieces)
    assert chat.tokens_processed == before + read
    assert encoded == [1]
    assert [asked for asked, _ in chat.history] == ["Who took the photo?", question]
    assert chat.history[0][1] == first


def test_the_verdict_of_a_chat_encodes_nothing_again(assistant, parts, bank, encoded) -> None:
    chat = assistant.chat(parts / "stained.png", bank)
    found = chat.inspection
    assert encoded == [1]
    assert chat.tokens_processed == 0
    same(found, assistant.inspect(parts / "stained.png", bank))


def test_verdict_and_chat_do_not_contradict_each_other(assistant, parts, bank) -> None:
    for photo in sorted(parts.iterdir()):
        chat = assistant.chat(photo, bank)
        answer = chat.ask(QUESTION, SHORT).lower()
        if answer.startswith(("yes", "no")):
            assert answer.startswith("yes") is chat.inspection.is_anomalous


def test_questions_that_cannot_be_asked_leave_the_chat_usable(assistant, parts, bank) -> None:
    chat = assistant.chat(parts / "good.png", bank)
    for empty in ("", " \n"):
        with pytest.raises(ConfigError, match="empty"):
            chat.ask(empty)
    with pytest.raises(DialogueTooLongError, match="512"):
        chat.ask("Is it? " * 400)
    assert chat.history == []
    again = assistant.chat(parts / "good.png", bank)
    assert chat.ask(QUESTION, SHORT) == again.ask(QUESTION, SHORT)


def test_stopping_early_is_remembered_as_said(assistant, parts, bank) -> None:
    chat = assistant.chat(parts / "good.png", bank)
    stream = chat.stream(QUESTION, GenerationOptions(max_new_tokens=20))
    heard = next(stream)
    stream.close()
    assert chat.history == [(QUESTION, heard)]
    assert isinstance(chat.ask("Where is it?", SHORT), str)
    assert len(chat.history) == 2


# --- two users ---------------------------------------------------------------------------------


def converse(assistant: AnomalyGPT, folder: Path, photo: str) -> SimpleNamespace:
    """What one user does: inspect a batch, then talk, sampling with a seed."""
    references = [folder / "good.png"]
    found = list(assistant.inspect_batch([folder / photo, folder / "plain.jpg"], references))
    chat = assistant.chat(folder / photo, references, description=f"It is {photo}.")
    options = GenerationOptions(max_new_tokens=12, temperature=0.8, seed=7)
    said = [chat.ask(question, options) for question in (QUESTION, "Where is it?", "And now?")]
    return SimpleNamespace(found=found, said=said)


def test_two_users_at_once_get_what_each_alone_would(assistant, parts) -> None:
    photos = ["stained.png", "other.png"]
    alone = [converse(assistant, parts, photo) for photo in photos]
    with ThreadPoolExecutor(2) as pool:
        for _ in range(2):
            together = pool.map(lambda photo: converse(assistant, parts, photo), photos)
            for one, other in zip(alone, together, strict=True):
                assert one.said == other.said
                for first, second in zip(one.found, other.found, strict=True):
                    same(first, second)


def test_one_reference_needs_no_list(assistant: AnomalyGPT, parts: Path) -> None:
    """A path is one reference, not a list of letters."""
    path = parts / "good.png"
    for single in (path, str(path), Image.open(path)):
        same(
            assistant.inspect(path, single, map_only=True),
            assistant.inspect(path, [path], map_only=True),
        )


def test_saved_files_are_for_all_who_may_read_the_folder(
    assistant: AnomalyGPT, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assistant.save_pretrained(tmp_path / "saved")
    config, *_ = {path.stat().st_mode for path in (tmp_path / "saved").glob("config.json")}
    weights = list((tmp_path / "saved").rglob("*.safetensors"))
    assert weights
    assert {path.stat().st_mode for path in weights} == {config}
    assert capfd.readouterr().err == ""


def test_a_saved_bank_knows_its_encoder(build_assistant, assistant, parts, tmp_path) -> None:
    """Features of equal width from another encoder would give wrong maps without a word."""
    assistant.remember(parts / "good.png").save(tmp_path / "bank.safetensors")
    bank = MemoryBank.load(tmp_path / "bank.safetensors")
    expected = assistant.inspect(parts / "stained.png", parts / "good.png", map_only=True)
    same(assistant.inspect(parts / "stained.png", bank, map_only=True), expected)
    other = build_assistant(words=False)
    with torch.no_grad():
        next(other.encoder.parameters()).add_(0.5)
    for use in (
        lambda: other.inspect(parts / "good.png", bank, map_only=True),
        lambda: other.remember(parts / "good.png", bank=bank),
    ):
        with pytest.raises(ConfigError, match="another encoder"):
            use()


def test_a_broken_reference_leaves_the_bank_as_it_was(assistant, parts, tmp_path) -> None:
    bank = assistant.remember(parts / "good.png")
    (tmp_path / "broken.png").write_bytes(b"no photo")
    with pytest.raises(ImageError):
        assistant.remember([parts / "other.png", tmp_path / "broken.png"], bank=bank)
    assert bank.names == (str(parts / "good.png"),)


def test_a_single_photo_is_a_batch_of_one(assistant, parts) -> None:
    path = parts / "stained.png"
    for single in (str(path), np.asarray(Image.open(path).convert("RGB"))):
        assert len(list(assistant.inspect_batch(single, path, map_only=True))) == 1
        assert len(assistant.encode(single)) == 1
