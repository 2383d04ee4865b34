"""The library in one call each: segment images or a folder, find objects, evaluate, list presets.

The functions of this module stand on the classes that they name; a program that segments many images makes a
:class:`~ovseg.pipeline.Segmenter` of its own.
"""

from __future__ import annotations

import logging
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar, Unpack, overload

from ovseg.discovery import Discovery
from ovseg.encoders.presets import PRESETS
from ovseg.errors import UsageError
from ovseg.evaluation import runner
from ovseg.evaluation.datasets.base import Dataset
from ovseg.evaluation.datasets.catalog import DATASETS
from ovseg.evaluation.datasets.folder import folder_classes, load_folder
from ovseg.evaluation.predictions import SegmenterPredictor
from ovseg.evaluation.protocols import protocol_for
from ovseg.evaluation.summary import Summary
from ovseg.images import ImageLike, find_images
from ovseg.outputs.segmentation import Segmentation
from ovseg.pipeline import Segmenter
from ovseg.pipeline.bank_matching import bank_vocabulary
from ovseg.pipeline.discoverer import Discoverer
from ovseg.pipeline.segmenter import OneImage
from ovseg.pipeline.settings import SegmentSettings
from ovseg.progress import Progress
from ovseg.runs import RunConfig, RunSummary, run_segmentation
from ovseg.vocabulary import ClassNames, Vocabulary, as_vocabulary, load_vocabulary

__all__ = ["PresetInfo", "discover", "evaluate", "list_presets", "segment", "segment_folder"]

KEPT = 2
"""Models of a kind that the functions of this module keep loaded."""

T = TypeVar("T")

_log = logging.getLogger(__name__)
_lock = threading.Lock()
_segmenters: OrderedDict[tuple[str, str], Segmenter] = OrderedDict()
_discoverers: OrderedDict[tuple[str, str], Discoverer] = OrderedDict()


@overload
def segment(
    image: ImageLike,
    classes: ClassNames,
    *,
    preset: str = "auto",
    device: str = "auto",
    background: bool | None = None,
    **settings: Unpack[SegmentSettings],
) -> Segmentation: ...


@overload
def segment(
    image: list[OneImage] | tuple[OneImage, ...],
    classes: ClassNames,
    *,
    preset: str = "auto",
    device: str = "auto",
    background: bool | None = None,
    **settings: Unpack[SegmentSettings],
) -> list[Segmentation]: ...


def segment(
    image: ImageLike | list[OneImage] | tuple[OneImage, ...],
    classes: ClassNames,
    *,
    preset: str = "auto",
    device: str = "auto",
    background: bool | None = None,
    **settings: Unpack[SegmentSettings],
) -> Segmentation | list[Segmentation]:
    """Segment an image, or a list of images, by names; safe between threads.

    Example::

        import ovseg

        result = ovseg.segment("photo.jpg", "cat, dog")
        result.mask("cat")  # (H, W) bool

    The segmenter of a preset and device is loaded at the first call and kept for the next ones.

    Args:
        image: A path, bytes, a file object, a Pillow image, an array or a tensor, or a list of them.
        classes: Names (``"cat, dog"``, ``["cat", "sofa=sofa,couch"]``) or a vocabulary.
        preset: A name from ``list_presets()``, or ``auto``: the best whose weights are here.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        background: Whether a pixel may be none of the classes; None: as the vocabulary says, else True.
        settings: Settings of ``SegmentConfig``, as in ``refine="none"``.

    Returns:
        Labels of the image's own size; for a list, a list in its order.

    Raises:
        InputError: An image cannot be read or is none; the line says what to do.
        UsageError: No classes, or one twice; no such preset or device.
        ConfigError: A setting is unknown or out of range.
        WeightsUnavailable: Weights are missing; the line gives the command that gets them.
    """
    vocabulary = as_vocabulary(classes, background)
    return _segmenter(preset, device).segment(image, vocabulary, **settings)


def segment_folder(
    folder: str | Path | Sequence[str | Path],
    classes: ClassNames | None,
    out: str | Path,
    *,
    segmenter: Segmenter | None = None,
    background: bool | None = None,
    config: RunConfig | None = None,
    progress: Progress | None = None,
    **settings: Unpack[SegmentSettings],
) -> RunSummary:
    """Segment a folder of images into a run folder: ``ovseg segment`` in Python.

    Example::

        import ovseg

        summary = ovseg.segment_folder("photos", "cat, dog", "out")
        summary.done, summary.failures

    The same call goes on where an earlier one was stopped, and skips what is done. Images that cannot be read
    are in ``failures``; the rest goes on.

    Args:
        folder: A folder, searched to the bottom; a file, a quoted pattern, or a list of such.
        classes: Names or a vocabulary, as in :func:`segment`; None: those of the segmenter's bank.
        out: The run folder; ``docs/formats.md`` says what it gets.
        segmenter: Does the work; None: that of the preset ``auto``, kept for the next call.
        background: Whether a pixel may be none of the classes; None: as the vocabulary says, else True.
        config: Formats, batches, threads, shards; None: ``RunConfig()``.
        progress: Is told how far the run is.
        settings: Settings of ``SegmentConfig``, as in ``refine="none"``.

    Returns:
        What has come of it: counts, failures with reasons, the main file of each format.

    Raises:
        UsageError: No images, no classes, or one twice.
        OutputError: The folder belongs to another run, or cannot be written.
        WeightsUnavailable: Weights are missing; the line gives the command that gets them.
    """
    if classes is None and segmenter is not None and segmenter.bank is not None:
        classes = bank_vocabulary(segmenter.bank.bank)
    vocabulary = as_vocabulary([] if classes is None else classes, background)
    inputs = [folder] if isinstance(folder, str | os.PathLike) else list(folder)
    out = Path(out)
    images = find_images(inputs, skip=out)
    config = config or RunConfig()
    if "scores" in config.formats:
        settings["keep_scores"] = True
    segmenter = (segmenter or _segmenter("auto", "auto")).with_settings(**settings)
    return run_segmentation(images, vocabulary, segmenter, out, config, progress)


