"""Predictions that lie on disk: indexed PNGs or soft scores of any tool, or an ``ovseg segment`` run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import DatasetError, InputError, UsageError, reason
from ovseg.evaluation.datasets.base import Dataset, Sample
from ovseg.evaluation.datasets.truth import ValueTable, apply_table, identity_table, read_indices, value_table
from ovseg.evaluation.metrics import VOID
from ovseg.evaluation.predictions import Prediction
from ovseg.evaluation.protocols import EvaluationProtocol
from ovseg.evaluation.soft_scores import decide, read_scores
from ovseg.files import digest
from ovseg.vocabulary import Vocabulary

__all__ = ["FolderPredictor"]


class FolderPredictor:
    """Reads ``DIR/NAME.png`` (indices) or ``DIR/NAME.safetensors`` (soft scores) of every image.

    ``DIR`` may be a run folder of ``ovseg segment`` or of an earlier evaluation: then its ``masks``,
    ``predictions`` or ``scores`` are read. A ``classes.json`` (index to name) in or beside the folder says
    what indices (and planes of scores) mean, by name or synonym; without it they are the data set's own,
    255 = no answer. In a set without background, scores may have a first plane for it, which is left out.

    Args:
        folder: ``DIR``.
        dataset: What is predicted.
        vocabulary: For the words by which ``classes.json`` may call the classes.
        protocol: Scale and threshold for soft scores.

    Raises:
        UsageError: The folder is missing, lacks predictions, or its names are not the data set's.
    """

    def __init__(
        self, folder: Path, dataset: Dataset, vocabulary: Vocabulary, protocol: EvaluationProtocol
    ) -> None:
        if not folder.is_dir():
            raise UsageError(f"no folder of predictions {folder}")
        self._folder = next(
            (folder / part for part in ("masks", "predictions", "scores") if (folder / part).is_dir()), folder
        )
        self._dataset = dataset
        self._protocol = protocol
        beside = (self._folder / "classes.json", self._folder.parent / "classes.json")
        names = next((path for path in beside if path.is_file()), None)
        self._named = names is not None
        self._table = (
            named_table(names, dataset, vocabulary) if names else identity_table(len(dataset.classes))
        )
        paths = [self._path(sample) for sample in dataset.samples]
        missing = [sample.name for sample, path in zip(dataset.samples, paths, strict=True) if path is None]
        if missing:
            raise UsageError(
                f"{len(missing)} of {len(paths)} images have no prediction in {self._folder}, the first is"
                f" {missing[0]} (looked for {missing[0]}.png and {missing[0]}.safetensors)"
            )
        # Labels are hashed as they are read (see ``record``); this only tells folders apart early.
        self._files = digest([(path.name, path.stat().st_size) for path in paths if path is not None])

    def describe(self) -> dict[str, Any]:
        """Names and sizes of all files as one hash, and how indices are read."""
        return {
            "kind": "predictions",
            "files": self._files,
            "indices": "by name" if self._named else "the data set's own",
        }

    def load(self, sample: Sample, size: tuple[int, int]) -> Prediction:
        """Read the prediction of an image.

        Raises:
            InputError: The file is damaged, of another size than its truth, or holds other indices.
        """
        path = self._path(sample)
        if path is None:
            raise InputError(f"the prediction of {sample.name} has gone from {self._folder}")
        if path.suffix == ".safetensors":
            scores, logits = read_scores(path)
            return decide(
                self._planes(scores, path),
                size,
                logits=logits,
                scale=self._protocol.scale or 1.0,
                threshold=self._protocol.threshold,
                background=self._dataset.has_background,
            )
        try:
            values = read_indices(path)
            if values.shape != size:
                raise InputError(
                    f"{path} has {values.shape[1]}x{values.shape[0]} pixels, its truth {size[1]}x{size[0]}"
                )
            return Prediction(apply_table(values, self._table, str(path)))
        except DatasetError as error:  # it is not the data set that is malformed
            raise InputError(f"{error}: what indices mean can be said in classes.json") from error

    def predict(self, inputs: Sequence[Prediction]) -> list[Prediction]:
        """What was read."""
        return list(inputs)

    def _path(self, sample: Sample) -> Path | None:
        candidates = (self._folder / f"{sample.name}{suffix}" for suffix in (".png", ".safetensors"))
        return next((path for path in candidates if path.is_file()), None)

    def _planes(self, scores: npt.NDArray[np.float32], path: Path) -> npt.NDArray[np.float32]:
        """Planes of scores in the order of the data set's classes."""
        count, planes = len(self._dataset.classes), list(range(len(scores)))
        if self._named:
            meanings = self._table[: len(scores)].tolist()
            planes = [meanings.index(index) for index in range(count) if index in meanings]
        elif len(planes) == count + 1 and not self._dataset.has_background:
            planes = planes[1:]
        if len(planes) != count:
            raise InputError(f"{path}: {len(scores)} planes of scores are not the {count} classes of the set")
        return scores[planes]


def named_table(path: Path, dataset: Dataset, vocabulary: Vocabulary) -> ValueTable:
    """What each index of ``classes.json`` means in the data set.

    Raises:
        UsageError: The file is damaged, or has a name that is no class of the data set.
    """
    known = {_key(name): index for index, name in enumerate(dataset.classes)}
    first = 1 if dataset.has_background else 0
    if len(vocabulary) == len(dataset.foreground):
        for index, spec in enumerate(vocabulary.classes, start=first):
            for word in spec.words:
                known.setdefault(_key(word), index)
    known.setdefault("background", VOID)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        entries = {int(index): str(name) for index, name in content.items()}
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(f"cannot read {path} as index to name: {reason(error)}") from error
    meanings = {}
    for index, name in entries.items():
        if _key(name) not in known:
            raise UsageError(
                f"{path}: {name!r} is no class of {dataset.card.name}: {', '.join(dataset.classes)}"
            )
        meanings[index] = known[_key(name)]
    if not meanings or not 0 <= min(meanings) <= max(meanings) < np.iinfo(np.uint16).max:
        raise UsageError(f"{path}: expected indices from 0 to 65534")
    return value_table(meanings, length=max(256, max(meanings) + 1))


def _key(name: str) -> str:
    """Names compare without case, spaces, hyphens and underscores: ``diningtable`` is ``dining table``."""
    return "".join(c for c in name.casefold() if c.isalnum())
