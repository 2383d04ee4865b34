from __future__ import annotations

import pytest
import torch

from ovseg.config import SegmentConfig
from ovseg.errors import ConfigError
from ovseg.matching.prototype_fusion import fuse_prototypes, likely_classes, rule_out
from ovseg.matching.prototype_matcher import PrototypeMatch

SCORES = torch.tensor([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3]])


def match(
    similarity: list[list[float]], classes: list[int], background: list[float] | None = None
) -> PrototypeMatch:
    values = torch.tensor(similarity)
    shown = None if background is None else torch.tensor(background)
    return PrototypeMatch(torch.tensor(classes), values, shown, torch.full((len(values),), -1.0))


def test_without_a_match_the_text_side_stands() -> None:
    config = SegmentConfig()
    assert fuse_prototypes(SCORES, None, has_background=True, config=config) is SCORES
    said = match([[0.9, 0.1]] * 2, [0, 1])
    assert (
        fuse_prototypes(SCORES, said, has_background=True, config=SegmentConfig(prototype_weight=0)) is SCORES
    )


def test_likenesses_that_do_not_differ_change_nothing() -> None:
    said = match([[0.4, 0.4], [0.9, 0.9]], [0, 1])
    fused = fuse_prototypes(SCORES, said, has_background=True, config=SegmentConfig())
    assert torch.allclose(fused, SCORES, atol=1e-6)


def test_the_bank_moves_log_scores_by_its_weight() -> None:
    said = match([[0.1, 0.5], [0.5, 0.1]], [0, 1])
    fused = fuse_prototypes(SCORES, said, has_background=False, config=SegmentConfig(prototype_weight=4))
    assert torch.allclose(torch.log(fused[0, 2] / fused[0, 1]), torch.log(torch.tensor(0.6)) + 4 * 0.4)
    assert float(fused[:, 0].max()) == 0
    assert torch.allclose(fused.sum(dim=1), torch.ones(2))


def test_a_class_without_prototypes_is_left_to_the_text_side() -> None:
    said = match([[0.8], [-0.8]], [0])
    fused = fuse_prototypes(SCORES, said, has_background=True, config=SegmentConfig())
    assert torch.allclose(fused, SCORES, atol=1e-6)


def test_background_is_what_its_rivals_are_or_what_its_prototypes_say() -> None:
    said = match([[0.2, 0.2]] * 2, [0, 1], background=[0.9, -0.9])
    rivals = fuse_prototypes(SCORES, said, has_background=True, config=SegmentConfig())
    assert torch.allclose(rivals, SCORES, atol=1e-6)
    own = fuse_prototypes(
        SCORES, said, has_background=True, config=SegmentConfig(), background_score="prototypes"
    )
    assert own[0, 0] > 0.9
    assert own[1, 0] < 0.01


def test_a_bank_says_which_class_but_not_whether_there_is_one() -> None:
    # The second class suits the patch far better than the first, which the names prefer.
    said = match([[0.1, 0.9]], [0, 1])
    scores = torch.tensor([[0.4, 0.35, 0.25]])
    fused = fuse_prototypes(
        scores, said, has_background=True, config=SegmentConfig(prototype_weight=8), background_score="max"
    )
    assert torch.allclose(fused[0, 2] / fused[0, 0], scores[0, 2] / scores[0, 0])
    assert torch.allclose(torch.log(fused[0, 2] / fused[0, 1]), torch.log(torch.tensor(0.25 / 0.35)) + 6.4)
    assert int(fused.argmax()) == 0
    both = fuse_prototypes(
        scores,
        said,
        has_background=True,
        config=SegmentConfig(prototype_weight=8),
        background_score="top3_mean",
    )
    assert torch.allclose(torch.log(both[0, 2] / both[0, 0]), torch.log(torch.tensor(0.25 / 0.4)) + 3.2)
    assert int(both.argmax()) == 2


def test_a_bank_alone_answers_with_its_own_classes() -> None:
    said = match([[0.2], [0.3]], [1])
    config = SegmentConfig(text_with_bank=False)
    alone = fuse_prototypes(SCORES, said, has_background=False, config=config)
    assert torch.equal(alone, torch.tensor([[0.0, 0.0, 1.0]] * 2))


def test_classes_that_cannot_win_get_no_more_than_the_rest() -> None:
    said = PrototypeMatch(torch.tensor([0]), torch.tensor([[0.9]]), None, torch.tensor([0.1]))
    scores = torch.tensor([[0.0, 0.5, 0.5]])
    fused = fuse_prototypes(scores, said, has_background=False, config=SegmentConfig(prototype_weight=8))
    assert torch.allclose(torch.log(fused[0, 1] / fused[0, 2]), torch.tensor(8 * 0.8), atol=1e-4)


def test_the_category_filter_keeps_the_mass_and_all_stuff() -> None:
    image = torch.tensor([0.5, 0.3, 0.15, 0.04, 0.01])
    things = torch.tensor([True, True, True, True, False])
    assert likely_classes(image, things, 0.8).tolist() == [True, True, False, False, True]
    assert likely_classes(image, things, 1.0).all()
    assert likely_classes(torch.full((400,), 1 / 400), torch.ones(400, dtype=torch.bool), 0.9).sum() == 360


def test_ruled_out_classes_have_no_score() -> None:
    scores = torch.tensor([[0.2, 0.4, 0.4], [0.0, 1.0, 0.0]])
    kept = rule_out(scores, torch.tensor([False, True]))
    assert torch.allclose(kept, torch.tensor([[1 / 3, 0, 2 / 3], [0, 0, 1.0]]))


def test_what_is_out_of_range_is_refused() -> None:
    with pytest.raises(ConfigError, match="background_score"):
        SegmentConfig(background_score="sky")
    with pytest.raises(ConfigError, match="category_top_p"):
        SegmentConfig(category_top_p=0)