def discover(image: ImageLike, *, preset: str = "auto", device: str = "auto") -> Discovery:
    """Find the objects of an image without names; see :meth:`Discoverer.discover`.

    Example::

        import ovseg

        for region in ovseg.discover("photo.jpg").regions:  # best first
            print(region.score, region.box)

    Args:
        image: A path, bytes, a file object, a Pillow image, an array or a tensor.
        preset: A name from ``list_presets()``, or ``auto``: the best whose backbone is here.
        device: ``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
    """
    finder = _kept(_discoverers, preset, device, lambda: Discoverer(preset, device=device))
    return finder.discover(image)


def evaluate(
    dataset: str | Dataset,
    root: str | Path,
    out: str | Path,
    *,
    segmenter: Segmenter | None = None,
    protocol: str = "ovseg",
    background: bool | None = None,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Measure a segmenter on a data set: ``ovseg evaluate`` in Python; a call that was stopped goes on.

    Args:
        dataset: A name that ``ovseg evaluate`` takes (``voc21``, ``ade20k``, …), ``folder`` for your own
            ``images/``, ``masks/`` and ``classes.txt``, or a data set that is loaded already.
        root: Folder of the data set.
        out: Folder for results.json, results.md, results.html and confusion.csv.
        segmenter: What is measured; None: that of the preset ``auto``.
        protocol: ``ovseg``: photos whole, with the data set's own vocabulary.
        background: For ``folder``: whether index 0 of the masks is background.
        limit: Images at most; None: all.
        progress: Is told after every batch.

    Returns:
        ``.results`` is the content of results.json, with ``miou``, ``per_class`` and intervals.

    Raises:
        UnknownName: No such data set or protocol.
        UsageError: ``background`` is missing, or the protocol reads photos in windows of its own.
        DatasetError: The data set is missing, half unpacked or malformed.
        OutputError: ``out`` holds something else, or cannot be written.
    """
    data = _dataset(dataset, Path(root), background).limited(limit)
    way = protocol_for(protocol, data.card.name, background=data.has_background)
    if way.crop is not None:
        raise UsageError(f"protocol {protocol} reads photos in its own windows: run  ovseg evaluate")
    if data.card.vocabulary is None:
        classes = folder_classes(data.root)[1 if data.has_background else 0 :]
        own = Vocabulary(classes, has_background=data.has_background, source="classes.txt")
    else:
        own = replace(load_vocabulary(data.card.vocabulary), has_background=data.has_background)
    vocabulary = way.vocabulary(own, data.foreground)
    predictor = SegmenterPredictor(segmenter or _segmenter("auto", "auto"), vocabulary, data)
    return runner.evaluate(data, predictor, vocabulary, way, Path(out), progress=progress)


@dataclass(frozen=True)
class PresetInfo:
    """A preset on record.

    Attributes:
        name: What ``Segmenter`` takes.
        summary: Its encoders in a few words.
        present: Whether all its weights are on this machine.
        install: The command that brings them here.
    """

    name: str
    summary: str
    present: bool
    install: str


def list_presets() -> list[PresetInfo]:
    """List the presets, best first; ``auto`` takes the first that is present. Reads no weights."""
    return [PresetInfo(name, card.summary, card.present, card.install) for name, card in PRESETS]


def _dataset(dataset: str | Dataset, root: Path, background: bool | None) -> Dataset:
    if isinstance(dataset, Dataset):
        return dataset
    if dataset != "folder":
        return DATASETS.get(dataset).load(root)
    if background is None:
        raise UsageError(
            "say whether index 0 of the masks is background: background=True or background=False",
            parameters=["background"],
        )
    return load_folder(root, background=background)


def _segmenter(preset: str, device: str) -> Segmenter:
    return _kept(_segmenters, preset, device, lambda: Segmenter(preset, device=device))


def _kept(cache: OrderedDict[tuple[str, str], T], preset: str, device: str, make: Callable[[], T]) -> T:
    """Return the model of a preset and device, loaded once; the least recently used goes."""
    key = (preset, device)
    # Held while loading: two threads that start together must not load the same model twice.
    with _lock:
        if key not in cache:
            cache[key] = make()
        cache.move_to_end(key)
        while len(cache) > KEPT:
            _log.info("dropping preset %s on %s", *next(iter(cache)))
            cache.popitem(last=False)
        return cache[key]
