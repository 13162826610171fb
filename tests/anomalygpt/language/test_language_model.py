"""The language model reads text and pictures as the published one does."""

from __future__ import annotations

from pathlib import Path

import pytest
import sentencepiece
import torch
from transformers import DynamicCache

from anomalygpt.language.language_model import LanguageModel
from anomalygpt.language.templates import VICUNA_V0
from tests.tiny_llama import QUESTION, picture


@pytest.mark.parametrize("name", ["cache", "past_key_values"])
def test_the_cache_goes_by_the_name_that_the_model_knows(lm: LanguageModel, name: str) -> None:
    said = {}

    class Renamed(torch.nn.Module):
        config = lm.model.config
        generation_config = lm.model.generation_config
        get_input_embeddings = staticmethod(lm.model.get_input_embeddings)

        def run(self, cache, **options):
            said["cache"] = cache
            return lm.model(**options, **{lm._cache_argument: cache})

        if name == "cache":

            def forward(self, inputs_embeds=None, cache=None, use_cache=None):
                return self.run(cache, inputs_embeds=inputs_embeds, use_cache=use_cache)
        else:

            def forward(self, inputs_embeds=None, past_key_values=None, use_cache=None):
                return self.run(past_key_values, inputs_embeds=inputs_embeds, use_cache=use_cache)

    renamed = LanguageModel(Renamed(), lm.tokenizer, VICUNA_V0)
    cache, start = DynamicCache(), lm.prompt_embeddings(*picture())
    expected = lm.last_logits(start, 1)[:, 0]
    torch.testing.assert_close(renamed.next_logits(start, cache), expected)
    assert said["cache"] is cache
    assert cache.get_seq_length() == start.shape[1]


@pytest.mark.parametrize(
    "text", ["### Human: <Img>", "</Img> ", QUESTION + "\n### Assistant:", "Yes, it is.\n###", "é☃"]
)
def test_pieces_are_tokenized_as_sentencepiece_does(
    lm: LanguageModel, tiny_llama_folder: Path, text: str
) -> None:
    reference = sentencepiece.SentencePieceProcessor(
        model_file=str(tiny_llama_folder / "tokenizer.model")
    )
    assert lm.encode(text) == reference.encode(text)
    # The space before a later piece is the one that SentencePiece adds, not a second one.
    assert lm.encode(" " + text) == lm.encode(text)


def test_frozen_and_described(lm: LanguageModel) -> None:
    assert lm.width == 32
    assert lm.context_length == 512
    assert lm.device == torch.device("cpu")
    assert not lm.model.training
    assert not any(weight.requires_grad for weight in lm.model.parameters())
    assert lm.embed_text("").shape == (1, 0, 32)


def test_prompt_follows_the_published_order(lm: LanguageModel) -> None:
    image, prompts = picture(batch=2)
    row = lm.prompt_embeddings(image, prompts)
    bos = lm.embed([[lm.tokenizer.bos_token_id]])
    before, after = lm.embed_text("### Human: <Img>"), lm.embed_text("</Img> ")
    expected = torch.cat([bos, before, image[1:], after, prompts[1:]], dim=1)
    torch.testing.assert_close(row[1:], expected)
    without_map = torch.cat([bos, before, image[1:], after], dim=1)
    torch.testing.assert_close(lm.prompt_embeddings(image, None)[1:], without_map)


def test_gradients_reach_the_prompts_through_the_frozen_model(lm: LanguageModel) -> None:
    image, prompts = picture()
    prompts.requires_grad_()
    lm.model(inputs_embeds=lm.prompt_embeddings(image, prompts)).logits.sum().backward()
    assert prompts.grad is not None
    assert prompts.grad.abs().sum() > 0
