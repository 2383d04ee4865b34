"""From a vocabulary to a flat list of text prompts that know their class."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ovseg.vocabulary import Vocabulary


@dataclass(frozen=True)
class PromptTable:
    """All text prompts of a vocabulary.

    Attributes:
        prompts: T distinct texts.
        owners: (T,) int64; ``k`` for a prompt of class ``k`` (from 0), K for one of the background or a negative.
        classes: K.
    """

    prompts: tuple[str, ...]
    owners: torch.Tensor
    classes: int

    def by_class(self, probabilities: torch.Tensor) -> torch.Tensor:
        """(…, T) probabilities of prompts to (…, K + 1) of classes, summed; the last is the background."""
        shape = (*probabilities.shape[:-1], self.classes + 1)
        zeros = torch.zeros(shape, dtype=probabilities.dtype, device=probabilities.device)
        return zeros.index_add_(-1, self.owners.to(probabilities.device), probabilities)


def prompt_table(vocabulary: Vocabulary) -> PromptTable:
    """Prompts of each class (name, synonyms, attributes), then negatives and background words.

    A text that several classes claim goes to the first. Background words compete even where every pixel
    must get one of the names: there they take what belongs to no name, so that it counts for none.
    """
    owner: dict[str, int] = {}
    for index, spec in enumerate(vocabulary.classes):
        for text in (*spec.words, *spec.attributes):
            owner.setdefault(text, index)
    rest = len(vocabulary)
    for spec in vocabulary.classes:
        for text in spec.negatives:
            owner.setdefault(text, rest)
    for text in vocabulary.background:
        owner.setdefault(text, rest)
    return PromptTable(tuple(owner), torch.tensor(list(owner.values())), rest)
