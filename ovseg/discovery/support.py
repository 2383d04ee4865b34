"""Support regions: which patches of the pictures found for a class are the class, and which surely are not.

What is known differs from picture to picture: a person's marks decide; a generated picture brings the
attribution of its words (OVDiff, Karazija et al., ECCV 2024, section 3.2); a retrieved one is compared with
the others of its class (ReCo). Pictures that do not show the class are rejected with a reason: a wrong
picture makes a wrong prototype, which costs more than a missing one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

from ovseg.discovery.cosegment import attention, cosegment, pair_support
from ovseg.discovery.grow import box_seeds, nearest_annotated_patches, walk
from ovseg.discovery.support_config import SupportConfig

__all__ = ["FoundRegion", "SupportConfig", "SupportEvidence", "find_support_regions"]

Mask = npt.NDArray[np.bool_]
Map = npt.NDArray[np.float32]


@dataclass(frozen=True)
class SupportEvidence:
    """What is known of the N = h * w patches of one picture of a class.

    Attributes:
        tokens: (N, D) features that compare across pictures.
        grid: (h, w).
        text: (N,) in [0, 1], probability of the class, all other names and words competing.
        foreground: (N,) in [0, 1], probability of belonging to an object, or None.
        attribution: (N,) in [0, 1], what the picture's maker says of the class (cross-attention), or None.
        mark: (N,) share of each patch's marked pixels that are the class, in [0, 1]; NaN where nothing is
            said of a patch; or None: the picture has no marks.
        context: (C, N) in [0, 1], probabilities of what usually stands around the class, or None.
    """

    tokens: Tensor
    grid: tuple[int, int]
    text: Tensor
    foreground: Tensor | None = None
    attribution: Tensor | None = None
    mark: Tensor | None = None
    context: Tensor | None = None

    def __post_init__(self) -> None:
        patches = self.grid[0] * self.grid[1]
        if self.tokens.ndim != 2 or len(self.tokens) != patches:
            raise ValueError(f"tokens {tuple(self.tokens.shape)} do not match a grid of {self.grid}")
        for name in ("text", "foreground", "attribution", "mark"):
            values = getattr(self, name)
            if values is not None and values.shape != (patches,):
                raise ValueError(f"{name} {tuple(values.shape)} does not match {patches} cells")
        if self.context is not None and (self.context.ndim != 2 or self.context.shape[1] != patches):
            raise ValueError(f"context {tuple(self.context.shape)} does not match {patches} cells")


@dataclass(frozen=True)
class FoundRegion:
    """Patches of one picture.

    Attributes:
        foreground: (h, w) bool, the class; empty where the picture is rejected.
        background: (h, w) bool, surely not the class.
        score: How sure that is, in [0, 1]: mean evidence within the foreground.
        rejected: Why the picture is not used, or None.
    """

    foreground: Mask
    background: Mask
    score: float
    rejected: str | None = None


def find_support_regions(
    evidence: Sequence[SupportEvidence], config: SupportConfig, *, stuff: bool = False
) -> list[FoundRegion]:
    """Find the class in each of its pictures.

    Marks decide alone where there are any. Else a map of the class is made: attribution where there is one,
    else text attention times likeness to the reference of the co-segmentation. A thing is the connected
    object in which that map is highest, less the patches that have little of it; stuff is every patch that
    has much of it.

    Args:
        evidence: Of the pictures of one class.
        config: Settings.
        stuff: Whether the class is a kind of stuff.

    Returns:
        A region for each picture, in their order.
    """
    regions: list[FoundRegion | None] = [
        None if one.mark is None or bool(one.mark.isnan().all()) else _marked(one) for one in evidence
    ]
    open_ = [index for index, region in enumerate(regions) if region is None]
    alone = [index for index in open_ if evidence[index].attribution is not None or not config.cosegment]
    for index in alone:
        one = evidence[index]
        shown = one.attribution
        regions[index] = _from_map(
            one, attention(one.text, one.context) if shown is None else shown, config, stuff
        )
    together = [index for index in open_ if index not in alone]
    for index, region in zip(
        together, _cosegmented([evidence[i] for i in together], config, stuff), strict=True
    ):
        regions[index] = region
    return [region for region in regions if region is not None]


def _cosegmented(
    evidence: Sequence[SupportEvidence], config: SupportConfig, stuff: bool
) -> list[FoundRegion]:
    """Regions of pictures without marks or attribution, each compared with the others."""
    weights = [attention(one.text, one.context) for one in evidence]
    reasons: list[str | None] = [
        None
        if float(one.text.max()) >= config.text
        else f"shows no cell of the class ({float(one.text.max()):.2f})"
        for one in evidence
    ]
    shown = [index for index, reason in enumerate(reasons) if reason is None]
    pairs = pair_support([evidence[i].tokens for i in shown], [weights[i] for i in shown]) if shown else []
    for _ in range(2):  # A reference that wrong pictures had no part in is found in the second round.
        kept = [index for index in shown if reasons[index] is None]
        if not kept:
            break
        places = [shown.index(index) for index in kept]
        best = [[pairs[a][b] for b in places] for a in places]
        found = cosegment([evidence[i].tokens for i in kept], [weights[i] for i in kept], best)
        least = config.agreement * max(0.0, float(found.agreement.median()))
        for index, likeness in zip(kept, found.agreement.tolist(), strict=True):
            if likeness < least or likeness <= 0:
                reasons[index] = f"its seed disagrees with the other pictures ({likeness:.2f})"
    regions = []
    for one, weight, reason in zip(evidence, weights, reasons, strict=True):
        if reason is not None:
            regions.append(_rejected(one, reason))
            continue
        likeness = F.normalize(one.tokens.float(), dim=1) @ found.reference
        regions.append(_from_map(one, weight * _stretched(likeness), config, stuff))
    return regions


def _from_map(one: SupportEvidence, shown: Tensor, config: SupportConfig, stuff: bool) -> FoundRegion:
    """The region of a class from a map (N,) of it."""
    best = float(shown.max())
    if best <= 0:
        return _rejected(one, "shows no cell of the class")
    relative: Map = (shown.float() / best).reshape(one.grid).cpu().numpy().astype(np.float32)
    strong: Mask = relative >= config.high
    if not stuff:
        objects = _objects(one, config)
        # Patches of the best object that have at least a little of the class: the rider is not the horse.
        strong = _best_object(objects, relative) & (relative >= config.low) if objects else strong
    cover = float(strong.mean())
    if cover < config.least_cover:
        return _rejected(one, f"covers {cover:.2%} of the picture, less than {config.least_cover:.2%}")
    if not stuff and cover > config.most_cover:
        return _rejected(one, f"covers {cover:.0%} of the picture, more than {config.most_cover:.0%}")
    away = _inner(~strong) & (relative < config.low)
    return FoundRegion(strong, away, min(1.0, best * float(relative[strong].mean())))


def _objects(one: SupportEvidence, config: SupportConfig) -> list[Mask]:
    """Connected parts of the foreground evidence, (h, w) bool each."""
    if one.foreground is None:
        return []
    parts, count = ndimage.label(one.foreground.reshape(one.grid).cpu().numpy() >= config.object)
    masks: list[Mask] = [parts == number for number in range(1, count + 1)]
    return [mask for mask in masks if mask.mean() >= config.least_cover]


def _best_object(objects: Sequence[Mask], relative: Map) -> Mask:
    """The one with the highest mean of the map (OVDiff's rule for its attribution maps)."""
    return max(objects, key=lambda mask: float(relative[mask].mean()))


def _marked(one: SupportEvidence) -> FoundRegion:
    """Marks as they are where they cover the picture; grown by affinity where they are boxes and strokes."""
    assert one.mark is not None
    said = ~one.mark.isnan()
    inside = said & (one.mark >= 0.5)
    if not bool(inside.any()):
        inside = said & (one.mark > 0) & (one.mark == one.mark.nan_to_num(0).max())
    outside = said & (one.mark <= 0)
    if not bool(said.all()):
        if bool(inside.any()):
            grown = _connected(one, nearest_annotated_patches(one.tokens, inside, outside), inside)
        elif bool(outside.any()):
            inside = box_seeds(one.tokens, outside)
            grown = _connected(one, walk(one.tokens, one.grid, inside, outside) > 0.5, inside)
        else:
            grown = inside
        outside = outside | ~(grown | said)
        inside = grown
    if not bool(inside.any()):
        return _rejected(one, "its marks name no cell of the class")
    mask = inside.reshape(one.grid).cpu().numpy()
    return FoundRegion(mask, _inner(outside.reshape(one.grid).cpu().numpy()), 1.0)


def _inner(mask: Mask) -> Mask:
    """Patches of a (h, w) mask whose eight neighbours, as far as there are any, belong to it too."""
    inner: Mask = ndimage.binary_erosion(mask, np.ones((3, 3), bool), border_value=1)
    return inner


def _connected(one: SupportEvidence, patches: Tensor, marked: Tensor) -> Tensor:
    """(N,) bool: the parts of ``patches`` that hold a marked one."""
    parts, _ = ndimage.label(patches.reshape(one.grid).cpu().numpy())
    wanted = np.unique(parts[marked.reshape(one.grid).cpu().numpy()])
    return torch.from_numpy(np.isin(parts, wanted[wanted > 0]).ravel()).to(patches.device)


def _stretched(likeness: Tensor) -> Tensor:
    """(N,) cosines to [0, 1] within the picture: features of one picture have much in common."""
    low, high = likeness.min(), likeness.max()
    return (likeness - low) / (high - low).clamp(min=1e-6)


def _rejected(one: SupportEvidence, reason: str) -> FoundRegion:
    nothing = np.zeros(one.grid, dtype=bool)
    return FoundRegion(nothing, nothing, 0.0, reason)
