"""Appearance attributes that pixels show directly: colour, place and texture.

A text encoder that never saw a picture of sky still knows the word, and a vocabulary can say that sky is
blue, white or grey, at the top and smooth. Here a picture's patches are described in the same words, so that
the two can be compared. The eleven colour words are the basic colour terms of Berlin & Kay (1969).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from ovseg.matching.affinity import PatchAffinity
from ovseg.vocabulary.appearance import ASPECTS, parse_appearance

Array = npt.NDArray[np.float32]

SAMPLES = 4
"""Pixels along each side of a patch that its colour and texture are read from."""

# Typical values in CIE Lab (D65); natural pictures are paler than focal colours, so most have several. The
# hue angle of Lab bends towards purple for vivid blues, so those have values of their own.
_COLOURS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "black": ((10, 0, 0), (22, 0, 0)),
    "white": ((97, 0, 0), (88, 0, -3)),
    "grey": ((40, 0, 0), (55, 0, 0), (70, 0, 0)),
    "red": ((45, 60, 35), (30, 40, 22)),
    "green": ((50, -35, 28), (60, -14, 30), (35, -12, 18), (75, -25, 40)),
    "yellow": ((82, 0, 70), (75, 3, 45)),
    "blue": ((45, 5, -45), (70, -6, -22), (30, 5, -25), (82, -6, -12), (38, 28, -66), (28, 73, -99)),
    "brown": ((38, 14, 24), (55, 10, 24), (25, 7, 11)),
    "orange": ((65, 40, 62), (60, 28, 45)),
    "pink": ((72, 30, 5), (75, 17, 15)),
    "purple": ((40, 40, -38), (60, 25, -22), (40, 73, -72)),
}
_LIGHTNESS = 0.6  # lightness says less about a surface than its hue: shadows and sun
_COLOUR_WIDTH = 14.0


@dataclass(frozen=True)
class PatchAppearance:
    """The patches of a picture described in words.

    Attributes:
        colour: (N, 11) share of each colour word, rows summing to 1.
        place: (N, 3) share of top, middle, bottom, rows summing to 1.
        texture: (N, 3) share of smooth, fine, rough, rows summing to 1.
    """

    colour: torch.Tensor
    place: torch.Tensor
    texture: torch.Tensor

    @classmethod
    def of(cls, pixels: npt.NDArray[np.uint8]) -> PatchAppearance:
        """Describe a picture.

        Args:
            pixels: (4h, 4w, 3) uint8 RGB, the picture scaled to four samples a side of each of h x w patches.
        """
        from skimage.color import rgb2lab

        lab = rgb2lab(pixels.astype(np.float32) / 255)
        height, width = pixels.shape[0] // SAMPLES, pixels.shape[1] // SAMPLES
        return cls(
            colour=torch.from_numpy(_colour_shares(lab, height, width)),
            place=torch.from_numpy(_place_shares(height, width)),
            texture=torch.from_numpy(_texture_shares(lab[..., 0], height, width)),
        )

    def to(self, device: torch.device) -> PatchAppearance:
        """Return the same on a device."""
        return PatchAppearance(self.colour.to(device), self.place.to(device), self.texture.to(device))

    def propagate(self, affinity: PatchAffinity) -> PatchAppearance:
        """Mix each patch's description with those of patches like it."""
        return PatchAppearance(*map(affinity.propagate, (self.colour, self.place, self.texture)))


