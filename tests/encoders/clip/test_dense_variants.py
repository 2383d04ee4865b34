"""Every dense variant against its published formula, on the real architectures with random weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import reference_variants as reference
import torch
import torch.nn.functional as F
from clip_models import TINY, relative_error, seeded_tower, tiny_model

from ovseg.encoders.clip.tower import tower_of
from ovseg.encoders.clip.variants import DENSE_VARIANTS, dense_variant
from ovseg.encoders.clip.variants import base as variants_base
from ovseg.encoders.clip.variants.corrclip import image_segments
from ovseg.errors import UnknownName

LIMIT = 1e-4
ALONE = ("none", "value", "sclip", "clearclip", "naclip")


@dataclass
class Case:
    """A tower, two images, and what the reference makes of them up to the last block."""

    visual: Any
    batch: torch.Tensor
    before: list[reference.Before]


def case(architecture: str, patch: int) -> Case:
    visual, batch = seeded_tower(architecture), images(patch)
    with torch.inference_mode():
        return Case(visual, batch, [reference.before_last(visual, image) for image in batch])


@pytest.fixture(scope="module")
def base16():
    return case("ViT-B-16", 16)


@pytest.fixture(scope="module")
def large14():
    return case("ViT-L-14", 14)


def images(patch: int, seed: int = 1) -> torch.Tensor:
    """Two normalized images that are not square: 6 by 9 patches."""
    return torch.randn(2, 3, 6 * patch, 9 * patch, generator=torch.Generator().manual_seed(seed))


def guide(keys, grid=(11, 17), width=40) -> dict:
    """Features of two images with parts: each patch has its part's direction and some noise."""
    generator = torch.Generator().manual_seed(2)
    parts = torch.randn(4, width, generator=generator)
    where = torch.arange(grid[1]) * 4 // grid[1]
    found = {}
    for key in keys:
        noise = torch.randn(2, *grid, width, generator=generator)
        found[key] = parts[where] + 0.3 * noise
    return found


def ours(visual, name: str, batch: torch.Tensor, features: dict | None = None) -> torch.Tensor:
    tower = tower_of(visual, (0, 0, 0), (1, 1, 1))  # the images are normalized already
    with torch.inference_mode():
        return dense_variant(name).encode(tower, batch, features or {})


def check(given: Case, name: str) -> None:
    expected = torch.stack([getattr(reference, name)(given.visual, before) for before in given.before])
    assert relative_error(ours(given.visual, name, given.batch), expected) <= LIMIT


def check_proxy(given: Case) -> None:
    features = guide([(-1, "token")])
    pairs = zip(given.before, features[(-1, "token")], strict=True)
    expected = torch.stack([reference.proxyclip(given.visual, *pair) for pair in pairs])
    assert relative_error(ours(given.visual, "proxyclip", given.batch, features), expected) <= LIMIT


def check_correlation(given: Case) -> None:
    features = guide([(-1, "query"), (-1, "key"), (-1, "value")])
    segments = image_segments(features[(-1, "value")])
    assert 2 <= len(segments[0].unique()) <= 16
    added = features[(-1, "query")] + features[(-1, "key")]
    parts = zip(given.batch, added, segments, strict=True)
    expected = torch.stack([reference.corrclip(given.visual, *part) for part in parts])
    assert relative_error(ours(given.visual, "corrclip", given.batch, features), expected) <= LIMIT


@pytest.mark.parametrize("name", ALONE)
@torch.inference_mode()
def test_vit_b_16_gives_what_the_formula_says(base16, name):
    check(base16, name)


@torch.inference_mode()
def test_vit_b_16_with_proxy_attention(base16):
    check_proxy(base16)


@torch.inference_mode()
def test_vit_b_16_with_correlation_in_segments(base16):
    check_correlation(base16)


@pytest.mark.parametrize("layers", [3, 24])
@torch.inference_mode()
def test_correlation_takes_as_many_lower_blocks_as_the_tower_is_deep(layers):
    vision = TINY["vision_cfg"] | {"layers": layers}
    check_correlation(Case(tiny_model(TINY | {"vision_cfg": vision}).visual, images(8), []))


@pytest.mark.slow
@pytest.mark.parametrize("name", ALONE)
@torch.inference_mode()
def test_vit_l_14_gives_what_the_formula_says(large14, name):
    check(large14, name)


@pytest.mark.slow
@torch.inference_mode()
def test_vit_l_14_with_proxy_attention(large14):
    check_proxy(large14)


@pytest.mark.slow
@torch.inference_mode()
def test_vit_l_14_with_correlation_in_segments(large14):
    check_correlation(large14)


def test_the_variants_differ_from_each_other():
    visual = tiny_model().visual
    batch = images(8)
    found = [ours(visual, name, batch) for name in ALONE]
    for i, one in enumerate(found):
        for other in found[i + 1 :]:
            assert relative_error(one, other) > 0.01


@torch.inference_mode()
def test_without_a_variant_the_tokens_are_open_clips_own():
    visual = tiny_model().visual
    batch = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    visual.output_tokens = True
    _, tokens = visual(batch)
    expected = (tokens @ visual.proj).reshape(2, 4, 4, -1)
    assert relative_error(ours(visual, "none", batch), expected) <= 1e-5


@torch.inference_mode()
def test_many_rows_are_taken_in_turns(monkeypatch):
    visual, batch, features = tiny_model().visual, images(8), guide([(-1, "token")])
    once = {name: ours(visual, name, batch, features) for name in (*ALONE, "proxyclip")}
    monkeypatch.setattr(variants_base, "ROWS", 1000)
    for name, expected in once.items():
        torch.testing.assert_close(ours(visual, name, batch, features), expected, atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_proxy_attention_of_one_image_does_not_depend_on_the_other():
    visual, batch, features = tiny_model().visual, images(8), guide([(-1, "token")])
    both = ours(visual, "proxyclip", batch, features)
    alone = {key: value[1:] for key, value in features.items()}
    torch.testing.assert_close(ours(visual, "proxyclip", batch[1:], alone), both[1:], atol=1e-5, rtol=1e-5)


@torch.inference_mode()
def test_proxy_attention_of_an_image_of_one_colour_is_the_mean_of_its_values():
    visual, batch = tiny_model().visual, images(8)
    flat = {(-1, "token"): torch.ones(2, 6, 9, 5)}
    found = ours(visual, "proxyclip", batch, flat)
    assert torch.isfinite(found).all()
    torch.testing.assert_close(found, found.mean((1, 2), keepdim=True).expand_as(found), atol=1e-5, rtol=1e-4)


def test_segments_follow_the_parts_of_the_guide():
    segments = image_segments(guide([(-1, "value")])[(-1, "value")])
    where = torch.arange(17) * 4 // 17
    for part in range(4):
        inside = segments[0][:, where == part]
        assert (inside == inside.mode().values.mode().values).float().mean() > 0.9


def test_a_variant_is_found_by_its_name():
    assert set(DENSE_VARIANTS.names()) == {*ALONE, "proxyclip", "corrclip"}
    with pytest.raises(UnknownName, match="clearclip"):
        dense_variant("clear-clip")
    for _, variant in DENSE_VARIANTS:
        assert variant.paper


def test_values_are_resampled_bilinearly():
    patches = torch.arange(6.0).reshape(1, 1, 2, 3)
    expected = F.interpolate(patches, size=(4, 5), mode="bilinear")[0, 0].reshape(-1, 1)
    torch.testing.assert_close(reference.on_grid(patches[0, 0].reshape(-1, 1), (2, 3), (4, 5)), expected)
