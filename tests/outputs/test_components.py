from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from outputs_helpers import MakeItem
from pycocotools import mask as coco_mask

from ovseg.outputs.components import connected_components
from ovseg.outputs.polygons import TOLERANCE, outline, painters_order, simplified
from ovseg.outputs.resampling import nearest_index
from ovseg.outputs.runlengths import Placement, compress
from ovseg.types import LabelMap

SMALL_MAPS = arrays(
    np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12)), elements=st.sampled_from([0, 1, 2, 255])
)


def segmentation(labels: np.ndarray) -> LabelMap:
    return LabelMap(labels, np.ones(labels.shape, np.float16), ("background", "a", "b"))


def test_pieces_hang_together_at_corners_too(make_item: MakeItem) -> None:
    labels = [[1, 0, 2, 2],
              [0, 1, 255, 2],
              [0, 0, 0, 0],
              [1, 0, 0, 1]]  # fmt: skip
    confidence = np.zeros((4, 4))
    confidence[0, 0], confidence[1, 1] = 1.0, 0.5
    found = connected_components(make_item(labels, confidence=confidence).segmentation)
    assert [(c.label, c.box, c.area, c.score) for c in found] == [
        (1, (0, 0, 2, 2), 2, 0.75),
        (1, (0, 3, 1, 4), 1, 0.0),
        (1, (3, 3, 4, 4), 1, 0.0),
        (2, (2, 0, 4, 2), 3, 0.0),
    ]
    assert found[0].mask.tolist() == [[True, False], [False, True]]


def test_nothing_found_is_no_piece(make_item: MakeItem) -> None:
    assert connected_components(make_item([[0, 255], [0, 0]]).segmentation) == []


@given(labels=SMALL_MAPS)
def test_pieces_paint_the_label_map_again(labels: np.ndarray) -> None:
    painted = np.zeros_like(labels)
    for piece in connected_components(segmentation(labels)):
        x0, y0, x1, y1 = piece.box
        assert not painted[y0:y1, x0:x1][piece.mask].any()
        painted[y0:y1, x0:x1][piece.mask] = piece.label
        assert piece.area == piece.mask.sum()
    np.testing.assert_array_equal(painted, np.where(labels == 255, 0, labels))


@given(labels=SMALL_MAPS, height=st.integers(1, 40), width=st.integers(1, 40))
def test_run_lengths_equal_those_of_the_enlarged_mask(labels: np.ndarray, height: int, width: int) -> None:
    h, w = labels.shape
    size = (h + height, w + width) if height % 3 else (h, w)
    placement = Placement((h, w), size)
    large = labels[nearest_index(size[0], h)][:, nearest_index(size[1], w)]
    for piece in connected_components(segmentation(labels)):
        alone = np.zeros((h, w), np.uint8)
        x0, y0, x1, y1 = piece.box
        alone[y0:y1, x0:x1] = piece.mask
        alone = alone[nearest_index(size[0], h)][:, nearest_index(size[1], w)]
        counts = placement.run_lengths(piece.mask, piece.box)
        expected = coco_mask.encode(np.asfortranarray(alone))
        assert compress(counts, size) == {"size": list(size), "counts": expected["counts"].decode()}
        assert placement.box(piece.box) == tuple(coco_mask.toBbox(expected).astype(int))
        assert counts[1::2].sum() == alone.sum()
    assert placement.areas().sum() == large.size


def test_run_lengths_by_hand() -> None:
    placement = Placement((2, 2), (2, 4))  # each column becomes two
    mask = np.array([[True, True], [True, False]])
    # Columns of the file: 11, 11, 10, 10.
    assert placement.run_lengths(mask, (0, 0, 2, 2)).tolist() == [0, 5, 1, 1, 1]


def test_run_lengths_of_a_very_large_file_need_no_picture_of_it() -> None:
    placement = Placement((100, 100), (20000, 20000))
    counts = placement.run_lengths(np.ones((50, 100), bool), (0, 0, 100, 50))
    assert counts[:4].tolist() == [0, 10000, 10000, 10000]
    assert counts.sum() == 20000 * 20000