def appearance_evidence(
    appearance: PatchAppearance, specs: Sequence[tuple[str, ...]], *, doubt: float = 0.15
) -> torch.Tensor:
    """Return how well each class's appearance attributes fit each patch.

    The words of an attribute stand for frequencies of an aspect's words (1, 1/2, 1/3… for colours; equal for
    place and texture). The evidence is the log likelihood ratio of the patch's description under these
    frequencies and under equal ones for every word, summed over aspects; ``doubt`` is the share of equal
    frequencies that is mixed in, so that one odd patch rules nothing out. A class without attributes has
    evidence 0. Attributes with many words are less specific and gain less.

    Args:
        appearance: Of N patches.
        specs: Per class, entries ``"aspect: word, word"``.
        doubt: In (0, 1).

    Returns:
        (N, len(specs)) float32.

    Raises:
        ConfigError: An aspect or word that is not in ``ovseg.vocabulary.appearance.ASPECTS``.
    """
    columns = []
    for spec in specs:
        total = torch.zeros_like(appearance.colour[:, 0])
        for entry in spec:
            aspect, weights = _frequencies(entry)
            shares: torch.Tensor = getattr(appearance, aspect)
            ratio = shares @ weights.to(shares.device) * len(weights)
            total = total + torch.log((1 - doubt) * ratio + doubt)
        columns.append(total)
    return torch.stack(columns, dim=1) if columns else appearance.colour[:, :0]


def _frequencies(entry: str) -> tuple[str, torch.Tensor]:
    """Return the aspect of ``"colour: blue, white"`` and the (W,) frequencies of the aspect's words."""
    aspect, words = parse_appearance(entry)
    weights = torch.zeros(len(ASPECTS[aspect]))
    for rank, word in enumerate(words):
        weights[ASPECTS[aspect].index(word)] = 1 / (1 + rank) if aspect == "colour" else 1.0
    return aspect, weights / weights.sum()


def _by_patch(values: npt.NDArray[np.floating], height: int, width: int) -> Array:
    """Return the (N, C) mean of (4h, 4w, C) over each patch."""
    patches = values.reshape(height, SAMPLES, width, SAMPLES, -1).mean(axis=(1, 3))
    result: Array = patches.reshape(height * width, -1).astype(np.float32)
    return result


def _colour_shares(lab: npt.NDArray[np.floating], height: int, width: int) -> Array:
    scale = np.array([_LIGHTNESS, 1, 1], dtype=np.float32)
    points = lab.reshape(-1, 1, 3).astype(np.float32) * scale
    likelihood = np.empty((len(points), len(_COLOURS)), dtype=np.float32)
    for i, examples in enumerate(_COLOURS.values()):
        squared = ((points - np.array(examples, dtype=np.float32) * scale) ** 2).sum(-1).min(-1)
        likelihood[:, i] = np.exp(-squared / (2 * _COLOUR_WIDTH**2))
    likelihood += 1e-4
    shares = likelihood / likelihood.sum(-1, keepdims=True)
    return _by_patch(shares.reshape(*lab.shape[:2], -1), height, width)


def _place_shares(height: int, width: int) -> Array:
    y = (np.arange(height, dtype=np.float32) + 0.5) / height
    top, middle, bottom = (
        np.exp(-((y / 0.45) ** 2)),
        np.exp(-(((y - 0.5) / 0.3) ** 2)),
        np.exp(-(((1 - y) / 0.45) ** 2)),
    )
    rows = np.stack([top, middle, bottom], axis=1)
    return np.repeat(rows / rows.sum(1, keepdims=True), width, axis=0)


def _texture_shares(lightness: npt.NDArray[np.floating], height: int, width: int) -> Array:
    """Return shares of smooth, fine and rough by the log of the mean step between samples (Lab L)."""
    steps = np.zeros_like(lightness, dtype=np.float32)
    steps[:, 1:] += np.abs(np.diff(lightness, axis=1))
    steps[1:] += np.abs(np.diff(lightness, axis=0))
    level = np.log(_by_patch(steps[..., None], height, width)[:, 0] + 0.5)
    shares = np.stack(
        [
            1 / (1 + np.exp(2 * (level - 1.3))),
            np.exp(-(((level - 1.8) / 0.7) ** 2)),
            1 / (1 + np.exp(2 * (1.7 - level))),
        ],
        axis=1,
    )
    result: Array = (shares / shares.sum(1, keepdims=True)).astype(np.float32)
    return result
