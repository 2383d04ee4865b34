"""Marks grown to regions, on images whose parts are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from ovseg.discovery.grow import box_seeds, nearest_annotated_patches, walk
from ovseg.discovery.support import SupportConfig, SupportEvidence, find_support_regions

GRID = (8, 12)


def scene(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """A square of one kind on another kind, a little noisy: (N, D) tokens and (N,) truth."""
    truth = torch.zeros(GRID, dtype=torch.bool)
    truth[2:6, 3:8] = True
    noise = 0.15 * torch.randn(*GRID, 6, generator=torch.Generator().manual_seed(seed))
    axes = torch.eye(6)
    tokens = torch.where(truth[..., None], axes[0], axes[1]) + noise
    return tokens.flatten(0, 1), truth.flatten()


def only(*patches: tuple[int, int]) -> torch.Tensor:
    mark = torch.zeros(GRID, dtype=torch.bool)
    for row, column in patches:
        mark[row, column] = True
    return mark.flatten()


def test_one_cell_of_each_kind_grows_to_the_square():
    tokens, truth = scene()
    share = walk(tokens, GRID, only((4, 5)), only((0, 0)))
    assert share.dtype == torch.float32
    torch.testing.assert_close(share > 0.5, truth)
    assert share[only((4, 5))] == 1
    assert share[only((0, 0))] == 0


def test_shares_are_those_of_the_linear_system_by_hand():
    # Three patches in a row, all alike: the middle one is as near to either mark.
    tokens = torch.ones(3, 4)
    share = walk(tokens, (1, 3), torch.tensor([True, False, False]), torch.tensor([False, False, True]))
    torch.testing.assert_close(share, torch.tensor([1.0, 0.5, 0.0]))


def test_everything_marked_stays_as_it_is():
    tokens, truth = scene()
    torch.testing.assert_close(walk(tokens, GRID, truth, ~truth), truth.float())


@pytest.mark.parametrize("inside", [True, False])
def test_a_kind_that_is_missing_is_an_error(inside: bool):
    tokens, _ = scene()
    some, none = only((4, 5)), torch.zeros(GRID, dtype=torch.bool).flatten()
    with pytest.raises(ValueError, match="either kind"):
        walk(tokens, GRID, *((some, none) if inside else (none, some)))


def test_seeds_of_a_box_lie_on_its_object():
    tokens, truth = scene()
    box = torch.zeros(GRID, dtype=torch.bool)
    box[1:7, 2:9] = True
    seeds = box_seeds(tokens, ~box.flatten())
    assert int(seeds.sum()) == round(0.25 * 42)
    assert not bool((seeds & ~truth).any())


def test_cells_go_with_the_mark_that_they_are_like():
    tokens, truth = scene()
    torch.testing.assert_close(nearest_annotated_patches(tokens, only((4, 5)), only((0, 0), (7, 11))), truth)
    torch.testing.assert_close(nearest_annotated_patches(tokens, only((4, 5)), only()), truth)
    # A mark stays what it is, whatever it looks like.
    kept = nearest_annotated_patches(tokens, only((4, 5), (0, 3)), only((3, 4)))
    assert bool(kept[only((0, 3))])
    assert not bool(kept[only((3, 4))])


@pytest.mark.parametrize("kind", ["point", "point and not", "box"])
def test_marks_become_regions(kind: str):
    tokens, truth = scene()
    mark = torch.full(GRID, torch.nan)
    if kind == "box":
        mark[:] = 0
        mark[1:7, 2:9] = torch.nan
    else:
        mark[4, 5] = 1
        if kind == "point and not":
            mark[0, 0] = 0
    evidence = SupportEvidence(tokens, GRID, torch.zeros(96), mark=mark.flatten())
    [region] = find_support_regions([evidence], SupportConfig())
    assert region.rejected is None
    np.testing.assert_array_equal(region.foreground.ravel(), truth.numpy())
    assert region.background.any()
    assert not (region.background.ravel() & truth.numpy()).any()
