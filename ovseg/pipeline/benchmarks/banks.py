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
from ovseg.matching.late import fuse_bank
from ovseg.matching.votes import region_votes
from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.pipeline.bank_recipe import BankRecipe
from ovseg.pipeline.bank_use import BankInUse
from ovseg.pipeline.cell_scores import image_regions
from ovseg.pipeline.name_scores import name_scores
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.self_pool import SELF_BANK, SelfPool
from ovseg.pipeline.sources import open_source
from ovseg.vocabulary import Vocabulary

__all__ = ["FILTER_MASS", "Line", "bank_table", "lines_for", "made_banks", "mean_iou"]

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
    bank: BankInUse | None
    background_prototypes: bool
    category_filter: bool
    cosegment: bool | None
    config: SegmentConfig


FILTER_MASS = 0.95
"""Mass of the category filter where it is measured."""


def made_banks(
    segmenter: Segmenter,
    data: Dataset,
    vocabulary: Vocabulary,
    work: Path,
    *,
    pool: Path | None,
    self_pool: bool,
    advance: Callable[[], None],
) -> list[tuple[str, bool, BankInUse]]:
    """Banks of the photos themselves and of a pool, each built with co-segmentation and without.

    Args:
        segmenter: Encodes the photos; its settings say how ``self_pool`` looks for classes in them.
        data: The photos; nothing is read of their masks.
        vocabulary: Classes of the banks.
        work: Folder that keeps the banks; those that are there already are taken.
        pool: A pool from which the bank ``retrieved`` comes; None: no such bank.
        self_pool: Whether the bank ``self`` is made of the photos.
        advance: Called after each photo that has been looked at for ``self``.

    Returns:
        (name, built with co-segmentation, bank), as :func:`lines_for` takes them.
    """
    recipes: dict[str, BankRecipe] = {}
    encoders, encode = segmenter.encoders, segmenter.encode
    if self_pool:
        paths = [sample.image for sample in data.samples]
        named = segmenter.prepared(vocabulary)
        own = SelfPool(paths, vocabulary, named, encode, segmenter.config, advance)
        recipes["self"] = BankRecipe(vocabulary, own, encoders, SELF_BANK, encode=encode, root=own.root)
    if pool is not None:
        retrieved = open_source("retrieval", encoders, vocabulary.classes, pool=pool)
        recipes["retrieved"] = BankRecipe(vocabulary, retrieved, encoders, SELF_BANK, encode=encode)
    found = []
    for name, recipe in recipes.items():
        for cosegment in (True, False):
            chosen = replace(SELF_BANK, support=replace(SELF_BANK.support, cosegment=cosegment))
            out = work / f"{name}-{data.card.name}-{'together' if cosegment else 'alone'}.bank"
            build_prototypes(replace(recipe, config=chosen), out)
            found.append((name, cosegment, BankInUse(out, encoders)))
    return found


