"""Segmentations whose every output is known by hand."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from outputs_helpers import MakeItem
from PIL import Image

from ovseg.outputs import OutputItem, RunContext
from ovseg.types import LabelMap, void_index
from ovseg.vocabulary import ClassSpec, Vocabulary


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary(
        (ClassSpec("cat", kind="thing"), ClassSpec("grass", kind="stuff"), ClassSpec("<script>"))
    )


@pytest.fixture
def context(tmp_path: Path, vocabulary: Vocabulary) -> RunContext:
    return RunContext(out=tmp_path / "out", vocabulary=vocabulary, save_scores=True)


@pytest.fixture
def make_item(tmp_path: Path) -> MakeItem:
    """Make an item of a label map, with a photo on disk; one confidence for all pixels by default."""

    def make(
        labels: Any,
        *,
        names: Sequence[str] = ("background", "cat", "grass", "<script>"),
        stem: str = "sub/photo",
        size: tuple[int, int] | None = None,
        confidence: Any = 0.5,
        scores: Any = None,
        suffix: str = ".jpg",
        index: int = 0,
    ) -> OutputItem:
        dtype = np.uint8 if void_index(len(names) - 1) == 255 else np.uint16
        labels = np.asarray(labels, dtype)
        ramp = np.linspace(40, 200, labels.size, dtype=np.float32).reshape(labels.shape)
        image = np.repeat(ramp[..., None], 3, axis=2).astype(np.uint8)
        source = tmp_path / "photos" / (stem + suffix)
        source.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(source, format="PNG")
        return OutputItem(
            stem=PurePosixPath(stem),
            source=source,
            image=image,
            size=size or labels.shape,
            segmentation=LabelMap(
                labels=labels,
                confidence=np.broadcast_to(np.asarray(confidence, np.float16), labels.shape),
                names=tuple(names),
                scores=None if scores is None else np.asarray(scores, np.float16),
            ),
            index=index,
        )

    return make
