"""Decide: an encoded image and a vocabulary to the scores of its patches, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from ovseg.config import RegionPoolingConfig, SegmentConfig
from ovseg.discovery import EigenConfig, connected_regions, spectral_segments
from ovseg.discovery.config import LAST_TOKENS
from ovseg.matching.encoded_image import EncodedImage
from ovseg.matching.fusion import fuse_prototypes, pool_regions
from ovseg.matching.prompts import TextClassifier
from ovseg.matching.text_scores import text_scores
from ovseg.pipeline.bank_matching import BankMatcher

__all__ = ["image_regions", "patch_scores"]


def patch_scores(
    image: EncodedImage,
    classifier: TextClassifier,
    config: SegmentConfig,
    bank: BankMatcher | None = None,
    excluded_supports: Sequence[int] = (),
) -> Tensor:
    """Return (N, K + 1) scores, background first: text scores, moved by a bank, pooled over regions.

    Args:
        image: The image.
        classifier: The classes.
        config: Each stage takes its own part.
        bank: A bank that takes part.
        excluded_supports: Its support images that do not count (see :meth:`BankMatcher.own_supports`).
    """
    vocabulary = classifier.vocabulary
    scores = text_scores(image, classifier, config.fusion)
    if bank is not None:
        prototypes = bank.scores(image, vocabulary, excluded_supports)
        resolved = bank.resolved(config.bank)
        scores = fuse_prototypes(scores, prototypes, resolved, has_background=vocabulary.has_background)
    if config.region_pooling.region_weight > 0:
        regions = image_regions(image, config.region_pooling)
        scores = pool_regions(scores, regions, config.region_pooling.region_weight)
    return scores


def image_regions(image: EncodedImage, config: RegionPoolingConfig) -> Tensor:
    """Return the (N,) int64 region of each patch: connected components of segments by normalized cut.

    They are cut from the backbone's last tokens, on the CPU, so that they are the same wherever the encoders
    run.
    """
    tokens = image.tokens.float().cpu().reshape(*image.grid, -1)
    cut = replace(LAST_TOKENS, eigen=EigenConfig(seed=config.seed))
    found = spectral_segments(tokens, segments=config.segments or None, seed=config.seed, config=cut)
    return torch.from_numpy(connected_regions(found)).flatten().to(image.tokens.device)
