from __future__ import annotations

import pytest
import torch

from ovseg.refinement import pamr


def two_halves(side: int = 24) -> torch.Tensor:
    image = torch.zeros(3, side, side)
    image[:, :, side // 2 :] = 1
    return image


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (17, 3)])
def test_a_constant_stays_constant(size):
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))
    scores = torch.tensor([0.2, 0.7, 0.1])[:, None, None].expand(3, *size)
    torch.testing.assert_close(pamr(image, scores), scores, atol=1e-5, rtol=0)


def test_sums_over_classes_and_the_range_are_kept():
    generator = torch.Generator().manual_seed(1)
    image = torch.rand(3, 15, 20, generator=generator)
    scores = torch.softmax(4 * torch.randn(4, 15, 20, generator=generator), dim=0)
    found = pamr(image, scores)
    torch.testing.assert_close(found.sum(0), torch.ones(15, 20), atol=1e-5, rtol=0)
    assert found.min() >= scores.min()
    assert found.max() <= scores.max()
    assert found.dtype == scores.dtype


def test_a_blurred_border_becomes_sharp_at_the_edge_of_the_image():
    side = 24
    ramp = torch.linspace(0, 1, side).expand(side, side)
    found = pamr(two_halves(side), torch.stack([1 - ramp, ramp]))[1]
    half = side // 2
    step_before = ramp[:, half] - ramp[:, half - 1]
    step_after = found[:, half] - found[:, half - 1]
    assert (step_after > 5 * step_before).all()
    assert (found[:, :half] < 0.5).all()
    assert (found[:, half:] > 0.5).all()


def test_a_border_beside_the_edge_moves_to_it():
    side, off = 24, 3
    wrong = torch.zeros(side, side)
    wrong[:, side // 2 - off :] = 1
    found = pamr(two_halves(side), torch.stack([1 - wrong, wrong]), iterations=30)[1]
    assert (found[:, : side // 2] < 0.5).all()
    assert (found[:, side // 2 :] > 0.5).all()


def test_no_iterations_change_nothing_and_inputs_are_kept():
    image, scores = two_halves(), torch.rand(2, 24, 24, generator=torch.Generator().manual_seed(2))
    before = scores.clone()
    assert torch.equal(pamr(image, scores, iterations=0), scores)
    pamr(image, scores)
    assert torch.equal(scores, before)


def test_one_pixel_of_another_colour_by_hand():
    # One row, the neighbours one pixel away: each replicated copy of a pixel's own colour weighs far more.
    image = torch.zeros(3, 1, 3)
    image[:, :, 2] = 1
    scores = torch.tensor([[[0.0, 0.0, 1.0]]])
    found = pamr(image, scores, iterations=1, dilations=(1,))
    # Middle pixel: 3 neighbours left (0), 3 right (1), 2 above and below (itself, 0); colours 0, 1, 0.
    spread = torch.tensor([0.0] * 6 + [1.0] * 3).std(correction=0)
    strange = torch.exp(-1 / spread / 0.1)
    expected = 3 * strange / (5 + 3 * strange)
    assert found[0, 0, 1].item() == pytest.approx(expected.item(), rel=1e-4)
