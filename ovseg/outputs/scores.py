"""Format ``scores``: every class's score on the grid, for those who decide for themselves."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ovseg.errors import UsageError
from ovseg.files import write_bytes
from ovseg.outputs.base import OutputItem, RunContext, output_path

__all__ = ["ScoresWriter"]


class ScoresWriter:
    """``OUT/scores/<stem>.safetensors``: tensor ``scores``, float16 (K + 1, h, w) in [0, 1], 0 = background.

    The header's metadata have one key, ``ovseg``: JSON with ``names`` (what each plane means) and ``size``
    ((H, W) of the image file).

    Raises:
        UsageError: The run does not keep scores (a conversion of masks cannot have any).
    """

    def __init__(self, context: RunContext) -> None:
        if not context.save_scores:
            raise UsageError(
                "the format 'scores' needs the scores themselves: run  ovseg segment --format scores"
            )
        self._root = context.out / "scores"

    def write(self, item: OutputItem) -> None:
        """Write the scores of one image."""
        from safetensors.numpy import save

        scores = item.segmentation.scores
        if scores is None:
            raise ValueError("the run promised scores, but the segmentation has none")
        about = {"names": list(item.segmentation.names), "size": list(item.size)}
        # One key only: safetensors writes several in any order, and equal runs are to give equal bytes.
        metadata = {"ovseg": json.dumps(about)}
        data = save({"scores": np.ascontiguousarray(scores, np.float16)}, metadata)
        write_bytes(output_path(self._root, item.stem, ".safetensors"), data)

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path | None:
        """Nothing is left to do."""
        return None
