"""Words as a query: their embedding among images, and their probability against all other words."""

from __future__ import annotations

import re
from collections.abc import Sequence

import torch
import torch.nn.functional as F

from ovseg.encoders.base import ImageTextEncoder
from ovseg.prompts import read_lines
from ovseg.vocabulary.lexicon import background_words

_ARTICLE = re.compile(r"^(an?|the)\s+(?=\S)", re.IGNORECASE)

__all__ = ["rival_words", "text_embedding", "word_probabilities"]


def text_embedding(words: Sequence[str], image_text: ImageTextEncoder, templates: str) -> torch.Tensor:
    """(E,) unit length: the mean over words and templates, as in ReCo (section 3.1).

    Args:
        words: Name and synonyms of a class, or a phrase.
        image_text: The encoder.
        templates: File in ``prompts/templates``, with ``{}`` for the word.
    """
    patterns = read_lines("templates", f"{templates}.txt")
    # A template brings its own article.
    bare = [_ARTICLE.sub("", word) for word in words]
    texts = [pattern.replace("{}", word) for word in bare for pattern in patterns]
    return F.normalize(image_text.encode_text(texts).float().mean(0), dim=0)


def rival_words(
    words: Sequence[str],
    rivals: Sequence[str],
    image_text: ImageTextEncoder,
    like: float,
    background: Sequence[str] = (),
) -> tuple[str, ...]:
    """What a picture may show instead: other classes' words, then background words of another meaning.

    Args:
        words: Of the class.
        rivals: Of other classes; they are other classes because the user says so, however like they are.
        image_text: The encoder.
        like: Cosine of texts from which a background word means the same.
        background: Words that are no class; none: the shipped ones.
    """
    own = {word.casefold() for word in words}
    others = [word for word in dict.fromkeys(rivals) if word.casefold() not in own]
    taken = own | {word.casefold() for word in others}
    background = [word for word in background or background_words() if word.casefold() not in taken]
    if not background:
        return tuple(others)
    near = image_text.encode_text(background).float() @ image_text.encode_text(list(words)).float().T
    return (
        *others,
        *(
            w
            for w, cosine_weight in zip(background, near.amax(1).tolist(), strict=True)
            if cosine_weight < like
        ),
    )


def word_probabilities(
    features: torch.Tensor, words: Sequence[str], rivals: Sequence[str], image_text: ImageTextEncoder
) -> tuple[torch.Tensor, torch.Tensor]:
    """How likely pictures show the words, and how likely the best rival.

    Args:
        features: (V, D) of the image-text encoder, on its device.
        words: Of the class, at least one.
        rivals: From ``rival_words``, at least one.
        image_text: The encoder.

    Returns:
        (V,) probabilities of the words, summed, and (V,) of the best rival.
    """
    prompts = list(dict.fromkeys((*words, *rivals)))
    count = len(dict.fromkeys(words))
    found = image_text.prompt_head(prompts)(features).float().cpu()
    return found[:, :count].sum(1), found[:, count:].amax(1)
