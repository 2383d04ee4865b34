"""From a vocabulary to text prompts in groups, and to a classifier of patches over these groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from ovseg.vocabulary import ClassSpec, Vocabulary

__all__ = ["PromptTable", "Reduction", "TextClassifier", "prompt_table"]

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
    owners: Tensor
    groups: tuple[ClassSpec, ...]
    classes: int
    described: Tensor

    @property
    def target_count(self) -> int:
        """Number of prompts that belong to the classes; they come first."""
        return int((self.owners < self.classes).sum())

    def by_group(
        self, probabilities: Tensor, reduction: Reduction = "sum", attributes: float = 1.0
    ) -> Tensor:
        """Return the (…, G) probabilities of groups for (…, T) probabilities of prompts.

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
            return _reduced(probabilities, self.owners, len(self.groups), "sum")
        described = self.described.to(probabilities.device)
        # Attributes have rows of their own, behind those of the words.
        targets = self.owners.to(probabilities.device) + len(self.groups) * described
        words, details = _reduced(probabilities, targets, 2 * len(self.groups), reduction).chunk(2, dim=-1)
        total = words + attributes * details
        return total / total.sum(-1, keepdim=True).clamp(min=1e-12)


def _reduced(values: Tensor, targets: Tensor, count: int, reduction: Reduction) -> Tensor:
    """Return (…, count) reductions of the (…, T) values with the same target; 0 where there are none."""
    zeros = torch.zeros((*values.shape[:-1], count), dtype=values.dtype, device=values.device)
    index = targets.to(values.device)
    if reduction == "sum":
        return zeros.index_add_(-1, index, values)
    how = "amax" if reduction == "max" else "mean"
    return zeros.scatter_reduce(-1, index.expand_as(values), values, how, include_self=False)


def prompt_table(vocabulary: Vocabulary, background: Sequence[ClassSpec]) -> PromptTable:
    """Return prompts of each class (name, synonyms, attributes), then negatives and background words.

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


@dataclass(frozen=True)
class TextClassifier:
    """A vocabulary ready for one image-text encoder: features to probabilities of its groups of prompts.

    Attributes:
        vocabulary: As given.
        table: Its prompts in groups: K classes, then background words, with all that is known of them.
        head: (…, D) features of the encoder to (…, T) probabilities of the prompts.
        class_prior: (G,) probability that an average picture gives each group.
        is_stuff: (G,) bool; a word of unknown kind counts as a thing.
        synonyms: How the prompts of a class count as one.
        attributes: Weight of attributes beside words.
    """

    vocabulary: Vocabulary
    table: PromptTable
    head: Callable[[Tensor], Tensor]
    class_prior: Tensor
    is_stuff: Tensor
    synonyms: Reduction = "sum"
    attributes: float = 1.0

    @property
    def appearance(self) -> tuple[tuple[str, ...], ...]:
        """Appearance attributes of each group."""
        return tuple(spec.appearance for spec in self.table.groups)

    def score(self, features: Tensor) -> Tensor:
        """Return the (…, G) probabilities of the groups for (…, D) features."""
        return self.table.by_group(self.head(features), self.synonyms, self.attributes)
