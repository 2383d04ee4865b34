from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ovseg.config import BankMatchingConfig, FusionConfig, RegionPoolingConfig
from ovseg.errors import ConfigError
from ovseg.matching.fusion import fuse_prototypes, pool_regions
from ovseg.matching.prototype_scores import PrototypeScores

SCORES = torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]])


def match(
    similarity: list[list[float]], classes: list[int], background: list[float] | None = None
) -> PrototypeScores:
    values = torch.tensor(similarity)
    shown = None if background is None else torch.tensor(background)
    return PrototypeScores(torch.tensor(classes), values, shown, torch.full((len(values),), -1.0))


def test_without_a_match_the_text_side_stands() -> None:
    config = BankMatchingConfig()
    assert fuse_prototypes(SCORES, None, config, has_background=True) is SCORES
    said = match([[0.9, 0.1]] * 2, [0, 1])
    assert (
        fuse_prototypes(SCORES, said, BankMatchingConfig(prototype_weight=0), has_background=True) is SCORES
    )


def test_likenesses_that_do_not_differ_change_nothing() -> None:
    said = match([[0.4, 0.4], [0.9, 0.9]], [0, 1])
    fused = fuse_prototypes(SCORES, said, BankMatchingConfig(), has_background=True)
    assert torch.allclose(fused, SCORES, atol=1e-6)


def test_the_bank_moves_log_scores_by_its_weight() -> None:
    said = match([[0.1, 0.5], [0.5, 0.1]], [0, 1])
    fused = fuse_prototypes(SCORES, said, BankMatchingConfig(prototype_weight=4), has_background=False)
    assert torch.allclose(torch.log(fused[0, 2] / fused[0, 1]), torch.log(torch.tensor(0.6)) + 4 * 0.4)
    assert float(fused[:, 0].max()) == 0
    assert torch.allclose(fused.sum(dim=1), torch.ones(2))


def test_a_class_without_prototypes_is_left_to_the_text_side() -> None:
    said = match([[0.8], [-0.8]], [0])
    fused = fuse_prototypes(SCORES, said, BankMatchingConfig(), has_background=True)
    assert torch.allclose(fused, SCORES, atol=1e-6)


def test_background_is_what_its_rivals_are_or_what_its_prototypes_say() -> None:
    said = match([[0.2, 0.2]] * 2, [0, 1], background=[0.9, -0.9])
    rivals = fuse_prototypes(SCORES, said, BankMatchingConfig(), has_background=True)
    assert torch.allclose(rivals, SCORES, atol=1e-6)
    own = fuse_prototypes(
        SCORES, said, BankMatchingConfig(background_score="prototypes"), has_background=True
    )
    assert own[0, 0] > 0.9
    assert own[1, 0] < 0.01


def test_a_bank_says_which_class_but_not_whether_there_is_one() -> None:
    # The second class suits the patch far better than the first, which the names prefer.
    said = match([[0.1, 0.9]], [0, 1])
    scores = torch.tensor([[0.4, 0.35, 0.25]])
    fused = fuse_prototypes(
        scores, said, BankMatchingConfig(prototype_weight=8, background_score="max"), has_background=True
    )
    assert torch.allclose(fused[0, 2] / fused[0, 0], scores[0, 2] / scores[0, 0])
    assert torch.allclose(torch.log(fused[0, 2] / fused[0, 1]), torch.log(torch.tensor(0.25 / 0.35)) + 6.4)
    assert int(fused.argmax()) == 0
    both = fuse_prototypes(
        scores,
        said,
        BankMatchingConfig(prototype_weight=8, background_score="top3_mean"),
        has_background=True,
    )
    assert torch.allclose(torch.log(both[0, 2] / both[0, 0]), torch.log(torch.tensor(0.25 / 0.4)) + 3.2)
    assert int(both.argmax()) == 2


def test_a_bank_alone_answers_with_its_own_classes() -> None:
    said = match([[0.2], [0.3]], [1])
    config = BankMatchingConfig(text_with_bank=False)
    alone = fuse_prototypes(SCORES, said, config, has_background=False)
    assert torch.equal(alone, torch.tensor([[0.0, 0.0, 1.0]] * 2))


