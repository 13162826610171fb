"""Files of AnomalyCLIP and CLIP: names, shapes, what is left out, and the same map afterwards."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from anomalygpt import AnomalyGPT
from anomalygpt.checkpoints.anomalyclip import convert_anomalyclip, prompt_shapes, prompt_sizes
from anomalygpt.checkpoints.clip import ARCHITECTURES, clip_sizes, open_clip_file
from anomalygpt.checkpoints.torchscript import TorchScriptFile, is_torchscript
from anomalygpt.encoders import build_encoder, encoder_config, open_encoder
from anomalygpt.encoders.value_attention import PUBLISHED_SIZE
from anomalygpt.errors import CheckpointError, ConfigError
from decoder import LearnedPrompts, LearnedPromptsConfig
from decoder.learned_prompts import ABNORMAL_WORDS, NORMAL_WORDS
from decoder.similarity import abnormal_map, abnormal_probability, similarity_map, smoothed
from tests.tiny_clip import (
    OPTIONS,
    SIZES,
    published_prompts,
    tiny_clip,
    tiny_prompts,
    write_prompts,
    write_torchscript,
)

KEYS = Path(__file__).parents[2] / "fixtures" / "anomalyclip_keys.json"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Prompts and the CLIP that they belong to."""
    folder = tmp_path_factory.mktemp("published")
    clip = tiny_clip()
    state = published_prompts(tiny_prompts(), clip.token_embedding.weight)
    prompts = write_prompts(folder / "epoch_15.pth", state)
    return prompts, write_torchscript(folder / "ViT.pt", clip.state_dict())


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "part.png"
    values = torch.rand(48, 48, 3, generator=torch.Generator().manual_seed(5)) * 255
    Image.fromarray(values.byte().numpy()).save(path)
    return path


# --------------------------------------------------------------------------- names and shapes


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_full_size_model_has_the_names_and_shapes_of_clip(name: str) -> None:
    """open_clip builds what OpenAI's files hold."""
    with torch.device("meta"):
        own: Any = build_encoder(encoder_config(f"value_attention/{name}"))
        theirs = open_clip.create_model(name, load_weights=False, device="meta")
    expected = {key: value.shape for key, value in theirs.state_dict().items()}
    assert {key: value.shape for key, value in own.state_dict().items()} == expected


def test_a_full_size_model_reads_photos_as_published() -> None:
    with torch.device("meta"):
        encoder: Any = build_encoder(encoder_config("value_attention/ViT-L-14-336"))
    assert encoder.config.input_size == PUBLISHED_SIZE == 518
    assert encoder.config.stages == (23,)
    # Blocks 6 to 24, counted from 1.
    assert encoder.visual.value_blocks == 19
    assert encoder.visual.transformer.resblocks[0].attn.heads == 16
    assert encoder.transformer.resblocks[0].attn.heads == 12


def test_full_size_prompts_have_the_published_names_and_shapes() -> None:
    recorded = json.loads(KEYS.read_text(encoding="utf-8"))
    published = {name: tuple(shape) for name, (shape, _) in recorded["tensors"].items()}
    config = prompt_sizes(published, "the recording")
    assert config == LearnedPromptsConfig(width=768)
    assert prompt_shapes(config) == published
    with torch.device("meta"):
        own = LearnedPrompts(config).state_dict()
    assert {name: tuple(value.shape) for name, value in own.items()} == {
        name: shape
        for name, shape in published.items()
        if not name.startswith(("token_", "compound_prompt_projections"))
    }
    formats = {name: kind for name, (_, kind) in recorded["tensors"].items()}
    assert all(str(value.dtype) == f"torch.{formats[name]}" for name, value in own.items())


def test_new_prompts_have_the_published_tokens() -> None:
    recorded = json.loads(KEYS.read_text(encoding="utf-8"))
    normal, abnormal = LearnedPrompts(LearnedPromptsConfig(8)).tokens.tolist()
    assert normal == recorded["tokens_pos"] + [0] * (77 - len(recorded["tokens_pos"]))
    assert abnormal == recorded["tokens_neg"] + [0] * (77 - len(recorded["tokens_neg"]))


