"""What the text side says of an encoded image."""

from __future__ import annotations

import torch

from ovseg.config import SegmentConfig
from ovseg.matching import Evidence, fuse, look_evidence
from ovseg.matching.late import likely_classes, ruled_out
from ovseg.pipeline.encode import EncodedImage
from ovseg.pipeline.names import NamedClasses
from ovseg.pipeline.presence import presence

__all__ = ["name_scores"]


def name_scores(encoded: EncodedImage, named: NamedClasses, config: SegmentConfig) -> torch.Tensor:
    """(N, K + 1) scores of background and classes by names, foreground and looks; rows sum to 1."""
    count = len(named.vocabulary)
    image = named.score(encoded.whole)
    if len(encoded.crops):
        image = presence(image, named.score(encoded.crops))
    evidence = Evidence(
        text=named.score(encoded.text),
        image=image,
        chance=named.chance,
        foreground=encoded.foreground,
        looks=look_evidence(encoded.looks, named.looks),
    )
    scores = fuse(
        evidence, named.is_stuff, count, has_background=named.vocabulary.has_background, config=config
    )
    if config.category_mass < 1:
        likely = likely_classes(evidence.image[:count], ~named.is_stuff[:count], config.category_mass)
        scores = ruled_out(scores, likely)
    return scores