def test_classes_that_cannot_win_get_no_more_than_the_rest() -> None:
    said = PrototypeScores(torch.tensor([0]), torch.tensor([[0.9]]), None, torch.tensor([0.1]))
    scores = torch.tensor([[0.0, 0.5, 0.5]])
    fused = fuse_prototypes(scores, said, BankMatchingConfig(prototype_weight=8), has_background=False)
    assert torch.allclose(torch.log(fused[0, 1] / fused[0, 2]), torch.tensor(8 * 0.8), atol=1e-4)


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="background_score"):
        BankMatchingConfig(background_score="sky")
    with pytest.raises(ConfigError, match="category_top_p"):
        FusionConfig(category_top_p=0)


POOLED = torch.tensor([[0.0, 0.8, 0.2], [0.0, 0.6, 0.4], [0.0, 0.1, 0.9], [0.5, 0.5, 0.0]])
REGIONS = torch.tensor([0, 0, 0, 2])


def test_patches_are_mixed_with_the_mean_of_their_region() -> None:
    # Region 0 says (0, 0.5, 0.5); region 1 has no patch; region 2 is one patch, which cannot outvote itself.
    mixed = pool_regions(POOLED, REGIONS, 0.5)
    expected = [[0.0, 0.65, 0.35], [0.0, 0.55, 0.45], [0.0, 0.3, 0.7], [0.5, 0.5, 0.0]]
    assert torch.allclose(mixed, torch.tensor(expected))


def test_a_region_can_change_the_class_of_a_patch_to_the_background_too() -> None:
    scores = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6]])
    one_region = torch.zeros(3, dtype=torch.int64)
    assert pool_regions(scores, one_region, 0.0).argmax(dim=1).tolist() == [0, 0, 1]
    # 0.4 + w * (2.2 / 3 - 0.4) passes 1/2 at w = 0.3.
    assert pool_regions(scores, one_region, 0.29).argmax(dim=1).tolist() == [0, 0, 1]
    assert pool_regions(scores, one_region, 0.31).argmax(dim=1).tolist() == [0, 0, 0]


def test_without_weight_the_scores_stand() -> None:
    assert pool_regions(POOLED, REGIONS, 0) is POOLED
    empty = torch.zeros(0, 3)
    assert pool_regions(empty, torch.zeros(0, dtype=torch.int64), 0.5).shape == (0, 3)


def test_with_all_the_weight_a_region_speaks_with_one_voice() -> None:
    mixed = pool_regions(POOLED, REGIONS, 1.0)
    assert torch.allclose(mixed[:3], torch.tensor([0.0, 0.5, 0.5]))
    assert torch.equal(mixed[3], POOLED[3])


@given(
    labels=st.lists(st.integers(0, 6), min_size=1, max_size=40),
    weight=st.floats(0, 1, width=32),
    seed=st.integers(0, 99),
)
def test_rows_and_the_sums_of_regions_stay(labels: list[int], weight: float, seed: int) -> None:
    drawn = torch.rand(len(labels), 4, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    scores = torch.softmax(8 * drawn, dim=1)
    before, regions = scores.clone(), torch.tensor(labels)
    mixed = pool_regions(scores, regions, weight)
    assert torch.equal(scores, before)
    assert mixed.dtype == scores.dtype
    assert torch.allclose(mixed.sum(dim=1), torch.ones(len(labels), dtype=torch.float64))
    for region in set(labels):
        here = regions == region
        assert torch.allclose(mixed[here].sum(dim=0), scores[here].sum(dim=0))
        # Patches of a region draw near to each other, by the weight.
        apart = scores[here] - scores[here].mean(dim=0)
        assert torch.allclose(mixed[here] - mixed[here].mean(dim=0), (1 - weight) * apart, atol=1e-12)


def test_regions_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="a region for each of 4 patches"):
        pool_regions(POOLED, REGIONS[:3], 0.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        pool_regions(POOLED, REGIONS, 1.5)
    with pytest.raises(ConfigError, match="region_weight"):
        RegionPoolingConfig(region_weight=-0.1)
    with pytest.raises(ConfigError, match="segments"):
        RegionPoolingConfig(segments=-1)
