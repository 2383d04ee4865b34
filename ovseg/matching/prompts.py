"""From a vocabulary to a flat list of text prompts that know their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ovseg.vocabulary import ClassSpec, Vocabulary


@dataclass(frozen=True)
class PromptTable:
    """All text prompts of a vocabulary, in groups that are scored as one.

    The first K groups are the classes; each negative and each background word is a group of its own behind.

    Attributes:
        prompts: T distinct texts.
        owners: (T,) int64, the group of each prompt.
        groups: What each of the G groups is, classes first.
        classes: K.
    """

    prompts: tuple[str, ...]
    owners: torch.Tensor
    groups: tuple[ClassSpec, ...]
    classes: int

    @property
    def asked(self) -> int:
        """How many of the prompts belong to the classes; they come first."""
        return int((self.owners < self.classes).sum())

    def by_group(self, probabilities: torch.Tensor) -> torch.Tensor:
        """(…, T) probabilities of prompts to (…, G) of groups, summed."""
        shape = (*probabilities.shape[:-1], len(self.groups))
        zeros = torch.zeros(shape, dtype=probabilities.dtype, device=probabilities.device)
        return zeros.index_add_(-1, self.owners.to(probabilities.device), probabilities)


def prompt_table(vocabulary: Vocabulary, background: Sequence[ClassSpec]) -> PromptTable:
    """Prompts of each class (name, synonyms, attributes), then negatives and background words.

    A text that several groups claim goes to the first. Background words compete even where every pixel
    must get one of the names: there they take what belongs to no name, so that it counts for none.

    Args:
        vocabulary: The classes.
        background: Background words with what is known of them; words of the classes are left out.
    """
    owner: dict[str, int] = {}
    groups = list(vocabulary.classes)
    for index, spec in enumerate(vocabulary.classes):
        for text in (*spec.words, *spec.attributes):
            owner.setdefault(text, index)
    negatives = [ClassSpec(text, kind="thing") for spec in vocabulary.classes for text in spec.negatives]
    for spec in (*negatives, *background):
        if spec.name not in owner:
            owner[spec.name] = len(groups)
            groups.append(spec)
    return PromptTable(tuple(owner), torch.tensor(list(owner.values())), tuple(groups), len(vocabulary))