def inside(polygon: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Pixels whose centre lies in a polygon of corner coordinates."""
    from skimage.draw import polygon2mask

    return polygon2mask(shape, polygon[:, ::-1] - 0.5)


def test_outline_of_a_rectangle_runs_along_its_pixels(make_item: MakeItem) -> None:
    labels = np.zeros((20, 30), np.uint8)
    labels[5:15, 10:30] = 1
    (piece,) = connected_components(make_item(labels).segmentation)
    points = outline(piece, (20, 30), (40, 60))
    assert points.min(axis=0) == pytest.approx([20, 10], abs=2 * TOLERANCE)
    assert points.max(axis=0) == pytest.approx([60, 30], abs=2 * TOLERANCE)
    assert len(points) <= 8
    drawn = inside(outline(piece, (20, 30), (20, 30)), (20, 30))
    assert (drawn & (labels == 1)).sum() / (drawn | (labels == 1)).sum() > 0.94


def test_outline_of_one_pixel_has_enough_points(make_item: MakeItem) -> None:
    (piece,) = connected_components(make_item([[0, 0], [0, 1]]).segmentation)
    points = outline(piece, (2, 2), (2, 2))
    assert len(points) == 4
    assert points.mean(axis=0) == pytest.approx([1.5, 1.5])


def test_outline_takes_in_pixels_that_touch_at_a_corner(make_item: MakeItem) -> None:
    labels = np.kron(np.eye(2, dtype=np.uint8), np.ones((10, 10), np.uint8))
    (piece,) = connected_components(make_item(labels).segmentation)
    assert inside(outline(piece, (20, 20), (20, 20)), (20, 20)).sum() >= 190


def test_outline_of_a_ring_is_its_outer_border(make_item: MakeItem) -> None:
    labels = np.ones((40, 40), np.uint8)
    labels[4:36, 4:36] = 0
    (piece,) = connected_components(make_item(labels).segmentation)
    points = outline(piece, (40, 40), (40, 40))
    assert points.max(axis=0).tolist() == [40, 40]


@given(labels=SMALL_MAPS)
def test_outlines_lie_in_the_picture_with_three_points_or_more(labels: np.ndarray) -> None:
    h, w = labels.shape
    for piece in connected_components(segmentation(labels)):
        points = outline(piece, (h, w), (3 * h, 5 * w))
        assert len(points) >= 3
        assert (points >= 0).all()
        assert (points <= (5 * w, 3 * h)).all()


def test_large_pieces_come_first(make_item: MakeItem) -> None:
    found = connected_components(make_item([[1, 0, 2, 2], [0, 0, 2, 2], [1, 1, 0, 0]]).segmentation)
    assert [piece.area for piece in painters_order(found)] == [4, 2, 1]


def test_simplified_drops_what_lies_on_a_line_and_keeps_corners() -> None:
    ring = np.array(
        [(0, 0), (0, 1), (0, 2), (0, 3), (1, 3), (2, 3), (3, 3), (3, 2), (3, 0), (1, 0), (0, 0)], float
    )
    assert simplified(ring, 0.1).tolist() == [[0, 0], [0, 3], [3, 3], [3, 0], [0, 0]]


@given(
    radii=arrays(np.float64, st.integers(3, 60), elements=st.floats(1, 50, allow_nan=False)),
    tolerance=st.sampled_from([0.0, 0.5, 3.0]),
)
def test_dropped_points_lie_near_the_simplified_ring(radii: np.ndarray, tolerance: float) -> None:
    angles = np.linspace(0, 2 * np.pi, len(radii), endpoint=False)
    ring = np.column_stack((radii * np.cos(angles), radii * np.sin(angles)))
    ring = np.concatenate((ring, ring[:1]))
    simple = simplified(ring, tolerance)
    assert (simple[0] == simple[-1]).all()
    places = [int(np.flatnonzero((ring[:-1] == point).all(axis=1))[0]) for point in simple[:-1]] + [
        len(ring) - 1
    ]
    assert places == sorted(places)
    for start, end in itertools.pairwise(places):
        (x, y), (dx, dy) = ring[start], ring[end] - ring[start]
        for px, py in ring[start + 1 : end]:
            assert abs((px - x) * dy - (py - y) * dx) <= (tolerance + 1e-9) * np.hypot(dx, dy) + 1e-9
