"""Prepare a vocabulary for one encoder: fill its gaps from the lexicon, encode its prompts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from ovseg.config import FusionConfig
from ovseg.encoders.base import ImageTextEncoder
from ovseg.matching.prompts import TextClassifier, prompt_table
from ovseg.vocabulary import ClassSpec, Vocabulary
from ovseg.vocabulary.lexicon import background_words, enrich

__all__ = ["enriched", "text_classifier"]


def enriched(specs: Sequence[ClassSpec], image_text: ImageTextEncoder) -> tuple[ClassSpec, ...]:
    """Fill the gaps of classes from the lexicon: by their own words, or by words that mean the same.

    Args:
        specs: As the user gave them.
        image_text: In whose text space words are compared; one whose space does not say what means the same
            (``synonym_cosine`` is None) goes by the classes' own words alone.
    """
    if image_text.synonym_cosine is None:
        return enrich(specs, None)
    return enrich(specs, lambda texts: image_text.encode_text(texts).cpu().numpy(), image_text.synonym_cosine)


def text_classifier(
    vocabulary: Vocabulary, image_text: ImageTextEncoder, config: FusionConfig
) -> TextClassifier:
    """Return the classifier of a vocabulary: its classes, then background words, all prompts encoded.

    Args:
        vocabulary: The classes; without background words of its own it takes the shipped ones.
        image_text: The encoder.
        config: How the prompts of a class count as one (``synonyms``, ``attributes``).
    """
    words = vocabulary.background or background_words()
    specs = (*vocabulary.classes, *(ClassSpec(word) for word in words))
    known = enriched(specs, image_text)
    # Of a background word only kind and appearance count: it is one word of many for the same label.
    background = [
        ClassSpec(spec.name, appearance=spec.appearance, kind=spec.kind) for spec in known[len(vocabulary) :]
    ]
    full = Vocabulary(known[: len(vocabulary)], words, vocabulary.has_background, vocabulary.source)
    table = prompt_table(full, background)
    # Where every pixel gets one of the names, the nearest one counts, however far it is.
    head = image_text.prompt_head(table.prompts, table.target_count if vocabulary.has_background else None)
    class_prior = table.by_group(head.class_prior, config.synonyms, config.attributes)
    is_stuff = torch.tensor([spec.kind == "stuff" for spec in table.groups], device=class_prior.device)
    return TextClassifier(vocabulary, table, head, class_prior, is_stuff, config.synonyms, config.attributes)