def test_the_words_are_those_of_clips_tokenizer() -> None:
    normal, abnormal = open_clip.tokenize(["object.", "damaged object."]).tolist()
    assert tuple(normal[1:3]) == NORMAL_WORDS
    assert tuple(abnormal[1:4]) == ABNORMAL_WORDS


# --------------------------------------------------------------------------- reading CLIP


def test_a_torchscript_archive_is_read_without_running_it(files: tuple[Path, Path]) -> None:
    archive = files[1]
    assert is_torchscript(archive)
    weights = open_clip_file(archive)
    assert isinstance(weights, TorchScriptFile)
    assert clip_sizes(weights) == SIZES
    for name, value in tiny_clip().state_dict().items():
        assert torch.equal(weights.tensor(name), value), name


def test_half_precision_stays_half_precision(tmp_path: Path) -> None:
    values = torch.rand(3, 4).half()
    path = write_torchscript(tmp_path / "half.pt", {"a.b": values, "c": values[1:, 2:].clone()})
    weights = open_clip_file(path)
    assert weights.dtypes["a.b"] == torch.float16
    assert torch.equal(weights.tensor("a.b"), values)
    assert torch.equal(weights.tensor("c"), values[1:, 2:])


def test_code_in_an_archive_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return print, ("run",)

    path = tmp_path / "evil.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("evil/constants.pkl", b"")
        archive.writestr("evil/data.pkl", pickle.dumps(Evil(), protocol=2))
    with pytest.raises(CheckpointError, match="could run code; nothing was run"):
        open_clip_file(path)


def test_a_damaged_archive_is_named(tmp_path: Path, files: tuple[Path, Path]) -> None:
    path = tmp_path / "cut.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("cut/constants.pkl", b"")
        archive.writestr("cut/data.pkl", b"\x80\x02nothing")
    with pytest.raises(CheckpointError, match=r"cut\.pt is damaged"):
        open_clip_file(path)


@pytest.mark.parametrize("prefix", ["", "text."])
def test_a_state_dict_of_open_clip_is_read(tmp_path: Path, prefix: str) -> None:
    state = {
        name if name.startswith(("visual.", "logit_scale")) else prefix + name: value
        for name, value in tiny_clip().state_dict().items()
    }
    torch.save(state | {f"{prefix}attn_mask": torch.zeros(77, 77)}, tmp_path / "clip.bin")
    sizes = {"vision_heads": 1, "text_heads": 1, **OPTIONS}
    encoder: Any = open_encoder(
        "value_attention/other",
        tmp_path / "clip.bin",
        {**{key: getattr(SIZES, key) for key in SIZES.__dataclass_fields__}, **sizes},
    )
    for name, value in tiny_clip().state_dict().items():
        assert torch.equal(encoder.state_dict()[name], value), name


def test_what_is_no_clip_is_refused(tmp_path: Path, files: tuple[Path, Path]) -> None:
    torch.save({"a": torch.zeros(2)}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="no CLIP with a transformer for images"):
        convert_anomalyclip(files[0], tmp_path / "other.pt", tmp_path / "out")
    with pytest.raises(CheckpointError, match=r"no file of AnomalyCLIP: it lacks ctx_pos"):
        convert_anomalyclip(tmp_path / "other.pt", files[1], tmp_path / "out")
    assert not (tmp_path / "out").exists()


# --------------------------------------------------------------------------- converting


def test_every_tensor_is_accounted_for(tmp_path: Path, files: tuple[Path, Path]) -> None:
    report = convert_anomalyclip(*files, tmp_path / "out", options=OPTIONS)
    assert report.ok
    prompts = tiny_prompts()
    assert set(report.loaded) == {*tiny_clip().state_dict(), *prompts.state_dict()}
    assert set(report.skipped) == {
        *(f"token_{part}_{side}" for part in ("prefix", "suffix") for side in ("pos", "neg")),
        *(f"compound_prompt_projections.{n}.{k}" for n in range(2) for k in ("weight", "bias")),
        *("input_resolution", "context_length", "vocab_size"),
    }
    assert "4 skipped: projections that the published code makes and never uses" in report.summary()


