"""The evaluation itself: streams a data set through a predictor and the metrics, survives being killed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.errors import OutputError
from ovseg.evaluation.bootstrap import BootstrapSettings
from ovseg.evaluation.datasets.base import Dataset, Sample
from ovseg.evaluation.journal import RECORDS, Header, Journal, read_records
from ovseg.evaluation.metrics import VOID
from ovseg.evaluation.pictures import Ranking, picture_path, render, store_picture
from ovseg.evaluation.predictions import Prediction, Predictor, load_pixels
from ovseg.evaluation.protocols import EvaluationProtocol
from ovseg.evaluation.provenance import code_commit
from ovseg.evaluation.record import ImageRecord, measure
from ovseg.evaluation.results import CONFUSION, MARKDOWN, PAGE, RESULTS, write_results
from ovseg.evaluation.summary import Summary, summarise
from ovseg.files import TEMPORARY_PREFIX, write_json
from ovseg.outputs.masks import write_mask
from ovseg.progress import Progress, Silent
from ovseg.version import __version__
from ovseg.vocabulary import Vocabulary

__all__ = ["EvaluationSettings", "claim", "evaluate", "finish"]

PREDICTIONS, CLASSES, RUN = "predictions", "classes.json", "run.json"


@dataclass(frozen=True)
class EvaluationSettings:
    """How an evaluation is run; nothing here changes a figure but ``bootstrap``.

    Attributes:
        batch_size: Images predicted together.
        shard: (I, N): every N-th image from the I-th on.
        save_predictions: Keep label maps in ``OUT/predictions``, with ``OUT/classes.json``.
        overwrite: Drop an evaluation that is in the output folder.
        bootstrap: How intervals are drawn.
    """

    batch_size: int = 4
    shard: tuple[int, int] = (1, 1)
    save_predictions: bool = False
    overwrite: bool = False
    bootstrap: BootstrapSettings = field(default_factory=BootstrapSettings)


def evaluate(
    dataset: Dataset,
    predictor: Predictor[Any],
    vocabulary: Vocabulary,
    protocol: EvaluationProtocol,
    out: Path,
    *,
    settings: EvaluationSettings | None = None,
    leakage: dict[str, Any] | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Measure a predictor on a data set, going on where an earlier call was stopped.

    Args:
        dataset: What is measured on.
        predictor: Whose answers.
        vocabulary: The words that were used; its hash stands with the results.
        protocol: The way of evaluating, likewise.
        out: Folder for results.json, results.md, results.html, confusion.csv, records.jsonl and run.json.
        settings: How to run.
        leakage: Findings of ``leakage.check``, to stand with the results.
        progress: Is told after every batch.

    Returns:
        What was written; ``.results`` is the content of results.json.

    Raises:
        OutputError: ``out`` holds something else or cannot be written.
        DatasetError, InputError: A photo, truth or prediction cannot be read. What was measured is kept:
            the same call goes on from there.
    """
    settings = settings or EvaluationSettings()
    header = Header(
        identity={
            "dataset": dataset.metadata(),
            "protocol": protocol.metadata(),
            "vocabulary": {
                "source": vocabulary.source,
                "sha256": vocabulary.hash,
                "words": [list(spec.words) for spec in vocabulary.classes],
                "background": list(vocabulary.background),
            },
            "predictor": predictor.describe(),
            "bootstrap": asdict(settings.bootstrap),
            "ovseg": __version__,
        },
        shard=settings.shard,
        extra={"commit": code_commit(), "leakage": leakage},
    )
    claim(out, overwrite=settings.overwrite)
    with Journal(out, header, batch=settings.batch_size) as journal:
        stream = _Stream(dataset, predictor, out, journal, settings, progress or Silent())
        timings = stream.run()
    summary = finish(out, journal.header)
    write_json(out / RUN, {"root": str(dataset.root), "status": "done", "timings": timings})
    return summary


def finish(out: Path, header: Header) -> Summary:
    """Compute and write the results of a folder whose records are complete."""
    summary = summarise(header, read_records(out, header))
    write_results(out, header, summary)
    return summary


@dataclass(frozen=True)
class _Batch:
    """Images that are predicted together."""

    indices: Sequence[int]
    samples: Sequence[Sample]
    truths: Sequence[npt.NDArray[np.uint8]]
    inputs: Sequence[Any]


