"""Explain a result: from the patches of a region back to the support regions that decided them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy import ndimage

from ovseg.errors import InputError
from ovseg.files import file_sha256
from ovseg.images import load_image
from ovseg.outputs.explain_page import ExplainedRegion, SupportMatch
from ovseg.outputs.support_sheet import drawn, small_picture
from ovseg.pipeline.bank_matching import BankMatcher
from ovseg.pipeline.decide import patch_scores
from ovseg.pipeline.segmenter import Segmenter
from ovseg.prototypes import PrototypeBank
from ovseg.vocabulary import Vocabulary

__all__ = ["SupportPhotos", "explain_image"]

LEAST = 0.005
"""Regions smaller than this share of the image join their class's largest region on the page."""
SHOWN = 3
"""Support regions shown for a region and space."""

NearestPrototypes = dict[str, tuple[torch.Tensor, torch.Tensor]]


class SupportPhotos:
    """Finds a bank's photos where it recorded them, or below given folders; their hash must be right.

    Args:
        bank: The bank.
        folders: Where its photos may lie now.
    """

    def __init__(self, bank: PrototypeBank, folders: Sequence[Path] = ()) -> None:
        self._bank = bank
        self._folders = (*_roots(self._bank.metadata), *folders)

    def thumbnail(self, region: int, *, around: bool = False) -> npt.NDArray[np.uint8] | None:
        """Return the photo of a region with the region drawn; None: not on this machine, or not as it was.

        Args:
            region: Its number in the bank.
            around: Whether it is of what is around a class, and so drawn in another colour.
        """
        found = self._bank.regions[region]
        origin = self._bank.supports[found.support].origin
        name = str(origin.get("name", ""))
        # Banks recorded each photo's own path before they recorded the folder.
        recorded = origin.get("details", {}).get("path")
        own_paths = [Path(str(recorded))] if recorded else []
        for path in (*own_paths, *(folder / name for folder in self._folders)):
            try:
                if path.is_file() and file_sha256(path) == origin.get("sha256"):
                    picture = small_picture(load_image(path).pixels)
                    return drawn(picture, None, found.mask) if around else drawn(picture, found.mask)
            except (OSError, InputError):
                continue
        return None


def _roots(metadata: Mapping[str, Any]) -> Iterator[Path]:
    """Yield folders that a bank recorded, and the banks that were merged into it or added to it."""
    pending: list[Any] = [metadata]
    while pending:
        source = pending.pop(0)
        if not isinstance(source, Mapping):
            continue
        if isinstance(source.get("root"), str):
            yield Path(source["root"])
        lists = (source.get("merged"), source.get("added"))
        pending += [entry for inner in lists if isinstance(inner, list) for entry in inner]


@torch.inference_mode()
def explain_image(
    segmenter: Segmenter, pixels: npt.NDArray[np.uint8], vocabulary: Vocabulary, photos: SupportPhotos
) -> tuple[npt.NDArray[np.int64], list[ExplainedRegion]]:
    """Explain a segmentation, region by region.

    Returns:
        (h, w) index of the region of each patch, and the regions, largest first.

    Raises:
        ValueError: The segmenter has no bank (a bug of the caller).
    """
    bank = segmenter.bank
    if bank is None:
        raise ValueError("explaining needs a bank")
    encoded = segmenter.encode(pixels)
    excluded = bank.own_supports(pixels)
    classifier = segmenter.classifier_for(vocabulary)
    scores = patch_scores(encoded, classifier, segmenter.config, bank, excluded)
    nearest = bank.nearest_prototypes(encoded, vocabulary, scores.argmax(dim=1) - 1, excluded)
    ranked = scores.topk(min(2, scores.shape[1]), dim=1).indices
    labels = ranked[:, 0].reshape(encoded.grid).cpu().numpy()
    regions, owners = _regions(labels)
    flat = regions.reshape(-1)
    explained = []
    for index, label in enumerate(owners):
        members = torch.from_numpy(flat == index)
        means = scores[members].mean(dim=0)
        means[label] = -1
        second = int(means.argmax())
        runner_up = (vocabulary.names[second], float(means[second])) if float(means[second]) > 0 else None
        rival: NearestPrototypes = {}
        if runner_up is not None:
            second_labels = torch.full((len(scores),), second - 1, device=scores.device)
            rival = bank.nearest_prototypes(encoded, vocabulary, second_labels, excluded)
        explained.append(
            ExplainedRegion(
                label=label,
                class_name=vocabulary.names[label],
                score=float(scores[members, label].mean()),
                share=float(members.float().mean()),
                runner_up=runner_up,
                support=_matches(bank, photos, nearest, members),
                rivals=_matches(bank, photos, rival, members),
            )
        )
    return regions, explained


def _regions(labels: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Return connected regions of a (h, w) label map, largest first; specks join their class's largest."""
    found: list[tuple[int, npt.NDArray[np.bool_]]] = []
    for label in np.unique(labels).tolist():
        parts, count = ndimage.label(labels == label)
        masks = sorted((parts == part for part in range(1, count + 1)), key=lambda mask: -int(mask.sum()))
        large = [mask for mask in masks[1:] if mask.mean() >= LEAST]
        small = [mask for mask in masks[1:] if mask.mean() < LEAST]
        found += [(label, np.logical_or.reduce([masks[0], *small])), *((label, mask) for mask in large)]
    found.sort(key=lambda pair: -int(pair[1].sum()))
    regions = np.zeros(labels.shape, np.int64)
    for index, (_, mask) in enumerate(found):
        regions[mask] = index
    return regions, [label for label, _ in found]


def _matches(
    bank: BankMatcher, photos: SupportPhotos, nearest_prototypes: NearestPrototypes, members: torch.Tensor
) -> tuple[SupportMatch, ...]:
    """Return the support regions whose prototypes are nearest to most patches of a region, in each space."""
    found = []
    for space, (all_rows, all_scores) in nearest_prototypes.items():
        rows, scores = all_rows[members].cpu().numpy(), all_scores[members].cpu().numpy()
        table = bank.bank.tables[space]
        support = np.where(rows >= 0, table.regions[np.maximum(rows, 0)], -1)
        numbers, counts = np.unique(support[support >= 0], return_counts=True)
        for rank in np.argsort(-counts, kind="stable")[:SHOWN]:
            number = int(numbers[rank])
            record = bank.bank.supports[bank.bank.regions[number].support]
            around = not bool(table.foreground[rows[support == number][0]])
            found.append(
                SupportMatch(
                    class_name=bank.bank.classes[record.class_index].name,
                    name=str(record.origin.get("name", "")),
                    sha256=str(record.origin.get("sha256", "")),
                    licence=str(record.origin.get("licence", "unknown")),
                    space=space,
                    similarity=float(scores[support == number].mean()),
                    share=float(counts[rank]) / max(1, len(rows)),
                    picture=photos.thumbnail(number, around=around),
                    around=around,
                )
            )
    return tuple(found)