def test_a_converted_folder_draws_the_published_map(
    tmp_path: Path, files: tuple[Path, Path], photo: Path
) -> None:
    """From the files by hand, and from the folder."""
    convert_anomalyclip(*files, tmp_path / "out", options=OPTIONS)
    model = AnomalyGPT.from_pretrained(tmp_path / "out", device="cpu")
    assert model.config.encoder.stages == (3,), "the last block alone, as published"
    found = model.inspect(photo, map_only=True)
    tower, prompts = tiny_clip(), tiny_prompts()
    with torch.no_grad():
        pixels = torch.tensor(list(Image.open(photo).get_flattened_data()))
        pixels = pixels.reshape(48, 48, 3).permute(2, 0, 1) / 255
        mean, std = (
            torch.tensor(each)[:, None, None] for each in (tower.config.mean, tower.config.std)
        )
        seen = tower(((pixels - mean) / std)[None])
        text = prompts.features(tower)
        drawn = smoothed(abnormal_map(similarity_map(seen.stages[0], seen.grid, text, 48)), 4.0)
        probability = abnormal_probability(seen.embedding, text)
    torch.testing.assert_close(torch.from_numpy(found.small_map), drawn[0], rtol=1e-4, atol=1e-5)
    assert found.anomaly_score == pytest.approx(float(probability), abs=1e-5)
    assert drawn.std() > 1e-3, "a flat map would be like any other"


def test_with_references_words_and_bank_are_fused(
    tmp_path: Path, files: tuple[Path, Path], photo: Path
) -> None:
    convert_anomalyclip(*files, tmp_path / "out", options=OPTIONS)
    model = AnomalyGPT.from_pretrained(tmp_path / "out", device="cpu")
    good = Image.fromarray(255 - torch.tensor([[[9, 80, 200]]]).byte().repeat(48, 48, 1).numpy())
    alone = torch.from_numpy(model.inspect(photo, map_only=True).small_map)
    fused = torch.from_numpy(model.inspect(photo, [good], map_only=True).small_map)
    evidence = model.encode([photo])
    bank = model.remember([good])
    with torch.no_grad():
        references = model.decoder.reference_map(
            evidence.features.stages, evidence.features.grid, bank
        )
    torch.testing.assert_close(fused, (references[0] + alone) / 2, rtol=1e-4, atol=1e-5)


def test_the_folder_is_written_again_as_it_was(
    tmp_path: Path, files: tuple[Path, Path], photo: Path
) -> None:
    convert_anomalyclip(*files, tmp_path / "out", options=OPTIONS)
    model = AnomalyGPT.from_pretrained(tmp_path / "out", device="cpu")
    model.save_pretrained(tmp_path / "again")
    again = AnomalyGPT.from_pretrained(tmp_path / "again", device="cpu")
    assert again.config == model.config
    assert again.encoder_id == model.encoder_id
    found, expected = (each.inspect(photo, map_only=True).small_map for each in (again, model))
    assert np.array_equal(found, expected)


