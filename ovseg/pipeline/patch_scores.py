"""All that is known of an image's patches in one set of scores: names, a bank, and the votes of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ovseg.config import SegmentConfig
from ovseg.discovery import EigenConfig, connected_regions, spectral_segments
from ovseg.discovery.config import LAST_TOKENS
from ovseg.matching.region_pooling import region_pooling
from ovseg.pipeline.bank_matching import BankMatcher
from ovseg.pipeline.encode import EncodedImage
from ovseg.pipeline.text_classifier import TextClassifier
from ovseg.pipeline.text_scores import text_scores

__all__ = ["PatchScores", "image_regions", "patch_scores"]


@dataclass(frozen=True)
class PatchScores:
    """Scores of one image's patches, and the prototypes behind them.

    Attributes:
        scores: (N, K + 1) in [0, 1], background first, rows summing to 1.
        nearest_prototypes: By space, (N,) row in the bank's table of the nearest prototype of the patch's
            best class (-1: none), and (N,) its cosine; empty where there is no bank or it was not asked for.
    """

    scores: torch.Tensor
    nearest_prototypes: dict[str, tuple[torch.Tensor, torch.Tensor]]


def patch_scores(
    encoded: EncodedImage,
    classifier: TextClassifier,
    config: SegmentConfig,
    bank: BankMatcher | None = None,
    *,
    without: Sequence[int] = (),
    explain: bool = False,
) -> PatchScores:
    """Names, then the bank, then the regions' votes.

    Args:
        encoded: The image.
        classifier: The classes.
        config: Weights of all three.
        bank: A bank that takes part.
        without: Its support images that do not count (see :meth:`BankMatcher.own_supports`).
        explain: Whether to find the ``nearest_prototypes`` too: prototypes of the class that a patch ends
            with, by its own scores or by its region's vote.
    """
    vocabulary = classifier.vocabulary
    scores = text_scores(encoded, classifier, config)
    if bank is not None:
        scores = bank.fuse(encoded, scores, vocabulary, config, without=without)
    if config.region_pooling > 0:
        scores = region_pooling(scores, image_regions(encoded, config), config.region_pooling)
    if bank is None or not explain:
        return PatchScores(scores, {})
    labels = scores.argmax(dim=1) - 1
    return PatchScores(scores, bank.nearest_prototypes(encoded, vocabulary, labels, config, without=without))


def image_regions(encoded: EncodedImage, config: SegmentConfig) -> torch.Tensor:
    """(N,) int64 region of each patch: ``config.regions`` segments by normalized cut, in connected
    components.

    They are made of the backbone's last tokens, which the encoding holds, on the CPU, so that they are
    the same wherever the encoders run.
    """
    tokens = encoded.tokens.float().cpu().reshape(*encoded.grid, -1)
    cut = replace(LAST_TOKENS, eigen=EigenConfig(seed=config.seed))
    found = spectral_segments(tokens, segments=config.regions or None, seed=config.seed, config=cut)
    return torch.from_numpy(connected_regions(found)).flatten().to(encoded.tokens.device)
