"""From candidates to results: order, lists of names, margin, near copies; and why others are left out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ovseg.images.perceptual import near_copies
from ovseg.support.filters import PhotoFilter
from ovseg.support.pool.config import RetrievalConfig
from ovseg.support.pool.model import Pool

_LEAST = 1e-12

__all__ = ["Dropped", "Hit", "Ranking", "chosen"]


@dataclass(frozen=True)
class Hit:
    """A photo that was found.

    Attributes:
        photo: Index in the pool.
        view: Which view of it, index in the pool.
        similarity: Cosine of the query and the view.
        probability: Of the words against all others; None where they were not compared.
        margin: Logarithm of that over the best rival's.
    """

    photo: int
    view: int
    similarity: float
    probability: float | None = None
    margin: float | None = None

    def judged(self, probability: float, margin: float) -> Hit:
        """The same with what the prompt head says of it."""
        return replace(self, probability=probability, margin=margin)


@dataclass(frozen=True)
class Dropped:
    """A candidate that is not among the results though it ranks as high.

    Attributes:
        hit: The candidate.
        reason: ``denied``, ``not allowed``, ``off topic``, or ``near copy of NAME``.
    """

    hit: Hit
    reason: str


@dataclass(frozen=True)
class Ranking:
    """Results of a search.

    Attributes:
        hits: Best first.
        dropped: What ranks before the last of them and was left out, in the same order.
    """

    hits: tuple[Hit, ...]
    dropped: tuple[Dropped, ...] = ()


def chosen(
    pool: Pool,
    candidates: Sequence[Hit],
    k: int,
    config: RetrievalConfig,
    photo_filter: PhotoFilter,
) -> Ranking:
    """The k best candidates that are not left out, and those that are, with the reason.

    Args:
        pool: Where they are from.
        candidates: One a photo.
        k: At most so many.
        config: Order, margin and near copies.
        photo_filter: Which photos may be results.
    """
    hits: list[Hit] = []
    dropped: list[Dropped] = []
    for hit in _ordered(candidates, config):
        if len(hits) == k:
            break
        reason = _against(pool, hit, hits, config, photo_filter)
        if reason is None:
            hits.append(hit)
        else:
            dropped.append(Dropped(hit, reason))
    return Ranking(tuple(hits), tuple(dropped))


def _ordered(candidates: Sequence[Hit], config: RetrievalConfig) -> list[Hit]:
    """Best first; where nothing tells photos apart, in the order of the pool."""

    def score(hit: Hit) -> float:
        if config.cosine_weight is None or hit.probability is None:
            return hit.similarity
        # A product of two experts: exp(nearness * cosine) times probability.
        return config.cosine_weight * hit.similarity + math.log(max(hit.probability, _LEAST))

    return sorted(candidates, key=lambda hit: (-score(hit), hit.photo))


def _against(
    pool: Pool,
    hit: Hit,
    hits: Sequence[Hit],
    config: RetrievalConfig,
    photo_filter: PhotoFilter,
) -> str | None:
    """Why a candidate is left out, given the results before it; None: it is not."""
    refused = photo_filter.refusal(pool.name(hit.photo), pool.entries[hit.photo].sha256)
    if refused is not None:
        return refused
    if config.margin is not None and hit.margin is not None and hit.margin < config.margin:
        return "off topic"
    if config.distance is not None and hits:
        mine, others = [int(pool.hashes[hit.photo])], [int(pool.hashes[other.photo]) for other in hits]
        for _, place, _ in near_copies(mine, others, config.distance):
            return f"near copy of {pool.name(hits[place].photo)}"
    return None