def test_the_recorded_map_comes_out_of_a_folder(
    tmp_path: Path, recorded: Callable[[str], Any]
) -> None:
    """Published weights as files, converted, loaded: the numbers of the published code."""
    numbers = recorded("anomalyclip/anomalyclip_tiny.safetensors")
    table = torch.zeros(49408, 32)
    table[numbers["token_embedding.ids"].long()] = numbers["token_embedding.rows"]
    groups: dict[str, dict[str, Any]] = {"clip": {}, "prompt_learner": {}}
    for name, value in numbers.tensors.items():
        group, _, rest = name.partition(".")
        if group in groups:
            groups[group][rest] = value
    clip = groups["clip"] | {"token_embedding.weight": table}
    epoch = write_prompts(tmp_path / "epoch_2.pth", groups["prompt_learner"])
    heads = {"vision_heads": 2, "text_heads": 2}
    options = {**heads, "value_blocks": 4, "input_size": 48, "stages": (1, 2, 3, 5)}
    archive = write_torchscript(tmp_path / "ViT.pt", clip)
    convert_anomalyclip(epoch, archive, tmp_path / "out", options=options)
    model = AnomalyGPT.from_pretrained(tmp_path / "out", device="cpu")
    with torch.no_grad():
        seen = model.encoder(numbers["input.pixels"])
        text = model.category_features("leather")
        assert text is not None
        drawn = model.decoder.anomaly_map(seen.stages, seen.grid, text_features=text)
        scores = model.decoder.with_whole(
            model.decoder.score(drawn, seen.grid), seen.embedding, text, has_references=False
        )
    torch.testing.assert_close(text, numbers["text.features"][0], rtol=1e-4, atol=1e-5)
    # The published code adds up what we average.
    expected = numbers["test.anomaly_map_gaussian4"]
    torch.testing.assert_close(4 * drawn, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(scores, numbers["test.image_probability"], rtol=1e-4, atol=1e-5)


def test_prompts_of_another_clip_are_refused(tmp_path: Path, files: tuple[Path, Path]) -> None:
    other = write_torchscript(tmp_path / "other.pt", tiny_clip(seed=7).state_dict())
    with pytest.raises(CheckpointError, match=r"other embeddings than in .*other\.pt"):
        convert_anomalyclip(files[0], other, tmp_path / "out", options=OPTIONS)
    wider = published_prompts(
        LearnedPrompts(LearnedPromptsConfig(16)), F.one_hot(torch.arange(49408) % 16).float()
    )
    epoch = write_prompts(tmp_path / "wide.pth", wider)
    with pytest.raises(CheckpointError, match=r"77 tokens of 16 channels, .* reads 77 of 8"):
        convert_anomalyclip(epoch, files[1], tmp_path / "out", options=OPTIONS)
    assert not (tmp_path / "out").exists()


def test_clip_rounded_to_half_is_the_same_clip(tmp_path: Path) -> None:
    """The published prompts hold float32 words, OpenAI's file float16 ones or the reverse."""
    clip = tiny_clip()
    table = clip.token_embedding.weight.detach()
    state = {name: value.half() for name, value in clip.state_dict().items()}
    epoch = write_prompts(tmp_path / "epoch.pth", published_prompts(tiny_prompts(), table))
    archive = write_torchscript(tmp_path / "half.pt", state)
    assert convert_anomalyclip(epoch, archive, tmp_path / "out", options=OPTIONS).ok


@pytest.mark.parametrize(
    ("lost", "message"),
    [("ctx_neg", r"1 missing \(ctx_neg\)"), ("token_suffix_pos", "token_suffix_pos")],
)
def test_incomplete_prompts_are_refused(
    tmp_path: Path, files: tuple[Path, Path], lost: str, message: str
) -> None:
    state = torch.load(files[0], weights_only=True)["prompt_learner"]
    del state[lost]
    epoch = write_prompts(tmp_path / "epoch.pth", state)
    with pytest.raises(CheckpointError, match=message):
        convert_anomalyclip(epoch, files[1], tmp_path / "out", options=OPTIONS)


def test_unknown_tensors_are_named(tmp_path: Path, files: tuple[Path, Path]) -> None:
    state = torch.load(files[0], weights_only=True)["prompt_learner"]
    epoch = write_prompts(tmp_path / "epoch.pth", {**state, "extra": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"1 unknown \(extra\)"):
        convert_anomalyclip(epoch, files[1], tmp_path / "out", options=OPTIONS)
    report = convert_anomalyclip(
        epoch, files[1], tmp_path / "out", options=OPTIONS, allow_unknown=True
    )
    assert report.unexpected == ["extra"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"stages": (4,)}, "between 0 and 3"),
        ({"value_blocks": 5}, "between 0 and 4"),
        ({"activation": "relu"}, "quick_gelu or gelu"),
        ({"vision_heads": 3}, "3 heads do not divide"),
        ({"input_size": 4}, "one patch"),
        ({"depth": 4}, "no options depth"),
        ({"value_mlp": 1}, "true or false"),
    ],
)
def test_impossible_options_are_refused(
    tmp_path: Path, files: tuple[Path, Path], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        convert_anomalyclip(*files, tmp_path / "out", options={**OPTIONS, **options})
