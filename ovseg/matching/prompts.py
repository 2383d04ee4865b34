"""From a vocabulary to a flat list of text prompts that know their class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from ovseg.vocabulary import ClassSpec, Vocabulary

Reduction = Literal["sum", "max", "mean"]
"""How several prompts of one class count as one."""


@dataclass(frozen=True)
class PromptTable:
    """All text prompts of a vocabulary, in groups that are scored as one.

    The first K groups are the classes; each negative and each background word is a group of its own behind.

    Attributes:
        prompts: T distinct texts.
        owners: (T,) int64, the group of each prompt.
        groups: What each of the G groups is, classes first.
        classes: K.
        described: (T,) bool: the prompt is an attribute of its class, not a word for it.
    """

    prompts: tuple[str, ...]
    owners: torch.Tensor
    groups: tuple[ClassSpec, ...]
    classes: int
    described: torch.Tensor

    @property
    def target_count(self) -> int:
        """How many of the prompts belong to the classes; they come first."""
        return int((self.owners < self.classes).sum())

    def by_group(
        self, probabilities: torch.Tensor, reduction: Reduction = "sum", attributes: float = 1.0
    ) -> torch.Tensor:
        """(…, T) probabilities of prompts to (…, G) of groups.

        In two steps, as AttrSeg (Ma et al., NeurIPS 2023, section 3.3) gathers attributes: the words of a
        class among themselves, its attributes among themselves, then the two.

        Args:
            probabilities: Of the prompts.
            reduction: How the prompts of either step count as one.
            attributes: Weight of a class's attributes beside its words, which have 1.

        Returns:
            Sums as they are; in any other way, shares that sum to 1 over the groups.
        """
        if reduction == "sum" and attributes == 1:
            return _gathered(probabilities, self.owners, len(self.groups), "sum")
        described = self.described.to(probabilities.device)
        # Attributes take the places behind the words'.
        places = self.owners.to(probabilities.device) + len(self.groups) * described
        words, details = _gathered(probabilities, places, 2 * len(self.groups), reduction).chunk(2, dim=-1)
        total = words + attributes * details
        return total / total.sum(-1, keepdim=True).clamp(min=1e-12)


def _gathered(values: torch.Tensor, places: torch.Tensor, count: int, reduction: Reduction) -> torch.Tensor:
    """(…, T) values to (…, count) by place; 0 where there is nothing."""
    zeros = torch.zeros((*values.shape[:-1], count), dtype=values.dtype, device=values.device)
    index = places.to(values.device)
    if reduction == "sum":
        return zeros.index_add_(-1, index, values)
    how = "amax" if reduction == "max" else "mean"
    return zeros.scatter_reduce(-1, index.expand_as(values), values, how, include_self=False)


def prompt_table(vocabulary: Vocabulary, background: Sequence[ClassSpec]) -> PromptTable:
    """Prompts of each class (name, synonyms, attributes), then negatives and background words.

    A text that several groups claim goes to the first. Background words compete even where every pixel
    must get one of the names: there they take what belongs to no name, so that it counts for none.

    Args:
        vocabulary: The classes.
        background: Background words with what is known of them; words of the classes are left out.
    """
    owner: dict[str, int] = {}
    attributes: set[str] = set()
    groups = list(vocabulary.classes)
    for index, spec in enumerate(vocabulary.classes):
        for text in (*spec.words, *spec.attributes):
            if text not in owner and text not in spec.words:
                attributes.add(text)
            owner.setdefault(text, index)
    negatives = [ClassSpec(text, kind="thing") for spec in vocabulary.classes for text in spec.negatives]
    for spec in (*negatives, *background):
        if spec.name not in owner:
            owner[spec.name] = len(groups)
            groups.append(spec)
    return PromptTable(
        tuple(owner),
        torch.tensor(list(owner.values())),
        tuple(groups),
        len(vocabulary),
        torch.tensor([text in attributes for text in owner]),
    )
