"""Search a pool by words or by a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.encoders.base import ImageTextEncoder
from ovseg.index import Index, IndexConfig, build_index
from ovseg.support.filters import PhotoFilter
from ovseg.support.pool.config import RetrievalConfig
from ovseg.support.pool.model import Pool
from ovseg.support.pool.query import rival_words, text_embedding, word_probabilities
from ovseg.support.pool.ranking import Hit, Ranking, chosen

__all__ = ["PoolSearch"]

_ROWS = 2**16
"""Views embedded at a time."""
_LEAST = 100
"""Photos by embedding, at least, among which the best are looked for."""


class PoolSearch:
    """A pool ready to be asked. The same question gives the same answer.

    Args:
        pool: Made by ``names`` (see ``require_fingerprint``).
        image_text: The encoder.
        device: Where it computes.
        config: How photos are found; default ``RetrievalConfig()``.
        index: How neighbours are searched; default ``IndexConfig()``.
        background: Words for what is no class; none: the shipped ones.
    """

    def __init__(
        self,
        pool: Pool,
        image_text: ImageTextEncoder,
        device: torch.device,
        config: RetrievalConfig | None = None,
        index: IndexConfig | None = None,
        background: Sequence[str] = (),
    ) -> None:
        self.pool = pool
        self.config = config or RetrievalConfig()
        self._image_text = image_text
        self._device = device
        self._index_config = index or IndexConfig()
        self._background = tuple(background)

    @cached_property
    def embeddings(self) -> npt.NDArray[np.float32]:
        """(V, E) unit-length embeddings of the views among the texts."""
        features = self.pool.features
        parts = [self._embedded(features[i : i + _ROWS]) for i in range(0, len(features), _ROWS)]
        return np.concatenate(parts) if parts else np.empty((0, 1), np.float32)

    @cached_property
    def index(self) -> Index:
        """The views, searchable."""
        return build_index(self.embeddings, self._index_config, device=str(self._device))

    def by_words(
        self,
        words: Sequence[str],
        k: int,
        *,
        rivals: Sequence[str] = (),
        photo_filter: PhotoFilter | None = None,
    ) -> Ranking:
        """The photos that show a class, the surest first.

        Args:
            words: Its name and synonyms, or a phrase.
            k: Photos at most.
            rivals: Words of the other classes that are looked for.
            photo_filter: Which photos may be results; None: all.
        """
        config = self.config
        query = text_embedding(words, self._image_text, config.templates)
        hits = self._candidates(query.cpu().numpy().astype(np.float32), max(_LEAST, k * config.candidates))
        others = rival_words(words, rivals, self._image_text, config.like, self._background)
        if hits and others:
            rows = np.array([hit.view for hit in hits])
            features = torch.from_numpy(self.pool.features[rows]).to(self._device).float()
            own, best = word_probabilities(features, words, others, self._image_text)
            margins = (own.clamp_min(1e-12) / best.clamp_min(1e-12)).log()
            hits = [
                hit.judged(probability, margin)
                for hit, probability, margin in zip(hits, own.tolist(), margins.tolist(), strict=True)
            ]
        return chosen(self.pool, hits, k, config, photo_filter or PhotoFilter())

    def by_image(
        self,
        features: npt.NDArray[np.float16],
        k: int,
        *,
        photo_filter: PhotoFilter | None = None,
    ) -> Ranking:
        """The photos most like a picture.

        Args:
            features: (D,) of the picture as a whole, from ``encode_views``.
            k: Photos at most.
            photo_filter: Which photos may be results; None: all.
        """
        query = self._embedded(features[None])[0]
        hits = self._candidates(query, max(_LEAST, k * self.config.candidates))
        return chosen(self.pool, hits, k, self.config, photo_filter or PhotoFilter())

    def describe(self) -> dict[str, Any]:
        """Settings and index, JSON-able."""
        return {"config": self.config.to_dict(), "index": self.index.describe()}

    def _embedded(self, features: npt.NDArray[np.float16]) -> npt.NDArray[np.float32]:
        rows = torch.from_numpy(features).to(self._device).float()
        return self._image_text.embed(rows).cpu().numpy().astype(np.float32)

    def _candidates(self, query: npt.NDArray[np.float32], count: int) -> list[Hit]:
        """The best view of each photo among the nearest views."""
        if not len(self.pool):
            return []
        views = len(self.pool.owners) // len(self.pool)
        scores, rows = self.index.search(query[None], max(1, count * views))
        best: dict[int, Hit] = {}
        for score, view in zip(scores[0].tolist(), rows[0].tolist(), strict=True):
            if view >= 0:
                photo = int(self.pool.owners[view])
                best.setdefault(photo, Hit(photo, view, score))
        return list(best.values())
