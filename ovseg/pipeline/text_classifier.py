"""A vocabulary made ready for one encoder: its gaps filled from the lexicon, its prompts encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ovseg.encoders.base import ImageTextEncoder, PromptHead
from ovseg.matching import PromptTable, prompt_table
from ovseg.matching.prompts import Reduction
from ovseg.vocabulary import ClassSpec, Vocabulary
from ovseg.vocabulary.lexicon import background_words, enrich


def enriched(specs: Sequence[ClassSpec], image_text: ImageTextEncoder) -> tuple[ClassSpec, ...]:
    """Classes with their gaps filled from the lexicon: by their own words, or by words that mean the same.

    Args:
        specs: As the user gave them.
        image_text: In whose text space words are compared; one whose space does not say what means the same
            (``synonym_cosine`` is None) goes by the classes' own words alone.
    """
    if image_text.synonym_cosine is None:
        return enrich(specs, None)
    return enrich(specs, lambda texts: image_text.encode_text(texts).cpu().numpy(), image_text.synonym_cosine)


@dataclass(frozen=True)
class TextClassifier:
    """What deciding needs to know of a vocabulary.

    Attributes:
        vocabulary: As given.
        table: Its prompts in groups: K classes, then background words, with all that is known of them.
        head: The prompts as a classifier over the encoder's features.
        class_prior: (G,) probability that an average picture gives each group.
        is_stuff: (G,) bool; a word of unknown kind counts as a thing.
        synonyms: How the words of a class count as one, and its attributes.
        attributes: Weight of attributes beside words.
    """

    vocabulary: Vocabulary
    table: PromptTable
    head: PromptHead
    class_prior: torch.Tensor
    is_stuff: torch.Tensor
    synonyms: Reduction = "sum"
    attributes: float = 1.0

    @classmethod
    def prepare(
        cls,
        vocabulary: Vocabulary,
        image_text: ImageTextEncoder,
        *,
        synonyms: Reduction = "sum",
        attributes: float = 1.0,
    ) -> TextClassifier:
        """Fill in from the lexicon, and encode all prompts."""
        words = vocabulary.background or background_words()
        specs = (*vocabulary.classes, *(ClassSpec(word) for word in words))
        known = enriched(specs, image_text)
        # Of a background word only kind and looks count: it is one word of many for the same label.
        background = [
            ClassSpec(spec.name, appearance=spec.appearance, kind=spec.kind)
            for spec in known[len(vocabulary) :]
        ]
        full = Vocabulary(known[: len(vocabulary)], words, vocabulary.has_background, vocabulary.source)
        table = prompt_table(full, background)
        # Where every pixel gets one of the names, the nearest one is wanted, however far it is.
        head = image_text.prompt_head(
            table.prompts, table.target_count if vocabulary.has_background else None
        )
        class_prior = table.by_group(head.class_prior, synonyms, attributes)
        is_stuff = torch.tensor([spec.kind == "stuff" for spec in table.groups], device=class_prior.device)
        return cls(vocabulary, table, head, class_prior, is_stuff, synonyms, attributes)

    @property
    def appearance(self) -> tuple[tuple[str, ...], ...]:
        """What the looks of each group are said to be."""
        return tuple(spec.appearance for spec in self.table.groups)

    def score(self, features: torch.Tensor) -> torch.Tensor:
        """(…, D) features to (…, G) probabilities of the groups."""
        return self.table.by_group(self.head(features), self.synonyms, self.attributes)
