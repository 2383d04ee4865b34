"""Windows cover an image, and their overlaps leave no seams."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from ovseg.pipeline.windows import Box, SlidingWindowMerger, crop_features, in_groups, sampled, window_boxes


def test_windows_as_mmsegmentation_lays_them():
    # A row of 448 with crops of 336 every 112: at 0 and 112. A height of 500 moves the last one back to 164.
    assert [(b.top, b.left) for b in window_boxes(336, 448, 336, 112)] == [(0, 0), (0, 112)]
    assert [b.top for b in window_boxes(500, 336, 336, 112)] == [0, 112, 164]
    assert window_boxes(200, 300, 336, 112) == [Box(0, 0, 200, 300)]
    assert window_boxes(200, 300, None, None) == [Box(0, 0, 200, 300)]
    with pytest.raises(ValueError, match="gaps"):
        window_boxes(500, 500, 100, 101)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 200), st.data())
@settings(max_examples=100)
def test_windows_cover_every_pixel_and_stay_inside(height, width, crop, data):
    stride = data.draw(st.integers(max(1, crop // 8), crop))
    covered = torch.zeros(height, width, dtype=torch.bool)
    for box in window_boxes(height, width, crop, stride):
        assert 0 <= box.top < box.bottom <= height
        assert 0 <= box.left < box.right <= width
        assert box.size == (min(crop, height), min(crop, width))
        box.cut(covered)[:] = True
    assert covered.all()


def test_groups_hold_equal_keys_and_not_too_many():
    assert in_groups("aabaab", most=3) == [[0, 1, 3], [4], [2, 5]]
    assert in_groups([]) == []


@pytest.mark.parametrize("grid", [(5, 9), (12, 7), (1, 1)])
def test_one_window_is_a_bilinear_resize(grid):
    features = torch.randn(6, 8, 3, generator=torch.Generator().manual_seed(0))
    merger = SlidingWindowMerger(grid, (60, 80))
    merger.add(Box(0, 0, 60, 80), features)
    expected = F.interpolate(features.permute(2, 0, 1)[None], size=grid, mode="bilinear")[0]
    torch.testing.assert_close(merger.mean(), expected.permute(1, 2, 0), atol=1e-5, rtol=1e-5)


@given(st.integers(20, 90), st.integers(20, 90), st.integers(8, 40), st.data())
@settings(max_examples=60)
def test_what_all_windows_agree_on_has_no_seams(height, width, crop, data):
    """Windows that see a linear ramp, each at its own place, give the ramp back (away from the borders)."""
    stride = data.draw(st.integers(max(1, crop // 2), crop))
    grid = (data.draw(st.integers(2, 12)), data.draw(st.integers(2, 12)))
    merger = SlidingWindowMerger(grid, (height, width))
    constant = SlidingWindowMerger(grid, (height, width))
    for box in window_boxes(height, width, crop, stride):
        rows = (torch.arange(64) + 0.5) / 64 * (box.bottom - box.top) + box.top
        columns = (torch.arange(64) + 0.5) / 64 * (box.right - box.left) + box.left
        ramp = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)
        merger.add(box, ramp)
        constant.add(box, torch.full((3, 4, 1), 7.0))
    torch.testing.assert_close(constant.mean(), torch.full((*grid, 1), 7.0))
    rows = (torch.arange(grid[0]) + 0.5) / grid[0] * height
    columns = (torch.arange(grid[1]) + 0.5) / grid[1] * width
    expected = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), dim=-1)
    # Beyond the outermost of a window's patches values stay constant: half a patch of 1 / 64 window.
    torch.testing.assert_close(merger.mean(), expected, atol=crop / 64, rtol=0)


def test_windows_that_leave_cells_out_are_noticed():
    merger = SlidingWindowMerger((4, 4), (40, 40))
    with pytest.raises(ValueError, match="cover"):
        merger.mean()
    merger.add(Box(0, 0, 40, 20), torch.ones(2, 2, 1))
    with pytest.raises(ValueError, match="cover"):
        merger.mean()


def test_a_window_sees_its_part_of_the_guide():
    guide = torch.randn(2, 6, 8, 3, generator=torch.Generator().manual_seed(0))
    whole = crop_features(guide, Box(0, 0, 60, 80), (60, 80))
    torch.testing.assert_close(whole, guide, atol=1e-5, rtol=1e-5)
    part = crop_features(guide, Box(20, 10, 50, 60), (60, 80))
    torch.testing.assert_close(part, guide[:, 2:5, 1:6], atol=1e-5, rtol=1e-5)
    # A window that begins in the middle of a patch lies between two.
    between = crop_features(guide, Box(5, 0, 15, 80), (60, 80))
    torch.testing.assert_close(between, (guide[:, :1] + guide[:, 1:2]) / 2, atol=1e-5, rtol=1e-5)
    assert crop_features(guide.half(), Box(0, 0, 4, 4), (60, 80)).dtype == torch.float16


def test_places_beyond_the_outer_centres_are_constant():
    features = torch.tensor([[[1.0], [3.0]]])
    found = sampled(features, torch.tensor([0.5]), torch.tensor([0.0, 0.25, 0.5, 1.0]))
    assert found[0, :, 0].tolist() == [1.0, 1.0, 2.0, 3.0]
