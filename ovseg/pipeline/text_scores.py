"""What the text scores says of an encoded image."""

from __future__ import annotations

import torch

from ovseg.config import SegmentConfig
from ovseg.matching import Evidence, appearance_evidence, fuse
from ovseg.matching.prototype_fusion import likely_classes, rule_out
from ovseg.pipeline.encode import EncodedImage
from ovseg.pipeline.multi_crop import multi_crop_scores
from ovseg.pipeline.text_classifier import TextClassifier

__all__ = ["text_scores"]


def text_scores(encoded: EncodedImage, classifier: TextClassifier, config: SegmentConfig) -> torch.Tensor:
    """(N, K + 1) scores of background and classes by names, foreground and appearance; rows sum to 1."""
    count = len(classifier.vocabulary)
    image = classifier.score(encoded.whole)
    if len(encoded.crops):
        image = multi_crop_scores(image, classifier.score(encoded.crops))
    evidence = Evidence(
        text=classifier.score(encoded.text),
        image=image,
        class_prior=classifier.class_prior,
        foreground=encoded.foreground,
        appearance=appearance_evidence(encoded.appearance, classifier.appearance),
    )
    scores = fuse(
        evidence,
        classifier.is_stuff,
        count,
        has_background=classifier.vocabulary.has_background,
        config=config,
    )
    if config.category_top_p < 1:
        likely = likely_classes(evidence.image[:count], ~classifier.is_stuff[:count], config.category_top_p)
        scores = rule_out(scores, likely)
    return scores
