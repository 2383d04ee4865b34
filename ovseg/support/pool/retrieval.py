"""The support source ``retrieval``: photos of a pool that show a class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ovseg.encoders.presets import Preset
from ovseg.errors import BankMismatch, InputError, UsageError, reason
from ovseg.files import digest, file_sha256
from ovseg.images import ImageLimits, load_image
from ovseg.support.base import Origin, SupportImage
from ovseg.support.filters import PhotoFilter
from ovseg.support.pool.config import RetrievalConfig
from ovseg.support.pool.file import load_pool
from ovseg.support.pool.model import Pool
from ovseg.support.pool.ranking import Hit, Ranking
from ovseg.support.pool.search import PoolSearch
from ovseg.vocabulary import ClassSpec

__all__ = ["RetrievalSource", "load_photo", "open_retrieval"]


class RetrievalSource:
    """Photos of a pool by the words of a class (ReCo, section 3.1), off-topic ones and copies left out.

    Args:
        search: The pool, ready to be asked.
        rivals: Words of all classes that are looked for; a class's own words are no rivals of it.
        roots: Where the pool's folders lie now; None: where they were.
        photo_filter: Which photos may be used; None: all.
        limits: How large an image may be.
    """

    name = "retrieval"

    def __init__(
        self,
        search: PoolSearch,
        *,
        rivals: Sequence[str] = (),
        roots: Sequence[Path] | None = None,
        photo_filter: PhotoFilter | None = None,
        limits: ImageLimits | None = None,
    ) -> None:
        self._search = search
        self._rivals = tuple(rivals)
        self._roots = roots
        self._photo_filter = photo_filter or PhotoFilter()
        self._limits = limits or ImageLimits()

    def ranking(self, spec: ClassSpec, shots: int) -> Ranking:
        """Which photos are taken for a class, and which are left out and why; nothing is decoded."""
        return self._search.by_words(spec.words, shots, rivals=self._rivals, photo_filter=self._photo_filter)

    def images(self, spec: ClassSpec, shots: int) -> Iterator[SupportImage]:
        """See :class:`~ovseg.support.base.SupportSource`.

        Raises:
            BankMismatch: A photo is not there any more, or has changed since the pool was built.
        """
        for rank, hit in enumerate(self.ranking(spec, shots).hits, start=1):
            yield load_photo(self._search, hit, rank, self._roots, self._limits)

    def describe(self) -> dict[str, Any]:
        """See :class:`~ovseg.support.base.SupportSource`."""
        pool = self._search.pool
        photos = [[pool.name(i), entry.sha256] for i, entry in enumerate(pool.entries)]
        return {
            "source": self.name,
            "pool": digest({"photos": photos, "identity": dict(pool.identity), "crops": pool.config.crops}),
            "photos": len(pool),
            "config": self._search.config.to_dict(),
            "top3_mean": list(self._rivals),
            "listed": asdict(self._photo_filter),
        }


def open_retrieval(
    *,
    encoders: Preset,
    classes: Sequence[ClassSpec],
    pool: Path | Pool,
    photos: Sequence[Path] | None = None,
    config: RetrievalConfig | None = None,
) -> RetrievalSource:
    """The source for a pool on disk, or one in memory.

    Args:
        encoders: A loaded preset: the one that made the pool.
        classes: All classes that are looked for: each is a rival of the others.
        pool: A file, or a pool.
        photos: Where the pool's folders lie now; None: where they were.
        config: How photos are found.

    Raises:
        BankMismatch: The file is no sound pool, or made by another encoder.
        UsageError: Another number of folders than the pool has.
    """
    opened = load_pool(pool, encoders.image_text) if isinstance(pool, Path) else pool
    if photos is not None and len(photos) != len(opened.roots):
        raise UsageError(
            f"the pool has {len(opened.roots)} folders: give photos= for each, in their order",
            parameters=["photos"],
        )
    search = PoolSearch(opened, encoders.image_text, encoders.device, config, background=encoders.words)
    words = [word for spec in classes for word in spec.words]
    return RetrievalSource(search, rivals=words, roots=photos)


def load_photo(
    search: PoolSearch, hit: Hit, rank: int, roots: Sequence[Path] | None, limits: ImageLimits
) -> SupportImage:
    """The pixels of a photo that was found, with where they come from.

    Raises:
        BankMismatch: The photo is not there any more, or has changed since the pool was built.
    """
    pool, entry = search.pool, search.pool.entries[hit.photo]
    path = pool.file(hit.photo, roots)
    try:
        if not path.is_file() or file_sha256(path) != entry.sha256:
            raise InputError("it is gone or has changed")
        loaded = load_image(path, working_pixels=limits.working_pixels, bomb_pixels=limits.bomb_pixels)
    except (OSError, InputError) as error:
        raise BankMismatch(
            f"photo {pool.name(hit.photo)} of the pool is not at {path} as it was ({reason(error)}): run"
            " ovseg pool build again, or say where the photos are now"
        ) from error
    details: dict[str, Any] = {"rank": rank, "similarity": round(hit.similarity, 6)}
    if hit.probability is not None and hit.margin is not None:
        details |= {"probability": round(hit.probability, 6), "margin": round(hit.margin, 6)}
    if pool.config.crops:
        details["box"] = [round(side, 4) for side in pool.boxes[hit.view].tolist()]
    origin = Origin("retrieval", pool.name(hit.photo), entry.sha256, entry.licence, details)
    return SupportImage(loaded.pixels, origin)