class _Stream:
    """One pass over the images that are not measured yet; holds three batches at a time."""

    def __init__(
        self,
        dataset: Dataset,
        predictor: Predictor[Any],
        out: Path,
        journal: Journal,
        settings: EvaluationSettings,
        progress: Progress,
    ) -> None:
        self._dataset, self._predictor, self._out, self._journal = dataset, predictor, out, journal
        self._settings, self._progress = settings, progress
        self._ranking = Ranking()
        self._seconds = {"total": 0.0, "predict": 0.0, "measure": 0.0}

    def run(self) -> dict[str, Any]:
        """Measure; return the timings of this call."""
        start, before = time.perf_counter(), self._journal.done
        for record in read_records(self._out, self._journal.header):
            self._ranking.add(record)
        todo = self._journal.header.selection[before:]
        self._progress.start(len(self._journal.header.selection), before)
        if self._settings.save_predictions:
            names = ("background", *self._dataset.foreground)
            write_json(self._out / CLASSES, {str(i): name for i, name in enumerate(names)})
        size = self._settings.batch_size
        batches = [todo[i : i + size] for i in range(0, len(todo), size)]
        # While the predictor works on a batch, one thread reads the next and one measures the last.
        with ThreadPoolExecutor(max_workers=2) as pool:
            pending: Future[list[ImageRecord]] | None = None
            for batch in self._ahead(pool, batches):
                begun = time.perf_counter()
                predictions = self._predictor.predict(batch.inputs)
                self._seconds["predict"] += time.perf_counter() - begun
                self._commit(pending)
                pending = pool.submit(self._measure, batch, predictions)
            self._commit(pending)
        self._seconds["total"] = time.perf_counter() - start
        return {
            "images": len(todo),
            "seconds": {key: round(value, 3) for key, value in self._seconds.items()},
        }

    def _ahead(self, pool: ThreadPoolExecutor, batches: Sequence[Sequence[int]]) -> Iterator[_Batch]:
        """Batches in order; the next is being read while one is worked on."""
        coming: Future[_Batch] | None = None
        for indices in batches:
            current, coming = coming, pool.submit(self._load, indices)
            if current is not None:
                yield current.result()
        if coming is not None:
            yield coming.result()

    def _load(self, indices: Sequence[int]) -> _Batch:
        samples = [self._dataset.samples[index] for index in indices]
        truths = [sample.read_truth() for sample in samples]
        inputs = [
            self._predictor.load(sample, (truth.shape[0], truth.shape[1]))
            for sample, truth in zip(samples, truths, strict=True)
        ]
        return _Batch(indices, samples, truths, inputs)

    def _measure(self, batch: _Batch, predictions: Sequence[Prediction]) -> list[ImageRecord]:
        records = []
        images = zip(batch.indices, batch.samples, batch.truths, predictions, strict=True)
        for index, sample, truth, prediction in images:
            begun = time.thread_time()
            record = measure(index, sample.name, truth, prediction, len(self._dataset.classes))
            self._seconds["measure"] += time.thread_time() - begun
            records.append(record)
            if self._settings.save_predictions:
                self._save(sample, prediction)
            # Pictures are on disk before their record is: a resumed run finds those of all recorded images.
            if self._ranking.add(record):
                store_picture(self._out, index, self._drawing(sample, truth, prediction))
        return records

    def _drawing(
        self, sample: Sample, truth: npt.NDArray[np.uint8], prediction: Prediction
    ) -> Callable[[], bytes]:
        def draw() -> bytes:
            photo = load_pixels(sample, (truth.shape[0], truth.shape[1]))
            return render(photo, truth, prediction.labels, background=self._dataset.has_background)

        return draw

    def _save(self, sample: Sample, prediction: Prediction) -> None:
        """Write a label map as ``ovseg segment`` does: 0 background, classes from 1, 255 no answer."""
        labels = prediction.labels
        if not self._dataset.has_background:
            labels = np.where(labels == VOID, np.uint8(VOID), labels + np.uint8(1))
        write_mask(self._out / PREDICTIONS / f"{sample.name}.png", labels, (labels.shape[0], labels.shape[1]))

    def _commit(self, pending: Future[list[ImageRecord]] | None) -> None:
        if pending is None:
            return
        records = pending.result()
        self._journal.append(records)
        for _ in records:
            self._progress.advance()


def claim(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder that holds something else; clear what a killed run left, or all of it when asked to."""
    if not out.is_dir():
        return
    visible = any(not path.name.startswith(".") for path in out.iterdir())
    if visible and not (out / RECORDS).is_file():
        raise OutputError(f"{out} holds other files and no evaluation: give another output folder")
    for leftover in out.rglob(f"{TEMPORARY_PREFIX}*"):
        leftover.unlink()
    if overwrite:
        for name in (RECORDS, RESULTS, MARKDOWN, PAGE, CONFUSION, RUN, CLASSES):
            (out / name).unlink(missing_ok=True)
        for path in (*picture_path(out, 0).parent.glob("*.jpg"), *(out / PREDICTIONS).rglob("*.png")):
            path.unlink()
