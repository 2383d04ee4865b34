"""The results of a search as one self-contained page of thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from PIL import Image

from ovseg.errors import InputError
from ovseg.images import load_image
from ovseg.outputs.html import data_url, page_head
from ovseg.support.pool.model import Pool
from ovseg.support.pool.ranking import Hit, Ranking

__all__ = ["contact_sheet", "thumbnail"]

_SIDE = 240
_MOST_DROPPED = 60
_STYLE = """
:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif; }
body { margin: 1.5rem auto; padding: 0 1rem; max-width: 84rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
.soft { opacity: .7; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 1rem; }
figure { margin: 0; }
figure img { width: 100%; height: 170px; object-fit: contain; background: rgb(128 128 128 / .15); }
figcaption { font-size: .85rem; overflow-wrap: anywhere; }
"""


def contact_sheet(title: str, pool: Pool, ranking: Ranking, roots: Sequence[Path] | None = None) -> str:
    """The page: results by rank, then what was left out and why.

    A photo that cannot be read any more has its place without a picture.

    Args:
        title: What was looked for.
        pool: What was searched.
        ranking: What was found.
        roots: Where the pool's folders lie now; None: where they were.
    """
    found = "".join(_figure(pool, hit, roots, f"{rank}. ") for rank, hit in enumerate(ranking.hits, start=1))
    dropped = "".join(
        _figure(pool, entry.hit, roots, f"{entry.reason}: ") for entry in ranking.dropped[:_MOST_DROPPED]
    )
    rest = len(ranking.dropped) - _MOST_DROPPED
    more = f'<p class="soft">and {rest} more</p>\n' if rest > 0 else ""
    left_out = f'<h2>Left out</h2>\n<div class="grid">\n{dropped}</div>\n{more}' if dropped else ""
    return (
        f"{page_head(_readable(title), _STYLE)}<h1>{_text(title)}</h1>\n"
        f'<p class="soft">{len(ranking.hits)} of {len(pool)} photos, by similarity (cosine) and probability'
        f" against other words.</p>\n"
        f'<main class="grid">\n{found}</main>\n{left_out}</body>\n</html>\n'
    )


def _figure(pool: Pool, hit: Hit, roots: Sequence[Path] | None, lead: str) -> str:
    name = _text(pool.name(hit.photo))
    picture = thumbnail(pool.file(hit.photo, roots))
    image = f'<img src="{picture}" alt="{name}" loading="lazy">' if picture else "<p>cannot be read</p>"
    sure = "" if hit.probability is None else f", probability {hit.probability:.2f}"
    licence = pool.entries[hit.photo].licence
    return (
        f"<figure>{image}<figcaption>{_text(lead)}{name}<br>"
        f'<span class="soft">similarity {hit.similarity:.3f}{sure}; licence {_text(licence)}</span>'
        "</figcaption></figure>\n"
    )


def thumbnail(path: Path, side: int = _SIDE) -> str:
    """A photo as a small JPEG in a data URL; empty where it cannot be read."""
    try:
        small = Image.fromarray(load_image(path).pixels)
    except InputError:
        return ""
    small.thumbnail((side, side))
    return data_url(small, "JPEG", quality=82)


def _text(text: str) -> str:
    return escape(_readable(text))


def _readable(text: str) -> str:
    """Text that UTF-8 can hold: of a file name that is none, each odd byte becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8")
