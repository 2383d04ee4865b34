"""Pool files: checksummed containers (see ``ovseg.container``), and their content distrusted."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ovseg.container import read_container, write_container
from ovseg.encoders.base import ImageTextEncoder
from ovseg.errors import BankMismatch, ConfigError
from ovseg.files import canonical_json
from ovseg.fingerprint import same_fingerprint
from ovseg.support.pool.config import PoolConfig
from ovseg.support.pool.model import Pool, PoolEntry, PoolItem
from ovseg.version import __version__

__all__ = [
    "KIND",
    "VERSION",
    "encoder_fingerprint",
    "load_pool",
    "pool_items",
    "require_fingerprint",
    "save_pool",
]

KIND = "pool"
VERSION = 1


def encoder_fingerprint(image_text: ImageTextEncoder) -> dict[str, Any]:
    """What decides the features of whole images: pools fit no other identity."""
    return {"encoder": image_text.describe(), "image_size": image_text.image_size}


def save_pool(path: Path, pool: Pool) -> None:
    """Write a pool, atomically; equal pools give equal bytes.

    Raises:
        OutputError: It cannot be written.
    """
    content = {
        "ovseg": __version__,
        "identity": dict(pool.identity),
        "preset": pool.preset,
        "config": pool.config.to_dict(),
        "roots": list(pool.roots),
        "entries": [
            [e.root, e.path, e.sha256, e.bytes, e.modified, list(e.size), e.licence] for e in pool.entries
        ],
        "failed": [list(entry) for entry in pool.failed],
    }
    tensors: dict[str, npt.NDArray[Any]] = {
        "features": pool.features,
        "owners": pool.owners,
        "boxes": pool.boxes,
        "hashes": pool.hashes,
    }
    write_container(path, KIND, VERSION, content, tensors)


def load_pool(path: str | Path, image_text: ImageTextEncoder | None = None) -> Pool:
    """Read a pool.

    Args:
        path: The file, from wherever.
        image_text: The encoder that is to search it; None: any.

    Raises:
        BankMismatch: It is no pool, damaged, of a newer version, or made by another encoder.
    """
    path = Path(path)
    _, content, tensors = read_container(path, KIND, VERSION)
    try:
        if set(tensors) != {"features", "owners", "boxes", "hashes"} or tensors["features"].ndim != 2:
            raise ValueError(f"tensors {', '.join(sorted(tensors))}"[:200])
        pool = Pool(
            roots=tuple(_typed(root, str) for root in _typed(content["roots"], list)),
            entries=tuple(_entry(*row) for row in _typed(content["entries"], list)),
            identity=_typed(content["identity"], dict),
            preset=_typed(content["preset"], str),
            config=PoolConfig(**content["config"]),
            failed=tuple(
                (_typed(root, int), _typed(name, str), _typed(reason, str))
                for root, name, reason in _typed(content["failed"], list)
            ),
            **tensors,
        )
    except (KeyError, TypeError, ValueError, AttributeError, ConfigError) as error:
        raise BankMismatch(f"{path} is no sound pool ({error}): build it again") from error
    if image_text is not None:
        require_fingerprint(path, pool, image_text)
    return pool


def require_fingerprint(path: Path, pool: Pool, image_text: ImageTextEncoder) -> None:
    """Raise when ``names`` is not the encoder that made the pool.

    Raises:
        BankMismatch: It is another.
    """
    wanted = encoder_fingerprint(image_text)
    if not same_fingerprint(pool.identity, wanted):
        raise BankMismatch(
            f"{path} was made by another encoder ({_brief(pool.identity)}, not {_brief(wanted)}): open it"
            f" with preset={pool.preset!r}, or build it again",
            parameters=["preset"],
        )


def pool_items(pool: Pool) -> Iterator[PoolItem]:
    """The photos of a pool, each with its features."""
    start = 0
    for index, entry in enumerate(pool.entries):
        end = start
        while end < len(pool.owners) and pool.owners[end] == index:
            end += 1
        yield PoolItem(entry, int(pool.hashes[index]), pool.features[start:end], pool.boxes[start:end])
        start = end


def _entry(*row: Any) -> PoolEntry:
    root, path, sha256, size, modified, shape, licence = row
    height, width = shape
    if len(_typed(sha256, str)) != 64 or _typed(height, int) < 1 or _typed(width, int) < 1:
        raise ValueError(f"entry of {path!r:.200}")
    return PoolEntry(
        _typed(root, int), _typed(path, str), sha256, _typed(size, int), _typed(modified, int),
        (height, width), _typed(licence, str),
    )  # fmt: skip


def _typed(value: Any, kind: type) -> Any:
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r:.60}")
    return value


def _brief(identity: Any) -> str:
    """An identity in a few words."""
    try:
        encoder = identity["encoder"]
        return f"{encoder['name']} {encoder['sha256'][:12]}"
    except (KeyError, TypeError):
        return canonical_json(identity)[:80]
