from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ovseg.config import SegmentConfig
from ovseg.errors import ConfigError
from ovseg.matching.region_pooling import region_pooling

SCORES = torch.tensor([[0.0, 0.8, 0.2], [0.0, 0.6, 0.4], [0.0, 0.1, 0.9], [0.5, 0.5, 0.0]])
REGIONS = torch.tensor([0, 0, 0, 2])


def test_cells_are_mixed_with_the_mean_of_their_region() -> None:
    # Region 0 says (0, 0.5, 0.5); region 1 has no patch; region 2 is one patch, which cannot outvote itself.
    mixed = region_pooling(SCORES, REGIONS, 0.5)
    expected = [[0.0, 0.65, 0.35], [0.0, 0.55, 0.45], [0.0, 0.3, 0.7], [0.5, 0.5, 0.0]]
    assert torch.allclose(mixed, torch.tensor(expected))


def test_a_region_can_change_a_cells_class_to_the_background_too() -> None:
    scores = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    reduction = torch.zeros(3, dtype=torch.int64)
    assert region_pooling(scores, reduction, 0.0).argmax(dim=1).tolist() == [0, 0, 1]
    # 0.4 + w * (2.2 / 3 - 0.4) passes 1/2 at w = 0.3.
    assert region_pooling(scores, reduction, 0.29).argmax(dim=1).tolist() == [0, 0, 1]
    assert region_pooling(scores, reduction, 0.31).argmax(dim=1).tolist() == [0, 0, 0]


def test_without_weight_the_scores_stand() -> None:
    assert region_pooling(SCORES, REGIONS, 0) is SCORES
    empty = torch.zeros(0, 3)
    assert region_pooling(empty, torch.zeros(0, dtype=torch.int64), 0.5).shape == (0, 3)


def test_with_all_the_weight_a_region_speaks_with_one_voice() -> None:
    mixed = region_pooling(SCORES, REGIONS, 1.0)
    assert torch.allclose(mixed[:3], torch.tensor([0.0, 0.5, 0.5]))
    assert torch.equal(mixed[3], SCORES[3])


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    weight=st.floats(0, 1, width=32),
    seed=st.integers(0, 99),
)
def test_rows_and_the_sums_of_regions_stay(labels: list[int], weight: float, seed: int) -> None:
    drawn = torch.rand(len(labels), 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scores = torch.softmax(8 * drawn, dim=1)
    before, regions = scores.clone(), torch.tensor(labels)
    mixed = region_pooling(scores, regions, weight)
    assert torch.equal(scores, before)
    assert mixed.dtype == scores.dtype
    assert torch.allclose(mixed.sum(dim=1), torch.ones(len(labels), dtype=torch.float64))
    for region in set(labels):
        here = regions == region
        assert torch.allclose(mixed[here].sum(dim=0), scores[here].sum(dim=0))
        # Patches of a region draw near to each other, by the weight.
        apart = scores[here] - scores[here].mean(dim=0)
        assert torch.allclose(mixed[here] - mixed[here].mean(dim=0), (1 - weight) * apart, atol=1e-12)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="a region for each of 4 cells"):
        region_pooling(SCORES, REGIONS[:3], 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        region_pooling(SCORES, REGIONS, 1.5)
    with pytest.raises(ConfigError, match="region_pooling"):
        SegmentConfig(region_pooling=-0.1)
    with pytest.raises(ConfigError, match="regions"):
        SegmentConfig(regions=-1)
