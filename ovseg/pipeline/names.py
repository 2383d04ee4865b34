"""A vocabulary made ready for one encoder: its prompts encoded, its gaps filled from the lexicon."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ovseg.encoders.base import ImageTextEncoder, PromptHead
from ovseg.matching import PromptTable, prompt_table
from ovseg.vocabulary import Vocabulary
from ovseg.vocabulary.lexicon import enrich


@dataclass(frozen=True)
class NamedClasses:
    """What deciding needs to know of a vocabulary.

    Attributes:
        vocabulary: Enriched from the lexicon.
        table: Its prompts.
        head: Those prompts as a classifier over the encoder's features.
        chance: (K + 1,) probability that an average picture gives each class; the last is the background.
        is_stuff: (K,) bool; a class of unknown kind counts as a thing.
        looks: Per class, what its looks are said to be.
    """

    vocabulary: Vocabulary
    table: PromptTable
    head: PromptHead
    chance: torch.Tensor
    is_stuff: torch.Tensor
    looks: tuple[tuple[str, ...], ...]

    @classmethod
    def prepare(cls, vocabulary: Vocabulary, names: ImageTextEncoder) -> NamedClasses:
        """Fill in from the lexicon, and encode all prompts."""
        full = enrich(vocabulary, lambda texts: names.encode_text(texts).cpu().numpy())
        table = prompt_table(full)
        head = names.prompt_head(table.prompts)
        chance = table.by_class(head.chance)
        return cls(
            vocabulary=full,
            table=table,
            head=head,
            chance=chance,
            is_stuff=torch.tensor([spec.kind == "stuff" for spec in full.classes], device=chance.device),
            looks=tuple(spec.looks for spec in full.classes),
        )

    def score(self, features: torch.Tensor) -> torch.Tensor:
        """(…, D) features to (…, K + 1) class probabilities, the background last."""
        return self.table.by_class(self.head(features))
