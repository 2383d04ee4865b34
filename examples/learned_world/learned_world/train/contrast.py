"""Losses of the image-text model: of whole pictures against captions, and of their patches against names."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from learned_world.names import STUFF

LIKELIEST = 5
"""Patches that a name in a picture must have at least: an object of 18 pixels across has about so many."""


def positives(said: list[frozenset[str]], there: list[frozenset[str]]) -> torch.Tensor:
    """(B, B) float: which picture (row) each caption (column) is true of, rows and columns of one batch."""
    return torch.tensor([[float(text <= picture) for text in said] for picture in there])


def contrastive_loss(
    images: torch.Tensor,
    texts: torch.Tensor,
    scale: torch.Tensor,
    match: torch.Tensor,
    rivals: torch.Tensor | None = None,
) -> torch.Tensor:
    """Symmetric cross entropy in which every true caption of a picture counts alike, and the other way.

    Args:
        images: (B, E) unit-length embeddings of pictures.
        texts: (B, E) likewise of captions.
        scale: Factor on cosines.
        match: (B, B) float, of which picture (row) each caption is true; each row and column has one.
        rivals: (B, B) bool, which captions compete for which pictures, true ones in any case; None: all.
    """
    logits = scale * images @ texts.T
    if rivals is not None:
        logits = logits.masked_fill(~rivals & (match == 0), -1e4)
    by_image = -(match / match.sum(1, keepdim=True) * F.log_softmax(logits, 1)).sum(1)
    by_text = -(match / match.sum(0, keepdim=True) * F.log_softmax(logits, 0)).sum(0)
    return (by_image.mean() + by_text.mean()) / 2


def cells_loss(
    patches: torch.Tensor,
    names: torch.Tensor,
    scale: torch.Tensor,
    there: torch.Tensor,
    rivals: torch.Tensor,
) -> torch.Tensor:
    """What a picture's captions say of its patches: each is one of the names there, and each name has
    patches.

    Args:
        patches: (B, N, E) unit-length features of patches.
        names: (K, E) unit-length embeddings of all names.
        scale: Factor on cosines.
        there: (B, K) float, which names a picture's captions may say.
        rivals: (B, K) bool, which names compete for a picture's patches, those there among them.

    Returns:
        Mean of -log p(any name there | patch) over patches plus of -log p(name | likeliest patches) over
        names.
    """
    logits = (scale * patches @ names.T).masked_fill(~rivals[:, None], -1e4)
    log_p = F.log_softmax(logits, -1)
    present = there[:, None].expand_as(log_p) > 0
    # A picture whose background has no name says nothing of its patches, but that its things have some.
    told = torch.tensor([bool(row[-len(STUFF) :].any()) for row in there], device=patches.device)
    of_cells = -log_p[told].masked_fill(~present[told], -torch.inf).logsumexp(-1)
    likeliest = log_p.exp().topk(LIKELIEST, dim=1).values.mean(1).clamp(min=1e-6).log()
    of_names = -(likeliest * there).sum() / there.sum().clamp(min=1)
    return of_names + (of_cells.mean() if told.any() else 0.0)
