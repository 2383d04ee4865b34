"""What banks give: every photo encoded once, then decided under many settings, at grid resolution."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.config import SegmentConfig
from ovseg.evaluation.datasets.base import Dataset
from ovseg.evaluation.predictions import load_pixels
from ovseg.matching.fusion import fuse_prototypes, pool_regions
from ovseg.matching.text_scores import text_scores
from ovseg.pipeline.bank_build import BankBuildSpec
from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.pipeline.bank_matching import BankMatcher
from ovseg.pipeline.decide import image_regions
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.self_pool import SELF_BANK, SelfPool
from ovseg.pipeline.sources import open_source
from ovseg.vocabulary import Vocabulary

__all__ = ["FILTER_TOP_P", "Line", "bank_table", "lines_for", "made_banks", "mean_iou"]

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """One way of deciding.

    Attributes:
        evidence: What it is called: ``text only``, ``self only``, ``self and text``…
        bank: The bank that takes part, or None.
        background_prototypes: Whether they stand for the background.
        category_filter: Whether unlikely things are ruled out for the whole image.
        cosegment: Whether the bank was built with co-segmentation; None without a bank, or
            where a bank was given.
        config: The settings that say so.
    """

    evidence: str
    bank: BankMatcher | None
    background_prototypes: bool
    category_filter: bool
    cosegment: bool | None
    config: SegmentConfig


FILTER_TOP_P = 0.95
"""``category_top_p`` where the category filter is measured."""


def made_banks(
    segmenter: Segmenter,
    data: Dataset,
    vocabulary: Vocabulary,
    work: Path,
    *,
    pool: Path | None = None,
    advance: Callable[[], None] | None = None,
) -> list[tuple[str, bool, BankMatcher]]:
    """Banks of the photos themselves and of a pool, each built with co-segmentation and without.

    Args:
        segmenter: Encodes the photos; its settings say how classes are scored in them.
        data: The photos; nothing is read of their masks.
        vocabulary: Classes of the banks.
        work: Folder that keeps the banks; those that are there already are taken.
        pool: A pool from which the bank ``retrieved`` comes; None: no such bank.
        advance: Called after each photo of the first pass for the bank ``self``, which is made of the photos;
            None: no such bank.

    Returns:
        (name, built with co-segmentation, bank), as :func:`lines_for` takes them.
    """
    specs: dict[str, BankBuildSpec] = {}
    base = replace(SELF_BANK, encoding=segmenter.config.encoding, fusion=segmenter.config.fusion)
    encoders, encode = segmenter.encoders, segmenter.encode
    if advance is not None:
        paths = [sample.image for sample in data.samples]
        classifier = segmenter.classifier_for(vocabulary)
        own = SelfPool(paths, classifier, encode, segmenter.config.fusion, advance)
        specs["self"] = BankBuildSpec(vocabulary, own, encoders, base, encode=encode, root=own.root)
    if pool is not None:
        retrieved = open_source("retrieval", encoders, vocabulary.classes, pool=pool)
        specs["retrieved"] = BankBuildSpec(vocabulary, retrieved, encoders, base, encode=encode)
    found = []
    for name, spec in specs.items():
        for cosegment in (True, False):
            chosen = replace(base, support=replace(base.support, cosegment=cosegment))
            out = work / f"{name}-{data.card.name}-{'together' if cosegment else 'alone'}.bank"
            build_prototypes(replace(spec, config=chosen), out)
            found.append((name, cosegment, BankMatcher(out, encoders)))
    return found


def lines_for(
    config: SegmentConfig,
    banks: Sequence[tuple[str, bool | None, BankMatcher]],
    *,
    background: bool,
    region_weights: Sequence[float] = (),
) -> list[Line]:
    """Return every way of deciding that is compared.

    Args:
        config: All other settings.
        banks: (name, built with co-segmentation or None, bank).
        background: Whether the data have one; without, nothing stands for it.
        region_weights: Weights of region pooling that are compared with none, without the category filter.
    """
    filters = (False, True)
    found = [
        Line("text only", None, False, filtered, None, _with(config, filtered=filtered))
        for filtered in filters
    ]
    for name, cosegment, bank in banks:
        for text in (False, True):
            for prototypes in (False, True) if background else (False,):
                for filtered in filters if text else (False,):
                    chosen = _with(config, filtered=filtered).with_settings(
                        text_with_bank=text, background_score="prototypes" if prototypes else "auto"
                    )
                    evidence = f"{name} and text" if text else f"{name} only"
                    found.append(Line(evidence, bank, prototypes, filtered, cosegment, chosen))
    return [
        replace(line, config=line.config.with_settings(region_weight=weight))
        for line in found
        for weight in (0.0, *(() if line.category_filter else region_weights))
    ]


def _with(config: SegmentConfig, *, filtered: bool) -> SegmentConfig:
    return config.with_settings(category_top_p=FILTER_TOP_P if filtered else 1.0)


@torch.inference_mode()
def bank_table(
    segmenter: Segmenter,
    data: Dataset,
    vocabulary: Vocabulary,
    lines: Sequence[Line],
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Measure every line on every photo.

    A patch's label counts for all pixels of the patch; nothing is refined, so figures are a little below
    those of ``ovseg evaluate``.

    Returns:
        A row a line: its settings, ``miou`` in percent, and the same for every other photo from the first and
        from the second on (``first_half``, ``second_half``).
    """
    classes = len(data.classes)
    shift = 0 if data.has_background else 1
    confusions = np.zeros((len(lines), 2, classes, classes), np.int64)
    classifier = segmenter.classifier_for(vocabulary)
    for number, sample in enumerate(data.samples):
        truth = sample.read_truth()
        pixels = load_pixels(sample, (truth.shape[0], truth.shape[1]))
        encoded = segmenter.encode(pixels)
        pixels_of_class = _by_patch(truth, encoded.grid, classes)
        # Lines differ in how evidence is put together; the evidence itself is gathered once.
        texts = {
            fusion: text_scores(encoded, classifier, fusion)
            for fusion in {line.config.fusion for line in lines}
        }
        prototypes = {
            id(bank): bank.scores(encoded, vocabulary, bank.own_supports(pixels))
            for bank in {id(line.bank): line.bank for line in lines}.values()
            if bank is not None
        }
        pooling = any(line.config.region_pooling.region_weight > 0 for line in lines)
        regions = image_regions(encoded, lines[0].config.region_pooling) if pooling else None
        for index, line in enumerate(lines):
            scores = texts[line.config.fusion]
            if line.bank is not None:
                scores = fuse_prototypes(
                    scores,
                    prototypes[id(line.bank)],
                    line.bank.resolved(line.config.bank),
                    has_background=data.has_background,
                )
            if regions is not None:
                scores = pool_regions(scores, regions, line.config.region_pooling.region_weight)
            labels = scores[:, shift:].argmax(dim=1).cpu().numpy()
            np.add.at(confusions[index, number % 2].T, labels, pixels_of_class)
        advance()
    rows = []
    for line, halves in zip(lines, confusions, strict=True):
        rows.append(
            {
                "evidence": line.evidence,
                "background prototypes": line.background_prototypes,
                "category filter": line.category_filter,
                "co-segmentation": line.cosegment,
                "region pooling": line.config.region_pooling.region_weight,
                "miou": mean_iou(halves.sum(axis=0)),
                "first_half": mean_iou(halves[0]),
                "second_half": mean_iou(halves[1]),
            }
        )
    return rows


def mean_iou(confusion: Counts) -> float:
    """Return the mean IoU in percent over the classes that the truth has.

    Unlike in ``ovseg.evaluation.metrics.figures``, a class that is only predicted does not count as 0.

    Args:
        confusion: (C, C) int64 pixels, rows the true and columns the predicted class.
    """
    both = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    present = confusion.sum(axis=1) > 0
    return float(100 * np.mean(both[present] / union[present])) if present.any() else float("nan")


def _by_patch(truth: npt.NDArray[np.uint8], grid: tuple[int, int], classes: int) -> Counts:
    """Return (N, C) pixels of each class in each patch; pixels of no class count nowhere."""
    height, width = truth.shape
    rows = np.minimum(((np.arange(height) + 0.5) * grid[0] / height).astype(np.int64), grid[0] - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * grid[1] / width).astype(np.int64), grid[1] - 1)
    patches = rows[:, None] * grid[1] + columns[None]
    valid = truth < classes
    index = patches[valid] * classes + truth[valid]
    return np.bincount(index, minlength=grid[0] * grid[1] * classes).reshape(-1, classes)
