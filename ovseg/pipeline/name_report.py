"""Report on names: similar words in the text space, what the lexicon knows, and likely confusions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from ovseg.encoders.base import ImageTextEncoder
from ovseg.errors import UsageError
from ovseg.pipeline.text_classifier import enriched
from ovseg.vocabulary import ClassSpec, Vocabulary, load_vocabulary, vocabulary_names
from ovseg.vocabulary.lexicon import background_words, lexicon

LIKELY = 0.99
"""Another class is likely to be confused with a name when it is nearer than this share of all known words."""


@dataclass(frozen=True)
class SimilarName:
    """Another word or class and its similarity.

    Attributes:
        name: The word or class.
        cosine: Of the two in the encoder's text space, the nearest pair of their words.
        share: Of all known words, how many are farther away.
    """

    name: str
    cosine: float
    share: float

    @property
    def likely(self) -> bool:
        """Whether the two are likely to be confused."""
        return self.share >= LIKELY


@dataclass(frozen=True)
class NameReport:
    """All that decides how a name is scored.

    Attributes:
        spec: The class with its gaps filled from the lexicon.
        templates: Name of the template set, or empty: words go in as they stand.
        examples: What the encoder reads for the name, a few.
        nearest: The nearest words of the lexicon, the background list and the shipped vocabularies.
        others: The other classes of the list, the nearest first.
        attributes: Cosine of each attribute with the name: one far from its name describes something else.
        known: How many words ``share`` is of.
    """

    spec: ClassSpec
    templates: str
    examples: tuple[str, ...]
    nearest: tuple[SimilarName, ...]
    others: tuple[SimilarName, ...]
    attributes: tuple[tuple[str, float], ...]
    known: int

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON-able values."""
        return {
            "name": self.spec.name,
            "words": list(self.spec.words),
            "kind": self.spec.kind,
            "appearance": list(self.spec.appearance),
            "negatives": list(self.spec.negatives),
            "attributes": [{"text": text, "cosine": cosine} for text, cosine in self.attributes],
            "templates": self.templates,
            "examples": list(self.examples),
            "known_words": self.known,
            "nearest": [vars(entry) for entry in self.nearest],
            "others": [vars(entry) | {"likely": entry.likely} for entry in self.others],
        }


def known_words() -> tuple[str, ...]:
    """Return words of the lexicon, the background list and the shipped vocabularies, each once."""
    words = [word for entry in lexicon() for word in entry.words]
    words += background_words()
    for name in vocabulary_names():
        words += [word for spec in load_vocabulary(name).classes for word in spec.words]
    return tuple(dict.fromkeys(word.casefold() for word in words))


def explain_names(
    targets: Sequence[ClassSpec],
    vocabulary: Vocabulary | None,
    image_text: ImageTextEncoder,
    *,
    top: int = 8,
    templates: Sequence[str] = (),
) -> list[NameReport]:
    """Return a report on each name.

    Words are compared as they stand, without templates, which pull all words together.

    Args:
        targets: The names.
        vocabulary: The list that they will compete in, with or without them; None: they compete with each
            other.
        image_text: In whose text space words are compared.
        top: How many similar words are returned.
        templates: Patterns of the encoder's template set, with ``{}`` for the word.

    Raises:
        UsageError: No names.
    """
    if not targets:
        raise UsageError('no names given: write ovseg names "sofa"')
    rival_classes = vocabulary.classes if vocabulary else ()
    given = {spec.name.casefold(): spec for spec in (*targets, *rival_classes)}
    specs = [given[spec.name.casefold()] for spec in targets]
    rivals = [spec for spec in given.values() if vocabulary is None or spec in rival_classes]

    def embed(texts: Sequence[str]) -> torch.Tensor:
        return F.normalize(image_text.encode_text(list(texts)).float().cpu(), dim=-1)

    reference = known_words()
    vectors = embed(reference)
    patterns = list(templates) or ["{}"]
    reports = []
    for spec in enriched(specs, image_text):
        own = embed(spec.words)
        cosines = (own @ vectors.T).amax(0)
        is_other = torch.tensor([word not in {w.casefold() for w in spec.words} for word in reference])
        scale = cosines[is_other].sort().values

        def similar(name: str, cosine: float, scale: torch.Tensor = scale) -> SimilarName:
            farther = int(torch.searchsorted(scale, torch.tensor(cosine)))
            return SimilarName(name, round(cosine, 4), round(farther / max(1, len(scale)), 4))

        order = [i for i in cosines.argsort(descending=True, stable=True).tolist() if is_other[i]][:top]
        others = [
            similar(rival.name, float((own @ embed(rival.words).T).max()))
            for rival in rivals
            if rival.name.casefold() != spec.name.casefold()
        ]
        attributes = [(text, round(float((own @ embed([text]).T).max()), 4)) for text in spec.attributes]
        reports.append(
            NameReport(
                spec=spec,
                templates=str(getattr(image_text, "templates", "")) if templates else "",
                examples=tuple(pattern.replace("{}", spec.name) for pattern in patterns[:3]),
                nearest=tuple(similar(reference[i], float(cosines[i])) for i in order),
                others=tuple(sorted(others, key=lambda entry: -entry.cosine)),
                attributes=tuple(attributes),
                known=int(is_other.sum()),
            )
        )
    return reports
