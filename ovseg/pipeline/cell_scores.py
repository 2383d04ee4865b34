"""All that is known of an image's cells in one set of scores: names, a bank, and the votes of regions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from ovseg.config import SegmentConfig
from ovseg.discovery import EigenConfig, connected_pieces, spectral_segments
from ovseg.discovery.config import LAST_TOKENS
from ovseg.matching.votes import region_votes
from ovseg.pipeline.bank_use import BankInUse
from ovseg.pipeline.encode import EncodedImage
from ovseg.pipeline.name_scores import name_scores
from ovseg.pipeline.names import NamedClasses

__all__ = ["CellScores", "cell_scores", "image_regions"]


@dataclass(frozen=True)
class CellScores:
    """Scores of one image's cells, and the prototypes behind them.

    Attributes:
        scores: (N, K + 1) in [0, 1], background first, rows summing to 1.
        winners: By space, (N,) row in the bank's table of the nearest prototype of the cell's best class (-1:
            none), and (N,) its cosine; empty where there is no bank or it was not asked for.
    """

    scores: torch.Tensor
    winners: dict[str, tuple[torch.Tensor, torch.Tensor]]


def cell_scores(
    encoded: EncodedImage,
    named: NamedClasses,
    config: SegmentConfig,
    bank: BankInUse | None = None,
    *,
    without: Sequence[int] = (),
    explain: bool = False,
) -> CellScores:
    """Names, then the bank, then the regions' votes.

    Args:
        encoded: The image.
        named: The classes.
        config: Weights of all three.
        bank: A bank that takes part.
        without: Its support images that do not count (see :meth:`BankInUse.own_supports`).
        explain: Whether to find the ``winners`` too: prototypes of the class that a cell ends with, by its
            own scores or by its region's vote.
    """
    vocabulary = named.vocabulary
    scores = name_scores(encoded, named, config)
    if bank is not None:
        scores = bank.fuse(encoded, scores, vocabulary, config, without=without)
    if config.region_votes > 0:
        scores = region_votes(scores, image_regions(encoded, config), config.region_votes)
    if bank is None or not explain:
        return CellScores(scores, {})
    labels = scores.argmax(dim=1) - 1
    return CellScores(scores, bank.winners(encoded, vocabulary, labels, config, without=without))


def image_regions(encoded: EncodedImage, config: SegmentConfig) -> torch.Tensor:
    """(N,) int64 region of each cell: ``config.regions`` segments by normalized cut, in connected pieces.

    They are made of the shape encoder's last tokens, which the encoding holds, on the CPU, so that they are
    the same wherever the encoders run.
    """
    tokens = encoded.tokens.float().cpu().reshape(*encoded.grid, -1)
    cut = replace(LAST_TOKENS, eigen=EigenConfig(seed=config.seed))
    found = spectral_segments(tokens, segments=config.regions or None, seed=config.seed, config=cut)
    return torch.from_numpy(connected_pieces(found)).flatten().to(encoded.tokens.device)
