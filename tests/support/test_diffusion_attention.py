"""Attribution maps: known ones, against a plain recomputation, and without touching the picture."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from ovseg.support.diffusion.attention import AttentionRecorder, cross_attention, name_tokens
from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.models import find_model
from ovseg.support.diffusion.prompting import Prompt
from ovseg.support.diffusion.sampler import Request, Sampler


def request_of(word: str, seed: int) -> Request:
    text = f"a good photo of a {word}"
    return Request(Prompt(text, "red", len(text) - len(word), len(text)), seed)


@pytest.fixture(scope="module")
def sampler(tiny_folder):
    config = DiffusionConfig(model=str(tiny_folder), steps=3)
    return Sampler(find_model(config), config, torch.device("cpu"))


def test_attention_to_a_key_by_hand():
    # One head, two queries, two keys: the first query's logits are ln 3 and 0, the second's 0 and 0.
    query = torch.tensor([[[[math.log(3.0)], [0.0]]]])
    key = torch.tensor([[[[1.0], [0.0]]]])
    found = cross_attention(query, key, torch.tensor([[1.0, 0.0]]))
    assert torch.allclose(found, torch.tensor([[0.75, 0.5]]))


def test_heads_are_summed_and_tokens_weighted():
    query = torch.zeros(1, 3, 2, 4)
    key = torch.zeros(1, 3, 5, 4)
    found = cross_attention(query, key, torch.tensor([[0.5, 0.5, 0.0, 0.0, 0.0]]))
    assert torch.allclose(found, torch.full((1, 2), 3 * 0.2))


def test_a_mask_hides_keys():
    query, key = torch.zeros(1, 1, 1, 1), torch.zeros(1, 1, 4, 1)
    mask = torch.tensor([0.0, 0.0, -torch.inf, -torch.inf]).view(1, 1, 1, 4)
    assert cross_attention(query, key, torch.tensor([[1.0, 0, 0, 0]]), mask).item() == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("text", "word", "pieces"),
    [
        ("a good photo of a cat", "cat", ["cat</w>"]),
        ("a good photo of a Cat, red", "Cat", ["cat</w>"]),
        ("a cat", "a", ["a</w>"]),
        ("a zebra in a barn", "zebra", ["z", "e", "b", "r", "a</w>"]),
        ("a red dog in a barn", "red dog", ["red</w>", "dog</w>"]),
    ],
)
def test_tokens_of_a_name(sampler, text, word, pieces):
    tokenizer = sampler.pipe.tokenizer
    start = text.index(word)
    positions = name_tokens(tokenizer, text, start, start + len(word))
    ids = tokenizer(text).input_ids
    assert tokenizer.convert_ids_to_tokens([ids[i] for i in positions]) == pieces


def test_tokens_of_a_name_that_is_cut_off(sampler):
    tokenizer = sampler.pipe.tokenizer
    # 75 tokens fit between the special ones: the name's two last letters are lost, then all of it.
    for before, left in ((72, 3), (75, 0), (90, 0)):
        text = "a " * before + "zebra"
        assert len(name_tokens(tokenizer, text, 2 * before, len(text))) == left


def test_a_name_in_the_middle_of_a_word_has_no_tokens(sampler):
    assert name_tokens(sampler.pipe.tokenizer, "a catwalk", 2, 5) == ()


def plain_maps(sampler: Sampler, requests: list[Request], tokens: list[tuple[int, ...]]) -> np.ndarray:
    """DAAM in so many words: every layer's attention, head by head and step by step."""
    pipe = sampler.pipe
    calls: list[tuple[object, torch.Tensor, torch.Tensor]] = []

    def see(module, args, kwargs):
        calls.append((module, args[0].clone(), kwargs["encoder_hidden_states"].clone()))

    layers = [m for name, m in pipe.unet.named_modules() if name.endswith("attn2")]
    hooks = [layer.register_forward_pre_hook(see, with_kwargs=True) for layer in layers]
    sampler.sample(requests)
    for hook in hooks:
        hook.remove()
    assert len(calls) == len(layers) * sampler.config.steps

    count, side = len(requests), max(math.isqrt(hidden.shape[1]) for _, hidden, _ in calls)
    total = torch.zeros(count, side, side)
    for layer, hidden, context in calls:
        width = layer.to_q.out_features // layer.heads
        for image in range(count):
            q = layer.to_q(hidden[count + image])
            k = layer.to_k(context[count + image])
            for head in range(layer.heads):
                part = slice(head * width, (head + 1) * width)
                attention = (q[:, part] @ k[:, part].T / math.sqrt(width)).softmax(-1)
                for token in tokens[image]:
                    small = attention[:, token].reshape(1, 1, math.isqrt(len(attention)), -1)
                    large = F.interpolate(small, (side, side), mode="bicubic", align_corners=False)
                    total[image] += large[0, 0] / len(tokens[image])
    flat = total.flatten(1)
    low, high = (op(flat, 1).values[:, None, None] for op in (torch.min, torch.max))
    return ((total - low) / (high - low)).numpy()


@torch.inference_mode()
def test_maps_are_those_of_a_plain_recomputation(sampler):
    requests = [request_of("cat", 1), request_of("zebra", 2)]
    samples = sampler.sample(requests)
    expected = plain_maps(sampler, requests, [(7,), (7, 8, 9, 10, 11)])
    for sample, other in zip(samples, expected, strict=True):
        assert sample.attribution.shape == (8, 8)
        assert sample.attribution.dtype == np.float32
        assert sample.attribution.min() == 0
        assert sample.attribution.max() == 1
        np.testing.assert_allclose(sample.attribution, other, atol=2e-4)


def test_the_picture_is_the_same_with_and_without_attribution(sampler, tiny_folder):
    requests = [request_of("cat", 1), request_of("dog", 2)]
    config = DiffusionConfig(model=str(tiny_folder), steps=3, attribution=False)
    without = Sampler(sampler.record, config, sampler.device).sample(requests)
    for sample, other in zip(sampler.sample(requests), without, strict=True):
        assert other.attribution is None
        assert np.array_equal(sample.pixels, other.pixels)


def test_attention_processors_are_put_back(sampler):
    before = sampler.pipe.unet.attn_processors
    sampler.sample([request_of("cat", 1)])
    assert sampler.pipe.unet.attn_processors == before
    with pytest.raises(RuntimeError, match="stop"), AttentionRecorder(sampler.pipe.unet, [(1,)]):
        raise RuntimeError("stop")
    assert sampler.pipe.unet.attn_processors == before


def test_without_guidance_the_whole_batch_counts(tiny_folder):
    config = DiffusionConfig(model=str(tiny_folder), steps=2, guidance=1.0)
    samples = Sampler(find_model(config), config, torch.device("cpu")).sample(
        [request_of("cat", 1), request_of("cat", 2)]
    )
    assert all(sample.attribution.max() == 1 for sample in samples)


def test_large_layers_are_taken_in_parts(sampler, monkeypatch):
    requests = [request_of("cat", 1), request_of("dog", 2), request_of("red barn", 3)]
    whole = sampler.sample(requests)
    monkeypatch.setattr("ovseg.support.diffusion.attention._LARGEST", 1)
    for sample, other in zip(sampler.sample(requests), whole, strict=True):
        np.testing.assert_allclose(sample.attribution, other.attribution, atol=1e-5)


def test_networks_of_another_kind_have_no_attribution():
    assert not AttentionRecorder.fits(torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="no cross-attention"):
        AttentionRecorder(None, [(1,)]).maps()
