"""Candidates, objectness, segments, bilateral solver, sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from reference import planted_features
from scenes import scene

from ovseg.discovery import DiscoveryConfig, at_size, connected_regions, refine_mask, spectral_segments
from ovseg.discovery.candidates import agreement, level_regions, overlaps, strongest
from ovseg.discovery.evidence import fuse, resample
from ovseg.discovery.objectness import Measures, frame_contact, objectness
from ovseg.discovery.solver import refine
from ovseg.discovery.spectral import eigengap
from ovseg.types import Region


def test_level_regions_are_the_parts_above_each_level() -> None:
    evidence = np.array([[0.9, 0.5, 0.1, 0.7]], np.float32)
    config = DiscoveryConfig(levels=(0.4, 0.8, 3), min_area=0.0)
    masks = [mask[0].tolist() for mask in level_regions(evidence, config)]
    on, off = True, False
    assert masks == [
        [on, on, off, off],  # 0.4, larger part first
        [off, off, off, on],
        [on, off, off, off],  # 0.6
        [off, off, off, on],
        [on, off, off, off],  # 0.8
    ]


def test_overlap_and_agreement_by_hand() -> None:
    masks = np.array([[[1, 1, 0, 0]], [[1, 0, 0, 0]], [[0, 0, 1, 1]]], bool)
    iou = overlaps(masks)
    assert iou.tolist() == [[1, 0.5, 0], [0.5, 1, 0], [0, 0, 1]]
    assert agreement(iou, 2.0).tolist() == pytest.approx([1.25 / 3, 1.25 / 3, 1 / 3])


def test_strongest_leaves_out_what_overlaps_a_better_one() -> None:
    iou = np.array([[1, 0.6, 0], [0.6, 1, 0.2], [0, 0.2, 1]], np.float32)
    rank = np.array([0.5, 0.9, 0.1], np.float32)
    assert strongest(iou, rank, 0.5, 5) == [1, 2]
    assert strongest(iou, rank, 0.5, 1) == [1]


def test_fused_evidence_needs_both() -> None:
    one, none = np.ones((2, 2), np.float32), np.zeros((2, 2), np.float32)
    quarter = np.full((2, 2), 0.25, np.float32)
    assert fuse(one, none, 0.5) is not None
    assert np.array_equal(fuse(one, none, 0.5), none)
    assert np.allclose(fuse(one, quarter, 0.5), 0.5)
    assert fuse(None, quarter, 0.5) is quarter
    assert fuse(one, None, 0.5) is one


def test_resample_averages_down_and_interpolates_up() -> None:
    assert resample(np.array([[0, 1], [1, 0]], np.float32), (1, 1)).item() == 0.5
    up = resample(np.array([[0, 1]], np.float32), (1, 4))
    assert up[0].tolist() == [0, 0.25, 0.75, 1]


def measures(**changes: float) -> Measures:
    usual = {"eigenvalue": 0.1, "area": 0.3, "frame": 0.1, "contrast": 0.6}
    return Measures(**(usual | changes))


def test_each_measure_speaks_the_way_it_should() -> None:
    usual = objectness(measures())
    assert 0.5 < usual < 1
    for worse in ({"eigenvalue": 0.9}, {"frame": 1.0}, {"area": 0.01}, {"contrast": 0.1}):
        assert objectness(measures(**worse)) < usual
    assert objectness(measures(contrast=-0.1)) == objectness(measures(eigenvalue=1.0)) == 0


def test_objectness_by_hand() -> None:
    assert objectness(Measures(0.5, 1 / 16, 0.0, 1.0)) == pytest.approx(0.5)


def test_frame_contact_by_hand() -> None:
    mask = np.zeros((4, 4), bool)
    mask[1:3, :2] = True
    assert frame_contact(mask) == pytest.approx(2 / 12)
    assert frame_contact(np.ones((1, 5), bool)) == 1


def test_eigengap_counts_the_groups() -> None:
    assert eigengap(np.array([0.02, 0.05, 0.9, 0.95])) == 3
    assert eigengap(np.array([0.98, 0.99])) == 1
    # Beyond 1 there is only noise.
    assert eigengap(np.array([0.01, 0.9, 1.0, 1.9])) == 2


def test_segments_are_the_planted_groups() -> None:
    boxes = [(0, 0, 6, 6), (6, 0, 12, 6), (0, 6, 12, 12)]
    features = scene((12, 12), boxes, noise=0.2)
    labels = spectral_segments(features)
    assert labels.max() == 2
    assert labels[0, 0] == 0  # numbered in reading order
    for x0, y0, x1, y1 in boxes:
        assert len(np.unique(labels[y0:y1, x0:x1])) == 1
    assert spectral_segments(features, segments=2).max() == 1


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_groups_that_are_hardly_linked_are_all_found(noise: float) -> None:
    """Their eigenvalues coincide, and a single Krylov space would hold one vector of them."""
    boxes = [(0, 0, 6, 6), (6, 0, 12, 6), (0, 6, 6, 12), (6, 6, 12, 12)]
    labels = spectral_segments(scene((12, 12), boxes, noise=noise))
    assert labels.max() == 3
    for x0, y0, x1, y1 in boxes:
        assert len(np.unique(labels[y0:y1, x0:x1])) == 1


def test_pieces_that_do_not_touch_are_told_apart() -> None:
    segments = np.array([[0, 0, 1, 0], [1, 1, 0, 0], [2, 1, 1, 1]])
    expected = [[0, 0, 2, 1], [3, 3, 1, 1], [4, 3, 3, 3]]
    assert connected_regions(segments).tolist() == expected
    assert connected_regions(np.zeros((2, 3), np.int64)).max() == 0


def test_segments_of_nothing() -> None:
    assert spectral_segments(torch.ones(5, 5, 4)).max() == 0
    assert spectral_segments(torch.ones(1, 1, 4), segments=7).tolist() == [[0]]
    assert spectral_segments(planted_features([3], 0.1, 0).reshape(1, 3, 32), segments=9).shape == (1, 3)
    with pytest.raises(ValueError, match="at least 1 segment"):
        spectral_segments(torch.ones(2, 2, 4), segments=0)


def photo_with_square(size: int = 96) -> tuple[np.ndarray, np.ndarray]:
    photo = np.full((size, size, 3), (40, 90, 200), np.uint8)
    truth = np.zeros((size, size), bool)
    truth[30:70, 25:65] = True
    photo[truth] = (220, 120, 30)
    return photo, truth


def test_solver_draws_a_coarse_mask_to_the_edges() -> None:
    photo, truth = photo_with_square()
    coarse = np.zeros(truth.shape, np.float32)
    coarse[36:76, 29:71] = 1
    refined = refine(coarse, photo)
    assert refined.dtype == np.float32
    assert ((refined >= 0) & (refined <= 1)).all()
    assert ((refined > 0.5) == truth).mean() > 0.99
    assert refine_mask(coarse, photo)[truth].all()


def test_solver_leaves_a_constant_mask_alone() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    assert np.allclose(refine(np.full((20, 30), 0.3), photo), 0.3, atol=1e-3)


def test_solver_refuses_a_photo_of_another_size() -> None:
    with pytest.raises(ValueError, match="expected an image of shape"):
        refine(np.zeros((4, 5)), np.zeros((5, 4, 3), np.uint8))


def test_a_refined_mask_that_runs_away_is_dropped() -> None:
    # One colour everywhere: the solver spreads the small mask thin, nothing is left above one half.
    photo = np.full((64, 64, 3), 128, np.uint8)
    soft = np.zeros((64, 64), np.float32)
    soft[:8, :8] = 1
    assert np.array_equal(refine_mask(soft, photo), soft > 0.5)


def test_regions_at_another_size() -> None:
    mask = np.zeros((8, 8), bool)
    mask[2:6, 2:6] = True
    large = at_size([Region.from_mask(mask, 0.4)], (32, 64))[0]
    assert large is not None
    assert (large.box, large.score) == ((16, 8, 48, 24), 0.4)
    speck = np.zeros((40, 40), bool)
    speck[0, 0] = True
    assert at_size([Region.from_mask(speck, 0.4)], (1, 1)) == [None]
