"""Banks and support views that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.prototypes import (
    PrototypeBank,
    PrototypeConfig,
    SupportRecord,
    SupportView,
    class_bank,
    merge_banks,
    text_table,
)
from ovseg.vocabulary import ClassSpec

GRID = (4, 6)
IDENTITY = {
    "name": "look",
    "role": "backbone",
    "layer": 9,
    "encoder": {"name": "fake-vit", "sha256": "ab" * 32},
}
TEXT_IDENTITY = {"name": "text", "role": "image_text", "encoder": {"name": "fake-words", "sha256": "cd" * 32}}


def record(name: str = "photo.jpg", **details: Any) -> SupportRecord:
    origin = {
        "source": "folder",
        "name": name,
        "sha256": "0" * 64,
        "licence": "CC0",
        "details": details,
    }
    return SupportRecord(0, origin, (40, 60), GRID)


def view(
    front: npt.NDArray[np.float32], back: npt.NDArray[np.float32], name: str = "photo.jpg", seed: int = 0
) -> SupportView:
    """An image whose left third is the class: patches near ``front``; the right half is near ``back``."""
    foreground = np.zeros(GRID, np.bool_)
    foreground[:, :2] = True
    background = np.zeros(GRID, np.bool_)
    background[:, 3:] = True
    generator = np.random.default_rng(seed)
    patches = np.where(foreground[..., None], front, back).reshape(-1, len(front))
    patches = patches + 0.05 * generator.standard_normal(patches.shape)
    patches = (patches / np.linalg.norm(patches, axis=1, keepdims=True)).astype(np.float32)
    return SupportView(record(name), foreground, background, {"look": patches}, patches)


def axis(index: int, length: int = 8) -> npt.NDArray[np.float32]:
    return np.eye(length, dtype=np.float32)[index]


def small_bank(config: PrototypeConfig | None = None) -> PrototypeBank:
    """Cats (axis 0) before walls (axis 6), and walls (axis 6) beside floors (axis 7), in two spaces."""
    config = config or PrototypeConfig(parts=4, patches_per_split=4)
    specs = (
        ClassSpec("cat", synonyms=("kitten",), attributes=("whiskers",), kind="thing"),
        ClassSpec("wall"),
    )
    cats = [view(axis(0), axis(6), "a/cat1.jpg", 1), view(axis(0), axis(7), "a/cat2.jpg", 2)]
    walls = [view(axis(6), axis(7), "wall.jpg", 3)]
    banks = [
        class_bank(spec, views, {"look": IDENTITY}, config)
        for spec, views in zip(specs, (cats, walls), strict=True)
    ]
    texts = text_table("text", TEXT_IDENTITY, specs, words)
    alone = PrototypeBank(specs, {"text": texts})
    return merge_banks([*banks, alone], metadata={"made": "by hand", "seed": 0})


def words(texts: list[str] | tuple[str, ...]) -> npt.NDArray[np.float32]:
    return np.stack([axis(len(text) % 8) for text in texts])


def same(first: PrototypeBank, second: PrototypeBank) -> None:
    """Fail unless two banks are equal in everything."""
    assert first.classes == second.classes
    assert dict(first.metadata) == dict(second.metadata)
    assert list(first.supports) == list(second.supports)
    assert [region.support for region in first.regions] == [region.support for region in second.regions]
    for one, other in zip(first.regions, second.regions, strict=True):
        np.testing.assert_array_equal(one.mask, other.mask)
    assert set(first.tables) == set(second.tables)
    for name, table in first.tables.items():
        other = second.tables[name]
        assert dict(table.identity) == dict(other.identity)
        assert dict(table.texts) == dict(other.texts)
        for column in ("vectors", "classes", "kinds", "foreground", "regions"):
            left, right = getattr(table, column), getattr(other, column)
            assert left.dtype == right.dtype
            np.testing.assert_array_equal(left, right)
