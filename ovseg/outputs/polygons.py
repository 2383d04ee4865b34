"""Outlines of pieces as polygons, for formats that know nothing else. Holes are lost."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ovseg.outputs.components import Component

__all__ = ["TOLERANCE", "outline", "painters_order", "simplified"]

TOLERANCE = 0.5
"""How far, in pixels of the label map, a simplified outline may lie beside the true one."""


def outline(component: Component, shape: tuple[int, int], size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """The outer border of a piece.

    Args:
        component: The piece.
        shape: (h, w) of the label map.
        size: (H, W) of the image file.

    Returns:
        (n, 2) float64 X Y, n at least 3, not closed, in pixels of the file: (0, 0) is the outer corner of its
        first pixel and (W, H) that of its last.
    """
    from skimage.measure import find_contours

    # Pixels that touch at a corner are one piece, so the border must run round both: fully_connected.
    contours = find_contours(np.pad(component.mask, 1).astype(np.float64), 0.5, fully_connected="high")
    border = max(contours, key=_enclosed)
    simple = simplified(border, TOLERANCE)
    if len(simple) < 4:  # closed, so a triangle has four
        simple = border
    # Rows, columns of pixel centres in the padded box become x, y of corners in the map, then in the file.
    points = simple[:-1, ::-1] - 0.5 + component.box[:2]
    return np.asarray(points * (size[1] / shape[1], size[0] / shape[0]), np.float64)


def painters_order(components: list[Component]) -> list[Component]:
    """Large pieces first, so that what lies in a lost hole is drawn over the piece that has the hole."""
    return sorted(components, key=lambda component: (-component.area, component.label, component.box))


def simplified(ring: npt.NDArray[np.float64], tolerance: float) -> npt.NDArray[np.float64]:
    """A closed polygon with fewer points (Douglas and Peucker, Cartographica 10(2), 1973).

    Written here since scikit-image's takes ten times as long.

    Args:
        ring: (n, 2), the last point equal to the first.
        tolerance: How far a dropped point may lie from the line that replaces it.

    Returns:
        (m, 2), points of ``ring`` in order, closed.
    """
    x, y = np.ascontiguousarray(ring[:, 0]), np.ascontiguousarray(ring[:, 1])
    last = len(ring) - 1
    # A ring has no ends; the first point and the one farthest from it are as good as any.
    far = int(np.hypot(x - x[0], y - y[0]).argmax())
    kept = {0, far, last}
    spans = [(0, far), (far, last)]
    while spans:
        start, end = spans.pop()
        if end - start < 2:
            continue
        across, down = float(x[end] - x[start]), float(y[end] - y[start])
        dx, dy = x[start + 1 : end] - x[start], y[start + 1 : end] - y[start]
        length = math.hypot(across, down)
        distance = np.abs(dx * down - dy * across) / length if length else np.hypot(dx, dy)
        middle = int(distance.argmax())
        if distance[middle] > tolerance:
            middle += start + 1
            kept.add(middle)
            spans += [(start, middle), (middle, end)]
    return ring[sorted(kept)]


def _enclosed(contour: npt.NDArray[np.float64]) -> float:
    """Area within a closed polygon, by the shoelace formula."""
    y, x = contour[:, 0], contour[:, 1]
    return float(abs(np.dot(x[:-1], y[1:]) - np.dot(x[1:], y[:-1])))
