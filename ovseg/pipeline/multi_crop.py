"""Which classes an image shows at all: the whole image, and crops of it at several scales.

CLIP names what fills its square; a small thing in a large picture is lost in it. ZeroSeg (Chen et al.,
"Exploring Open-Vocabulary Semantic Segmentation from CLIP Vision Encoder Distillation Only", ICCV 2023)
learns from its embeddings of 1 × 1, 2 × 2 and 3 × 3 crops. Here the same crops, without any training, say
which classes may occur, for the gate and the filter of categories (OVDiff's, ECCV 2024, sees the whole image
alone).
"""

from __future__ import annotations

import itertools

import torch

__all__ = ["crop_boxes", "multi_crop_scores"]


def crop_boxes(height: int, width: int, most: int) -> list[tuple[slice, slice]]:
    """Rows and columns of the crops of 2 × 2 up to ``most`` × ``most``, scale by scale, row by row.

    Crops of one scale cover the image and do not overlap; none is empty, however small the image.
    """
    boxes = []
    for scale in range(2, most + 1):
        rows, columns = (_parts(length, scale) for length in (height, width))
        boxes += [(down, across) for down in rows for across in columns]
    return boxes


def _parts(length: int, count: int) -> list[slice]:
    edges = [index * length // count for index in range(count + 1)]
    # Of a side with fewer pixels than parts, some parts are the same pixel.
    return [slice(min(a, length - 1), max(b, a + 1)) for a, b in itertools.pairwise(edges)]


def multi_crop_scores(whole: torch.Tensor, crops: torch.Tensor) -> torch.Tensor:
    """How likely each group of prompts is to occur in an image.

    A class is in a scale's crops as it is in the one that shows it best; scales count alike.

    Args:
        whole: (G,) probabilities of the groups for the whole image.
        crops: (V, G) the same for its crops, in the order of :func:`crop_boxes`; V is 0 where there are none.

    Returns:
        (G,) summing to 1.
    """
    scales, start, side = [whole], 0, 2
    while start < len(crops):
        scales.append(crops[start : start + side * side].amax(dim=0))
        start, side = start + side * side, side + 1
    mean = torch.stack(scales).mean(dim=0)
    return mean / mean.sum()
