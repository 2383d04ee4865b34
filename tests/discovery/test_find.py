from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scenes import saliency_of, scene

from ovseg.discovery import DiscoveryConfig, discover, discover_image, foreground_evidence
from ovseg.discovery.affinity import build_affinity
from ovseg.discovery.maskcut import maskcut
from ovseg.errors import ConfigError

ALL = DiscoveryConfig(min_score=0.0)
BOX = (6, 5, 14, 15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("with_map", [False, True])
def test_one_object_is_found_where_it_is(dtype: torch.dtype, with_map: bool) -> None:
    features = scene((20, 24), [BOX]).to(dtype)
    saliency = saliency_of((20, 24), [BOX]) if with_map else None
    best = discover(features, saliency=saliency)[0]
    assert best.mask.shape == (80, 96)
    expected = np.array(BOX) * 4
    assert np.abs(np.array(best.box) - expected).max() <= 3
    assert best.score > 0.5


def test_three_objects_come_apart() -> None:
    boxes = [(1, 1, 6, 6), (9, 2, 15, 8), (3, 11, 12, 17)]
    regions = discover(scene((20, 18), boxes), saliency=saliency_of((20, 18), boxes), config=ALL)
    for box in boxes:
        near = [np.abs(np.array(region.box) - np.array(box) * 4).max() <= 4 for region in regions]
        assert any(near)
    scores = [region.score for region in regions]
    assert scores == sorted(scores, reverse=True)


def test_no_two_regions_overlap_by_more_than_allowed() -> None:
    boxes = [(1, 1, 6, 6), (5, 5, 12, 12)]
    found = discover(scene((16, 16), boxes, noise=1.5), saliency=saliency_of((16, 16), boxes), config=ALL)
    for i, one in enumerate(found):
        for other in found[:i]:
            assert (one.mask & other.mask).sum() <= ALL.overlap * (one.mask | other.mask).sum()


def test_an_object_that_fills_the_frame_needs_the_saliency() -> None:
    box = (1, 1, 15, 15)
    features = scene((16, 16), [box])
    best = discover(features, saliency=saliency_of((16, 16), [box]), config=ALL)[0]
    assert best.mask[32, 32]
    assert not best.mask[0, 0]


def test_same_input_gives_same_regions() -> None:
    features = scene((14, 14), [(3, 3, 9, 9)], noise=1.0)
    one, other = (discover(features, config=ALL) for _ in range(2))
    assert [r.score for r in one] == [r.score for r in other]
    assert all(np.array_equal(a.mask, b.mask) for a, b in zip(one, other, strict=True))


def test_blank_features_hold_nothing() -> None:
    assert discover(torch.ones(12, 12, 8)) == []
    assert discover(torch.zeros(12, 12, 8)) == []
    low = torch.full((96, 96), 0.2)
    assert discover(torch.ones(12, 12, 8), saliency=low) == []


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (9, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("with_map", [False, True])
def test_tiny_grids_have_defined_answers(shape: tuple[int, int], with_map: bool) -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(*shape, 8, generator=generator)
    saliency = torch.rand(shape[0] * 8, shape[1] * 8, generator=generator) if with_map else None
    for region in discover(features, saliency=saliency, config=ALL):
        assert 0 <= region.score <= 1
        assert region.mask.shape == (shape[0] * 4, shape[1] * 4)
    evidence = foreground_evidence(features, saliency=saliency)
    assert evidence.shape == shape
    assert ((evidence >= 0) & (evidence <= 1)).all()


def test_a_graph_in_pieces_is_cut_between_them() -> None:
    labels = torch.zeros(10, 10, dtype=torch.long)
    labels[3:7, 3:7] = 1
    features = torch.eye(2)[labels]
    best = discover(features, config=ALL)[0]
    assert best.box == (12, 12, 28, 28)


@pytest.mark.parametrize(
    ("features", "saliency", "message"),
    [
        (torch.ones(4, 8), None, "shape \\(h, w, D\\)"),
        (torch.ones(4, 0, 8), None, "none of them 0"),
        (torch.full((4, 4, 8), torch.nan), None, "NaN or infinite"),
        (torch.ones(4, 4, 8), torch.ones(1, 4, 4), "saliency of shape"),
        (torch.ones(4, 4, 8), torch.full((4, 4), torch.nan), "saliency holds NaN"),
    ],
)
def test_what_is_no_input_is_refused(
    features: torch.Tensor, saliency: torch.Tensor | None, message: str
) -> None:
    for function in (discover, foreground_evidence):
        with pytest.raises(ValueError, match=message):
            function(features, saliency=saliency)


def test_evidence_is_high_on_the_object() -> None:
    features = scene((20, 24), [BOX])
    for saliency in (None, saliency_of((20, 24), [BOX])):
        evidence = foreground_evidence(features, saliency=saliency)
        inside = np.zeros((20, 24), bool)
        inside[5:15, 6:14] = True
        assert evidence[inside].min() > evidence[~inside].max()


def test_rounds_find_one_object_each_and_never_overlap() -> None:
    boxes = [(1, 1, 6, 6), (9, 2, 15, 8), (3, 11, 12, 17)]
    features = scene((20, 18), boxes, noise=0.2)
    affinity = build_affinity(features.flatten(0, 1)[None], 0.4, 1e-5)
    cuts = maskcut(affinity, (20, 18), DiscoveryConfig(rounds=3))
    union = sum(cut.mask.astype(int) for cut in cuts)
    assert len(cuts) >= 2
    assert np.max(union) == 1
    for cut in cuts:
        assert cut.vector[cut.foreground].mean() > cut.vector[~cut.foreground].mean()


def test_small_regions_are_left_out() -> None:
    box = (5, 5, 6, 6)
    features = scene((20, 20), [box], noise=0.1)
    found = discover_image(features, config=replace(ALL, min_area=0.01))
    assert all(region.area > 0.01 * region.mask.size for region in found.regions)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tau": 2.0}, "tau must be between"),
        ({"facet": "keys"}, "facet must be one of token"),
        ({"levels": (0.9, 0.3, 5)}, "levels must be"),
        ({"max_regions": 0}, "max_regions must be"),
        ({"density": 1.0}, "density must be between"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(DiscoveryConfig(), **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("family", "facet", "layer", "tau", "density"),
    [
        ("dinov2", "value", -1, 0.4, None),
        ("dino", "key", -1, 0.2, None),
        ("dinov3", "token", -1, 0.4, 0.5),
        ("clip", "key", -2, 0.4, 0.5),
        ("diffusion", "query", -1, 0.4, 0.5),
        ("other", "token", -1, 0.4, 0.5),
    ],
)
def test_settings_follow_the_encoder(
    family: str, facet: str, layer: int, tau: float, density: float | None
) -> None:
    config = DiscoveryConfig.for_encoder(family)
    assert (config.facet, config.layer, config.tau, config.density) == (facet, layer, tau, density)
