"""Whole conversions of small files with the published names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from anomalygpt.checkpoints import ConversionSources, convert, load_module, open_weights, writer
from anomalygpt.config import AnomalyGPTConfig, EncoderConfig
from anomalygpt.errors import CheckpointError, ConfigError, OutputError, SourceError

LAYOUTS = ["safetensors", "bin", "safetensors shards", "bin shards"]


@pytest.fixture
def sources(files, make):
    """Sources of the small files, with changes."""

    def build(**changes) -> ConversionSources:
        given = {
            "imagebind": files.imagebind,
            "vicuna": files.vicuna,
            "pandagpt": files.pandagpt,
            "anomalygpt": files.anomalygpt,
            "imagebind_options": dict(make.heads),
        }
        return ConversionSources(**{**given, **changes})

    return build


def run(sources: ConversionSources, output: Path, **options):
    return convert(sources, output, **{"dtype": "float32", "progress": False, **options})


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.tensor([[1, 5, 7, 64]])).logits


def language_model(folder: Path):
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder / "language_model").float().eval()


def lora_by_hand(files, scale: float = 1.0):
    """The model with the LoRA added one weight at a time, by the published formula."""
    state = files.model.state_dict()
    for layer in range(2):
        for target in "qkvo":
            stem = f"layers.{layer}.self_attn.{target}_proj"
            prefix = f"llama_model.base_model.model.model.{stem}.lora_"
            a, b = (files.lora[f"{prefix}{side}.default.weight"] for side in "AB")
            state[f"model.{stem}.weight"] += scale * b @ a
    return files.model


def test_the_folder_holds_everything_under_its_new_names(sources, files, make, tmp_path):
    output = tmp_path / "assistant"
    report = run(sources(), output)
    assert report.ok
    assert len(report.skipped) == sum(
        name.split(".")[1] in ("audio", "depth", "thermal", "imu")
        for name in make.imagebind_state()
    )
    found = {str(file.relative_to(output)) for file in output.rglob("*") if file.is_file()}
    assert found == {
        "config.json",
        "encoder.safetensors",
        "decoder.safetensors",
        "prompt_learner.safetensors",
        "projection.safetensors",
        "language_model/config.json",
        "language_model/generation_config.json",
        "language_model/tokenizer.model",
        "language_model/model.safetensors",
        "language_model/adapter/adapter_config.json",
        "language_model/adapter/adapter_model.safetensors",
    }
    published = torch.load(files.anomalygpt, weights_only=True)
    decoder = load_file(output / "decoder.safetensors")
    assert sorted(decoder) == sorted(f"fc.{n}.{p}" for n in range(4) for p in ("weight", "bias"))
    assert torch.equal(decoder["fc.2.weight"], published["image_decoder.fc.2.weight"])
    learner = load_file(output / "prompt_learner.safetensors")
    assert torch.equal(learner["base_prompts"], published["prompt_learner.base_prompts"])
    assert torch.equal(learner["meta_net.15.bias"], published["prompt_learner.meta_net.15.bias"])
    projection = load_file(output / "projection.safetensors")
    assert torch.equal(projection["weight"], files.lora["llama_proj.weight"])
    encoder = load_file(output / "encoder.safetensors")
    eyes = torch.load(files.imagebind, weights_only=True)
    assert set(encoder) == set(eyes) - set(report.skipped)
    assert all(torch.equal(encoder[name], eyes[name]) for name in encoder)
    assert torch.isinf(encoder["modality_preprocessors.text.mask"]).any()


def test_the_config_tells_the_sizes(sources, tmp_path):
    run(sources(), tmp_path / "out")
    config = AnomalyGPTConfig.load(tmp_path / "out")
    assert config.encoder == EncoderConfig(
        kind="imagebind",
        name="imagebind",
        input_size=224,
        stages=(0, 1, 2, 3),
        options={
            "vision_width": 16,
            "vision_blocks": 4,
            "vision_heads": 4,
            "text_width": 8,
            "text_blocks": 2,
            "text_heads": 2,
            "output_width": 12,
            "patch_size": 14,
        },
    )
    assert config.decoder.stage_widths == (16,) * 4
    assert config.decoder.text_width == 12
    assert config.prompt_learner.width == 48
    assert config.prompt_learner.channels == (4, 16, 5, 6, 7)
    assert config.prompt_learner.base_prompts == 9
    assert config.language_model.template == "vicuna_v0"
    assert config.language_model.adapter


def test_our_own_parts_load_the_folder(sources, tmp_path):
    from anomalygpt.encoders.imagebind import ImageBindEncoder
    from decoder import ImageDecoder
    from prompt_learner import PromptLearner

    run(sources(), tmp_path / "out", dtype="float16")
    config = AnomalyGPTConfig.load(tmp_path / "out")
    for name, module in (
        ("encoder", ImageBindEncoder(config.encoder)),
        ("decoder", ImageDecoder(config.decoder)),
        ("prompt_learner", PromptLearner(config.prompt_learner)),
    ):
        assert load_module(module, tmp_path / "out" / f"{name}.safetensors").ok


def test_merged_lora_equals_peft_and_the_formula(sources, files, tmp_path):
    from peft import PeftModel

    run(sources(), tmp_path / "adapter")
    run(sources(), tmp_path / "merged", merge_lora=True)
    assert not AnomalyGPTConfig.load(tmp_path / "merged").language_model.adapter
    assert not (tmp_path / "merged" / "language_model" / "adapter").exists()
    plain = language_model(tmp_path / "adapter")
    without = logits(plain)
    adapter = tmp_path / "adapter" / "language_model" / "adapter"
    with_peft = logits(PeftModel.from_pretrained(plain, adapter))
    merged = logits(language_model(tmp_path / "merged"))
    by_hand = logits(lora_by_hand(files))
    assert (without - by_hand).abs().max() > 1e-2
    torch.testing.assert_close(with_peft, by_hand, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(merged, by_hand, rtol=1e-4, atol=1e-4)


def test_lora_of_another_rank_is_scaled_by_alpha(sources, files, make, tmp_path):
    files.lora = make.pandagpt_state(rank=8)
    torch.save(files.lora, files.pandagpt)
    with pytest.raises(ConfigError, match="rank 8"):
        run(sources(), tmp_path / "out")
    run(sources(lora_alpha=4.0), tmp_path / "out", merge_lora=True)
    torch.testing.assert_close(
        logits(language_model(tmp_path / "out")), logits(lora_by_hand(files, 0.5))
    )


def base_and_delta(make, folder: Path, layout: str = "safetensors", base_rows: int = 64):
    """LLaMA with 64 words and a delta with 65, and the Vicuna that they must give."""
    base, vicuna = make.llama(64), make.llama(65)
    torch.nn.init.normal_(vicuna.model.norm.weight, mean=1.0, std=0.01)
    whole, start = make.llama_state(vicuna), make.llama_state(base)
    delta = {name: value.clone() for name, value in whole.items()}
    for name, value in start.items():
        delta[name][: value.shape[0]] -= value
    start["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.rand(6)
    start = {n: v[:base_rows] if v.shape[0] == 64 else v for n, v in start.items()}
    make.write_llama(folder / "llama", base.config.to_dict(), start, layout)
    make.write_llama(folder / "delta", vicuna.config.to_dict(), delta, layout)
    return whole, delta


@pytest.mark.parametrize("layout", LAYOUTS)
def test_base_plus_delta_with_the_added_word(sources, make, tmp_path, layout):
    whole, delta = base_and_delta(make, tmp_path, layout)
    pair = sources(vicuna=None, llama=tmp_path / "llama", vicuna_delta=tmp_path / "delta")
    report = run(pair, tmp_path / "out", max_shard_size=20_000)
    assert "model.layers.0.self_attn.rotary_emb.inv_freq" in report.skipped
    assert (tmp_path / "out/language_model/model.safetensors.index.json").is_file()
    written = language_model(tmp_path / "out").state_dict()
    assert set(written) == set(whole)
    for name, value in whole.items():
        torch.testing.assert_close(written[name], value, rtol=1e-6, atol=1e-6)
    assert torch.equal(written["lm_head.weight"][64], delta["lm_head.weight"][64])
    tokenizer = tmp_path / "out" / "language_model" / "tokenizer.model"
    assert tokenizer.read_bytes() == b"words of delta"


def test_the_sum_is_rounded_once(sources, make, files, tmp_path):
    base, delta = make.llama_state(make.llama()), make.llama_state(make.llama())
    delta["model.norm.weight"].zero_()
    config = files.model.config.to_dict()
    halves = [{n: v.half() for n, v in state.items()} for state in (base, delta)]
    make.write_llama(tmp_path / "llama", config, halves[0])
    make.write_llama(tmp_path / "delta", config, halves[1])
    pair = sources(vicuna=None, llama=tmp_path / "llama", vicuna_delta=tmp_path / "delta")
    run(pair, tmp_path / "out", dtype="bfloat16")
    written = load_file(tmp_path / "out" / "language_model" / "model.safetensors")
    for name, value in written.items():
        exact = halves[0][name].double() + halves[1][name].double()
        assert torch.equal(value, exact.float().bfloat16())
    config = json.loads((tmp_path / "out/language_model/config.json").read_text())
    assert config["torch_dtype"] == "bfloat16"


def test_delta_and_whole_model_are_told_apart(sources, make, files, tmp_path):
    base_and_delta(make, tmp_path)
    with pytest.raises(CheckpointError, match="looks like a delta"):
        run(sources(vicuna=tmp_path / "delta"), tmp_path / "out")
    pair = sources(vicuna=None, llama=tmp_path / "llama", vicuna_delta=files.vicuna)
    with pytest.raises(CheckpointError, match="looks like a whole model"):
        run(pair, tmp_path / "out")


def test_the_language_model_is_named_and_a_later_delta_warned_of(sources, make, tmp_path):
    """A delta that adds no word, as from Vicuna v1.1 on; everything else about it fits."""
    base_and_delta(make, tmp_path)
    fitting = sources(vicuna=None, llama=tmp_path / "llama", vicuna_delta=tmp_path / "delta")
    summary = run(fitting, tmp_path / "out").summary()
    assert "language model: Vicuna v0" in summary
    assert "warning" not in summary
    later = make.llama(64)
    delta = {name: 0.01 * value for name, value in make.llama_state(later).items()}
    make.write_llama(tmp_path / "later", later.config.to_dict(), delta)
    pair = sources(vicuna=None, llama=tmp_path / "llama", vicuna_delta=tmp_path / "later")
    assert "warning: this does not look like Vicuna v0" in run(pair, tmp_path / "out2").summary()


def test_base_and_delta_must_belong_together(sources, make, tmp_path):
    base_and_delta(make, tmp_path)
    state = load_file(tmp_path / "llama" / "model.safetensors")
    del state["model.layers.1.mlp.up_proj.weight"]
    state["model.norm.weight"] = torch.ones(47)
    config = json.loads((tmp_path / "llama" / "config.json").read_text())
    make.write_llama(tmp_path / "other", config, state)
    pair = sources(vicuna=None, llama=tmp_path / "other", vicuna_delta=tmp_path / "delta")
    with pytest.raises(CheckpointError) as caught:
        run(pair, tmp_path / "out")
    assert "missing (model.layers.1.mlp.up_proj.weight)" in str(caught.value)
    assert "model.norm.weight needs (48,), has (47,)" in str(caught.value)


def test_tied_embeddings_and_grouped_keys(sources, make, tmp_path):
    model = make.llama(num_key_value_heads=2, tie_word_embeddings=True)
    state = make.llama_state(model)
    make.write_llama(tmp_path / "tied", model.config.to_dict(), state)
    only = sources(vicuna=tmp_path / "tied")
    with pytest.raises(CheckpointError, match=r"lora_B\.default\.weight needs \(24, 32\)"):
        run(only, tmp_path / "out")
    projection = {n: v for n, v in make.pandagpt_state().items() if n.startswith("llama_proj")}
    torch.save(make.anomalygpt_state() | projection, tmp_path / "joint.pt")
    only = sources(vicuna=tmp_path / "tied", pandagpt=None, anomalygpt=tmp_path / "joint.pt")
    report = run(only, tmp_path / "out")
    assert report.skipped["lm_head.weight"] == "tied to the input embedding"
    torch.testing.assert_close(logits(language_model(tmp_path / "out")), logits(model))


def test_newer_projection_and_lora_in_the_anomalygpt_file_win(sources, make, tmp_path):
    newer = {
        f"module.{n}": v for n, v in {**make.anomalygpt_state(), **make.pandagpt_state()}.items()
    }
    torch.save(newer, tmp_path / "newer.pt")
    report = run(sources(anomalygpt=tmp_path / "newer.pt"), tmp_path / "out")
    assert any("18 tensors" in note and "newer.pt" in note for note in report.notes)
    projection = load_file(tmp_path / "out" / "projection.safetensors")
    assert torch.equal(projection["bias"], newer["module.llama_proj.bias"])


def test_eyes_and_decoder_alone(sources, files, make, tmp_path):
    torch.save(make.anomalygpt_state() | make.pandagpt_state(), tmp_path / "joint.pt")
    report = run(
        sources(vicuna=None, pandagpt=None, anomalygpt=tmp_path / "joint.pt"), tmp_path / "out"
    )
    assert report.skipped["llama_proj.bias"] == "no language model was given to use it"
    config = AnomalyGPTConfig.load(tmp_path / "out")
    assert config.language_model is None
    assert config.prompt_learner.width == 48
    assert not (tmp_path / "out" / "language_model").exists()


def test_eyes_alone_compare_with_references_only(sources, tmp_path):
    run(sources(vicuna=None, pandagpt=None, anomalygpt=None), tmp_path / "out")
    config = AnomalyGPTConfig.load(tmp_path / "out")
    assert config.decoder.text_width is None
    assert config.prompt_learner is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imagebind": None}, "give --imagebind"),
        ({"vicuna": None}, "--pandagpt continues a language model"),
        ({"llama": "x"}, "either --vicuna, or --llama"),
        ({"vicuna": None, "llama": "x"}, "--vicuna-delta is missing"),
        ({"vicuna": None, "vicuna_delta": "x"}, "--llama is missing"),
    ],
)
def test_sources_that_make_no_assistant(sources, changes, message):
    with pytest.raises(ConfigError, match=message):
        sources(**changes)


def test_nothing_at_all():
    with pytest.raises(ConfigError, match="give --imagebind"):
        ConversionSources()


def test_a_language_model_needs_the_projection(sources, tmp_path):
    with pytest.raises(ConfigError, match="llama_proj"):
        run(sources(pandagpt=None), tmp_path / "out")


@pytest.mark.parametrize("part", ["imagebind", "anomalygpt", "pandagpt"])
def test_missing_unknown_and_misshaped_tensors(sources, files, tmp_path, part):
    names = {
        "imagebind": "modality_trunks.vision.blocks.2.norm_1.weight",
        "anomalygpt": "image_decoder.fc.1.bias",
        "pandagpt": "llama_proj.bias",
    }
    path, name = getattr(files, part), names[part]
    state = torch.load(path, weights_only=True)
    for change, message in (
        ({name: None}, r"1 missing \("),
        ({name: torch.ones(5)}, r"1 misshaped \(.* needs \(\d+,\), has \(5,\)"),
        ({"other.weight": torch.ones(5)}, r"1 unknown \(other\.weight\)"),
    ):
        changed = {n: v for n, v in (state | change).items() if v is not None}
        torch.save(changed, path)
        with pytest.raises(CheckpointError, match=message):
            run(sources(), tmp_path / "out")
        assert not (tmp_path / "out").exists()
    report = run(sources(), tmp_path / "out", allow_unknown=True)
    assert report.unexpected == ["other.weight"]
    assert "other.weight" in report.summary()


def test_an_incomplete_lora_is_an_error(sources, files, tmp_path):
    name = "llama_model.base_model.model.model.layers.1.self_attn.k_proj.lora_B.default.weight"
    del files.lora[name]
    torch.save(files.lora, files.pandagpt)
    with pytest.raises(CheckpointError, match=r"layers\.1\.self_attn\.k_proj\.lora_B"):
        run(sources(), tmp_path / "out")


def test_parts_must_fit_each_other(sources, files, make, tmp_path):
    state = make.anomalygpt_state()
    wide = dict(state)
    wide["prompt_learner.meta_net.15.weight"] = torch.rand(50, 7, 5, 5)
    wide["prompt_learner.meta_net.15.bias"] = torch.rand(50)
    wide["prompt_learner.base_prompts"] = torch.rand(9, 50)
    torch.save(wide, tmp_path / "wide.pt")
    with pytest.raises(CheckpointError, match=r"writes 50 channels, but .* is 48 wide"):
        run(sources(anomalygpt=tmp_path / "wide.pt"), tmp_path / "out")
    for n in range(4):
        state[f"image_decoder.fc.{n}.weight"] = torch.rand(12, 17)
    torch.save(state, tmp_path / "stages.pt")
    with pytest.raises(CheckpointError, match=r"\(17, 17, 17, 17\) channels and text of 12"):
        run(sources(anomalygpt=tmp_path / "stages.pt"), tmp_path / "out")


def test_folders_that_are_no_llama(sources, files, make, tmp_path):
    meta = tmp_path / "meta"
    meta.mkdir()
    (meta / "params.json").write_text("{}")
    (meta / "consolidated.00.pth").write_bytes(b"x")
    config = files.model.config.to_dict()
    gpt = make.write_llama(tmp_path / "gpt", {**config, "model_type": "gpt2"}, {"a": torch.ones(1)})
    empty = make.write_llama(tmp_path / "empty", config, {"a": torch.ones(1)})
    (empty / "model.safetensors").unlink()
    silent = make.write_llama(
        tmp_path / "silent", config, make.llama_state(files.model), tokenizer=False
    )
    for folder, message in (
        (meta, "convert_llama_weights_to_hf"),
        (gpt, "'gpt2' model, expected 'llama'"),
        (empty, "has no weights"),
        (silent, "has no tokenizer"),
    ):
        with pytest.raises(CheckpointError, match=message):
            run(sources(vicuna=folder), tmp_path / "out")
    (empty / "config.json").unlink()
    with pytest.raises(SourceError, match=r"config\.json is missing"):
        run(sources(vicuna=empty), tmp_path / "out")


def test_values_beyond_float16_are_not_written_as_infinite(sources, files, make, tmp_path):
    state = make.imagebind_state()
    state["modality_heads.vision.0.bias"][0] = 1e6
    torch.save(state, files.imagebind)
    with pytest.raises(CheckpointError, match="choose bfloat16 or float32"):
        run(sources(), tmp_path / "out", dtype="float16")
    assert not [file for file in tmp_path.iterdir() if "out" in file.name]
    run(sources(), tmp_path / "out", dtype="bfloat16")


def test_the_output_is_never_overwritten_and_never_half(sources, tmp_path, monkeypatch):
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "mine.txt").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        run(sources(), tmp_path / "taken")
    before = sorted(tmp_path.iterdir())

    def stop(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "save_file", stop)
    with pytest.raises(KeyboardInterrupt):
        run(sources(), tmp_path / "out")
    assert sorted(tmp_path.iterdir()) == before


def test_sharded_encoder_and_settings(sources, tmp_path):
    run(sources(), tmp_path / "out", max_shard_size=30_000)
    assert (tmp_path / "out" / "encoder.safetensors.index.json").is_file()
    assert (tmp_path / "out/language_model/adapter/adapter_model.safetensors").is_file()
    weights = open_weights(tmp_path / "out" / "encoder.safetensors")
    assert weights.shapes["modality_postprocessors.text.1.log_logit_scale"] == ()
    with pytest.raises(ConfigError, match="dtype is one of"):
        run(sources(), tmp_path / "new", dtype="int4")
    with pytest.raises(ConfigError, match="max_shard_size must be positive"):
        run(sources(), tmp_path / "new", max_shard_size=0)