def lines_for(
    config: SegmentConfig,
    banks: Sequence[tuple[str, bool | None, BankInUse]],
    *,
    background: bool,
    votes: Sequence[float] = (),
) -> list[Line]:
    """Every way of deciding that is compared.

    Args:
        config: All other settings.
        banks: (name, built with co-segmentation or None, bank).
        background: Whether the data have one; without, nothing stands for it.
        votes: Weights of the regions' votes that are compared with none, but not with the category filter.
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
                    chosen = replace(
                        _with(config, filtered=filtered),
                        bank_text=text,
                        backdrop="prototypes" if prototypes else "auto",
                    )
                    evidence = f"{name} and text" if text else f"{name} only"
                    found.append(Line(evidence, bank, prototypes, filtered, cosegment, chosen))
    return [
        replace(line, config=replace(line.config, region_votes=weight))
        for line in found
        for weight in (0.0, *(() if line.category_filter else votes))
    ]


def _with(config: SegmentConfig, *, filtered: bool) -> SegmentConfig:
    return replace(config, category_mass=FILTER_MASS if filtered else 1.0)


@torch.inference_mode()
def bank_table(
    segmenter: Segmenter,
    data: Dataset,
    vocabulary: Vocabulary,
    lines: Sequence[Line],
    advance: Callable[[], None] = lambda: None,
) -> list[dict[str, Any]]:
    """Measure every line on every photo.

    A cell's label counts for all pixels of the cell; nothing is refined, so figures are a little below those
    of ``ovseg evaluate``.

    Returns:
        A row a line: its settings, ``miou`` in percent, and the same for every other photo from the first and
        from the second on (``first_half``, ``second_half``).
    """
    classes = len(data.classes)
    shift = 0 if data.has_background else 1
    confusions = np.zeros((len(lines), 2, classes, classes), np.int64)
    named = segmenter.prepared(vocabulary)
    for number, sample in enumerate(data.samples):
        truth = sample.read_truth()
        pixels = load_pixels(sample, (truth.shape[0], truth.shape[1]))
        encoded = segmenter.encode(pixels)
        shown = _by_cell(truth, encoded.grid, classes)
        # Lines differ in how evidence is put together; the evidence itself is gathered once.
        texts = {
            mass: name_scores(encoded, named, replace(lines[0].config, category_mass=mass))
            for mass in {line.config.category_mass for line in lines}
        }
        matches = {
            id(bank): bank.match(encoded, vocabulary, lines[0].config, without=bank.own_supports(pixels))
            for bank in {id(line.bank): line.bank for line in lines}.values()
            if bank is not None
        }
        voting = any(line.config.region_votes > 0 for line in lines)
        regions = image_regions(encoded, lines[0].config) if voting else None
        for index, line in enumerate(lines):
            scores = texts[line.config.category_mass]
            if line.bank is not None:
                scores = fuse_bank(
                    scores,
                    matches[id(line.bank)],
                    has_background=data.has_background,
                    config=line.config,
                    backdrop=line.bank.backdrop(line.config),
                )
            if regions is not None:
                scores = region_votes(scores, regions, line.config.region_votes)
            labels = scores[:, shift:].argmax(dim=1).cpu().numpy()
            np.add.at(confusions[index, number % 2].T, labels, shown)
        advance()
    rows = []
    for line, halves in zip(lines, confusions, strict=True):
        rows.append(
            {
                "evidence": line.evidence,
                "background prototypes": line.background_prototypes,
                "category filter": line.category_filter,
                "co-segmentation": line.cosegment,
                "region votes": line.config.region_votes,
                "miou": mean_iou(halves.sum(axis=0)),
                "first_half": mean_iou(halves[0]),
                "second_half": mean_iou(halves[1]),
            }
        )
    return rows


def mean_iou(confusion: Counts) -> float:
    """Mean IoU in percent over the classes that the truth has.

    Unlike in ``ovseg.evaluation.metrics.figures``, a class that is only predicted does not count as 0.

    Args:
        confusion: (C, C) int64 pixels, rows the true and columns the predicted class.
    """
    both = np.diagonal(confusion)
    union = confusion.sum(axis=0) + confusion.sum(axis=1) - both
    there = confusion.sum(axis=1) > 0
    return float(100 * np.mean(both[there] / union[there])) if there.any() else float("nan")


def _by_cell(truth: npt.NDArray[np.uint8], grid: tuple[int, int], classes: int) -> Counts:
    """(N, C) pixels of each class in each cell; pixels of no class count nowhere."""
    height, width = truth.shape
    rows = np.minimum(((np.arange(height) + 0.5) * grid[0] / height).astype(np.int64), grid[0] - 1)
    columns = np.minimum(((np.arange(width) + 0.5) * grid[1] / width).astype(np.int64), grid[1] - 1)
    cells = rows[:, None] * grid[1] + columns[None]
    there = truth < classes
    index = cells[there] * classes + truth[there]
    return np.bincount(index, minlength=grid[0] * grid[1] * classes).reshape(-1, classes)
