from __future__ import annotations

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.discovery.cosegment import attention, cosegment


def by_the_paper(features: list[torch.Tensor], weights: list[torch.Tensor]) -> tuple[list[int], torch.Tensor]:
    """ReCo with the whole matrix of affinities at hand, image by image."""
    stack = F.normalize(torch.cat(features), dim=1)
    affinity = (stack @ stack.T) * torch.cat(weights)
    starts = [0]
    for values in features:
        starts.append(starts[-1] + len(values))
    best = [affinity[:, a:b].max(dim=1).values for a, b in itertools.pairwise(starts)]
    score = torch.stack(best).mean(dim=0)
    seeds = [int(score[a:b].argmax()) for a, b in itertools.pairwise(starts)]
    rows = torch.stack([stack[a + seed] for a, seed in zip(starts, seeds, strict=False)])
    return seeds, F.normalize(rows.mean(dim=0), dim=0)


@settings(max_examples=30)
@given(seed=st.integers(0, 10_000), sizes=st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_pairs_of_images_give_what_the_whole_matrix_gives(seed: int, sizes: list[int]) -> None:
    draw = torch.Generator().manual_seed(seed)
    features = [torch.randn(size, 5, generator=draw) for size in sizes]
    weights = [torch.rand(size, generator=draw) for size in sizes]
    found = cosegment(features, weights)
    seeds, reference = by_the_paper(features, weights)
    assert list(found.seeds) == seeds
    assert torch.allclose(found.reference, reference, atol=1e-5)
    for values, near in zip(features, found.similarity, strict=True):
        assert torch.allclose(near, F.normalize(values, dim=1) @ reference, atol=1e-5)


def test_seeds_lie_on_what_the_images_share() -> None:
    shared, one, two = torch.eye(3)
    found = cosegment(
        [torch.stack([one, shared]), torch.stack([shared, two, two])], [torch.ones(2), torch.ones(3)]
    )
    assert found.seeds == (1, 0)
    assert torch.allclose(found.reference, shared)


def test_weights_keep_seeds_off_what_the_text_does_not_mean() -> None:
    sky, horse = torch.eye(2)
    images = [torch.stack([sky, horse, sky])] * 2
    weights = [torch.tensor([0.1, 0.9, 0.1])] * 2
    assert cosegment(images, weights).seeds == (1, 1)


def test_an_image_without_the_class_disagrees() -> None:
    draw = torch.Generator().manual_seed(0)
    horse = torch.zeros(64)
    horse[0] = 12
    images = [torch.randn(30, 64, generator=draw) for _ in range(5)]
    for image in images[:4]:
        image[7] += horse
    weights = [torch.full((30,), 0.1) for _ in images]
    for weight in weights[:4]:
        weight[7] = 1.0
    agreement = cosegment(images, weights).agreement
    assert agreement[:4].min() > 2 * agreement[4]


def test_attention_is_text_less_what_the_context_explains() -> None:
    text = torch.tensor([0.8, 0.8, 0.0])
    context = torch.tensor([[0.5, 0.0, 0.0], [0.5, 1.0, 0.0]])
    assert torch.allclose(attention(text, context), torch.tensor([0.2, 0.0, 0.0]))
    assert torch.equal(attention(text, None), text)


def test_what_does_not_match_is_refused() -> None:
    with pytest.raises(ValueError, match="do not match"):
        cosegment([torch.ones(3, 2)], [torch.ones(2)])
    with pytest.raises(ValueError, match="at least one"):
        cosegment([], [])
