"""A tiny random LLaMA, and GGUF files as llama.cpp writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
MERGES = (("Y", "e"), ("N", "o"))
CHAT = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% endif %}"
)
WIDTH, HEADS, KEY_HEADS, LAYERS, CONTEXT = 64, 4, 2, 2, 512
# Blocks of a layer as transformers and llama.cpp call them.
_BLOCKS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def words() -> list[str]:
    """Special words, one for each byte as GPT-2 spells it, and two of two letters."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    spelled = {byte: chr(byte) for byte in shown}
    spelled |= {byte: chr(256 + number) for number, byte in enumerate(hidden)}
    return [*SPECIAL, *(spelled[byte] for byte in range(256)), *(a + b for a, b in MERGES)]


def tiny_model(seed: int = 0) -> LlamaForCausalLM:
    """Two layers, with fewer heads for keys than for queries, and one matrix for words in and
    out."""
    config = LlamaConfig(
        vocab_size=len(words()),
        hidden_size=WIDTH,
        intermediate_size=96,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=KEY_HEADS,
        max_position_embeddings=CONTEXT,
        tie_word_embeddings=True,
        initializer_range=0.2,
        bos_token_id=1,
        eos_token_id=2,
        pad_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config).eval()


def write_gguf(
    path: Path, model: LlamaForCausalLM, *, architecture: str = "llama", chat: str | None = CHAT
) -> Path:
    """Write a model in float32 with its tokenizer.

    Args:
        path: of the file.
        model: from `tiny_model`.
        architecture: what the file says it holds.
        chat: its chat template; None leaves it out.
    """
    import gguf

    writer = gguf.GGUFWriter(path, architecture)
    config: Any = model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(words())
    kinds = (gguf.TokenType.CONTROL, gguf.TokenType.NORMAL)
    writer.add_token_types([kinds[number >= len(SPECIAL)] for number in range(len(words()))])
    writer.add_token_merges([" ".join(pair) for pair in MERGES])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    if chat is not None:
        writer.add_chat_template(chat)
    for name, tensor in _tensors(model).items():
        writer.add_tensor(name, tensor)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _tensors(model: LlamaForCausalLM) -> dict[str, np.ndarray]:
    state = {name: value.detach().numpy() for name, value in model.state_dict().items()}
    tensors = {
        "token_embd.weight": state["model.embed_tokens.weight"],
        "output_norm.weight": state["model.norm.weight"],
    }
    for layer in range(LAYERS):
        for ours, theirs in _BLOCKS.items():
            value = state[f"model.layers.{layer}.{ours}.weight"]
            heads = {"attn_q": HEADS, "attn_k": KEY_HEADS}.get(theirs)
            tensors[f"blk.{layer}.{theirs}.weight"] = (
                value if heads is None else _interleaved(value, heads)
            )
    return tensors


def _interleaved(value: np.ndarray, heads: int) -> np.ndarray:
    """Rows of queries and keys in the order that llama.cpp turns them in."""
    rows = value.reshape(heads, 2, value.shape[0] // heads // 2, *value.shape[1:])
    return np.ascontiguousarray(rows.swapaxes(1, 2).reshape(value.shape))
