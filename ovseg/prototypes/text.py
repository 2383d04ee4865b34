"""Text prototypes: names, synonyms and attributes in the space of the image-text encoder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.prototypes.bank import KINDS, PrototypeTable
from ovseg.prototypes.pooling import unit
from ovseg.vocabulary import ClassSpec

__all__ = ["text_table"]


def text_table(
    space: str,
    identity: Mapping[str, Any],
    specs: Sequence[ClassSpec],
    encode: Callable[[Sequence[str]], npt.NDArray[np.float32]],
) -> PrototypeTable:
    """One prototype for each name, synonym and attribute of each class, in this order.

    Args:
        space: Name of the space of texts.
        identity: What decides the values there: encoder and templates.
        specs: The K classes.
        encode: Texts to (T, D) unit-length embeddings.
    """
    pairs = [
        (index, text)
        for index, spec in enumerate(specs)
        for text in dict.fromkeys((*spec.words, *spec.attributes))
    ]
    texts = [text for _, text in pairs]
    count = len(pairs)
    return PrototypeTable(
        space=space,
        identity=identity,
        vectors=unit(np.ascontiguousarray(encode(texts), np.float32)),
        classes=np.array([index for index, _ in pairs], np.int32),
        kinds=np.full(count, KINDS.index("text"), np.uint8),
        foreground=np.ones(count, np.bool_),
        regions=np.full(count, -1, np.int32),
        texts=dict(enumerate(texts)),
    )
