"""A vocabulary made ready for one encoder: its gaps filled from the lexicon, its prompts encoded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ovseg.encoders.base import ImageTextEncoder, PromptHead
from ovseg.matching import PromptTable, prompt_table
from ovseg.matching.prompts import Together
from ovseg.vocabulary import ClassSpec, Vocabulary
from ovseg.vocabulary.lexicon import background_words, enrich


def enriched(specs: Sequence[ClassSpec], names: ImageTextEncoder) -> tuple[ClassSpec, ...]:
    """Classes with their gaps filled from the lexicon: by their own words, or by words that mean the same.

    Args:
        specs: As the user gave them.
        names: In whose text space words are compared; one whose space does not say what means the same
            (``nearness`` is None) goes by the classes' own words alone.
    """
    if names.nearness is None:
        return enrich(specs, None)
    return enrich(specs, lambda texts: names.encode_text(texts).cpu().numpy(), names.nearness)


@dataclass(frozen=True)
class NamedClasses:
    """What deciding needs to know of a vocabulary.

    Attributes:
        vocabulary: As given.
        table: Its prompts in groups: K classes, then background words, with all that is known of them.
        head: The prompts as a classifier over the encoder's features.
        chance: (G,) probability that an average picture gives each group.
        is_stuff: (G,) bool; a word of unknown kind counts as a thing.
        synonyms: How the words of a class count as one, and its attributes.
        attributes: Weight of attributes beside words.
    """

    vocabulary: Vocabulary
    table: PromptTable
    head: PromptHead
    chance: torch.Tensor
    is_stuff: torch.Tensor
    synonyms: Together = "sum"
    attributes: float = 1.0

    @classmethod
    def prepare(
        cls,
        vocabulary: Vocabulary,
        names: ImageTextEncoder,
        *,
        synonyms: Together = "sum",
        attributes: float = 1.0,
    ) -> NamedClasses:
        """Fill in from the lexicon, and encode all prompts."""
        words = vocabulary.background or background_words()
        specs = (*vocabulary.classes, *(ClassSpec(word) for word in words))
        known = enriched(specs, names)
        # Of a background word only kind and looks count: it is one word of many for the same label.
        background = [
            ClassSpec(spec.name, looks=spec.looks, kind=spec.kind) for spec in known[len(vocabulary) :]
        ]
        full = Vocabulary(known[: len(vocabulary)], words, vocabulary.has_background, vocabulary.source)
        table = prompt_table(full, background)
        # Where every pixel gets one of the names, the nearest one is wanted, however far it is.
        head = names.prompt_head(table.prompts, table.asked if vocabulary.has_background else None)
        chance = table.by_group(head.chance, synonyms, attributes)
        is_stuff = torch.tensor([spec.kind == "stuff" for spec in table.groups], device=chance.device)
        return cls(vocabulary, table, head, chance, is_stuff, synonyms, attributes)

    @property
    def looks(self) -> tuple[tuple[str, ...], ...]:
        """What the looks of each group are said to be."""
        return tuple(spec.looks for spec in self.table.groups)

    def score(self, features: torch.Tensor) -> torch.Tensor:
        """(…, D) features to (…, G) probabilities of the groups."""
        return self.table.by_group(self.head(features), self.synonyms, self.attributes)
