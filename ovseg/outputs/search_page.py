"""The page of ``ovseg pool search --html``: what was found as thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ovseg.errors import InputError
from ovseg.images import load_image
from ovseg.outputs.pages import data_url, write_page
from ovseg.support.pool.model import Pool
from ovseg.support.pool.ranking import Hit, Ranking

__all__ = ["thumbnail", "write_search_page"]

_SIDE = 240
_MOST_DROPPED = 60


def write_search_page(
    path: Path, title: str, pool: Pool, ranking: Ranking, roots: Sequence[Path] | None = None
) -> None:
    """Write one self-contained page: results by rank, then what was left out and why.

    A photo that cannot be read any more has its place without a picture.

    Args:
        path: The page.
        title: The query.
        pool: What was searched.
        ranking: What was found.
        roots: Where the pool's folders lie now; None: where they were.

    Raises:
        OutputError: It cannot be written.
    """
    dropped = ranking.dropped[:_MOST_DROPPED]
    write_page(
        path,
        "pool_search.html",
        title=title,
        found=len(ranking.hits),
        photos=len(pool),
        by_words=any(hit.probability is not None for hit in ranking.hits),
        hits=(_card(pool, hit, roots) for hit in ranking.hits),
        left_out=len(ranking.dropped),
        dropped=((entry.reason, _card(pool, entry.hit, roots)) for entry in dropped),
        dropped_at_most=_MOST_DROPPED,
    )


def _card(pool: Pool, hit: Hit, roots: Sequence[Path] | None) -> dict[str, Any]:
    return {
        "name": pool.name(hit.photo),
        "picture": thumbnail(pool.file(hit.photo, roots)),
        "similarity": hit.similarity,
        "probability": hit.probability,
        "licence": pool.entries[hit.photo].licence,
    }


def thumbnail(path: Path, side: int = _SIDE) -> str:
    """A photo as a small JPEG in a data URL; empty where it cannot be read."""
    try:
        small = Image.fromarray(load_image(path).pixels)
    except InputError:
        return ""
    small.thumbnail((side, side))
    return data_url(small, "JPEG", quality=82)
