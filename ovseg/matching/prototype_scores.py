"""Prototype scores: how similar every patch is to each class of a bank, and which prototype is nearest.

A class is as near as its nearest prototype (OVDiff, Karazija et al., ECCV 2024, section 3.4), averaged over
feature spaces. Features and prototypes are compared without what all classes of the bank have in common: the
features of most encoders share a large part, and a cosine that contains it tells little.

A bank of many prototypes is searched by an index first. Only classes that own one of the nearest prototypes
of some patch can win that patch; they alone get full scores, the others what they can have at most.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from ovseg.index import Index, build_index
from ovseg.prototypes.bank import KINDS, PrototypeBank, PrototypeTable

__all__ = ["PrototypeMatcher", "PrototypeScores", "SpaceIndex"]

EXACT = 20_000
"""Prototypes of a space up to which every one is compared with every patch."""
NEAREST = 32
"""Prototypes of each patch that the index is asked for."""
CANDIDATES = 256
"""Classes an image at most, beyond ``EXACT``: those that lead the most patches."""
_TEXT = KINDS.index("text")


@dataclass(frozen=True)
class PrototypeScores:
    """How similar the N patches of an image are to each class.

    Attributes:
        classes: (C,) int64, classes with scores (indices into the vocabulary), in rising order.
        similarity: (N, C) float32 in [-1, 1], mean over the spaces of the nearest prototype's cosine.
        background: (N,) the same for background prototypes, or None where the bank has none.
        upper_bound: (N,) most that a class can have that is not in ``classes`` though it has prototypes; -1
            where there is no such class.
    """

    classes: Tensor
    similarity: Tensor
    background: Tensor | None
    upper_bound: Tensor


class SpaceIndex:
    """The prototypes of one space, ready to be compared with patches.

    Args:
        table: The prototypes.
        classes: For each class of the bank its index in the vocabulary, or -1: no target class.
        supports: (P,) for each prototype the support image it comes from, or -1.
        device: Where to compute.
        exact: Prototypes up to which no index is built.

    Attributes:
        rows: (P',) rows of the table that take part; text and classes that are no target do not.
        owners: (P',) the class of each in the vocabulary, -1 for background.
    """

    def __init__(
        self,
        table: PrototypeTable,
        classes: Sequence[int],
        supports: npt.NDArray[np.int64],
        device: torch.device,
        *,
        exact: int = EXACT,
    ) -> None:
        class_of_row = np.asarray(classes, np.int64)[table.classes]
        self.rows = np.flatnonzero((class_of_row >= 0) & (table.kinds != _TEXT))
        front = table.foreground[self.rows]
        order = np.argsort(np.where(front, class_of_row[self.rows], -1), kind="stable")
        self.rows = self.rows[order]
        owners = np.where(front[order], class_of_row[self.rows], -1)
        vectors = torch.from_numpy(table.vectors[self.rows])
        self.centre = _common_part(vectors, torch.from_numpy(owners)).to(device)
        self.vectors = F.normalize(vectors.to(device) - self.centre, dim=1)
        self.owners = torch.from_numpy(owners).to(device)
        self._rows = torch.from_numpy(self.rows).to(device)
        labels, starts = np.unique(owners, return_index=True)
        ends = [*starts[1:].tolist(), len(owners)][: len(starts)]
        self._spans = dict(zip(labels.tolist(), zip(starts.tolist(), ends, strict=True), strict=True))
        self.supports = torch.from_numpy(supports[self.rows]).to(device)
        self._index: Index | None = None
        if len(self.rows) > exact:
            self._index = build_index(self.vectors.cpu().numpy(), device=str(device))

    def centred(self, patches: Tensor) -> Tensor:
        """Return (N, D) features without the common part, unit length."""
        return F.normalize(patches.to(self.centre.dtype) - self.centre, dim=1)

    def candidates(self, patches: Tensor) -> tuple[Tensor, Tensor] | None:
        """Return classes that lead patches, and the (N,) upper bound of the others; None: compare all."""
        if self._index is None:
            return None
        scores, found = self._index.search(patches.cpu().numpy(), NEAREST)
        owners = self.owners.cpu().numpy()[np.maximum(found, 0)]
        valid = (found >= 0) & (owners >= 0)
        # A prototype counts by its rank: the nearest of a patch says more than the thirty-second.
        weight = valid / (1 + np.arange(found.shape[1]))
        leads = np.bincount(owners[valid], weights=weight[valid])
        chosen = np.argsort(-leads, kind="stable")[:CANDIDATES]
        chosen = np.sort(chosen[leads[chosen] > 0])
        bound = np.where(np.isfinite(scores), scores, np.inf).min(axis=1)
        device = patches.device
        return torch.from_numpy(chosen).to(device), torch.from_numpy(bound.astype(np.float32)).to(device)

    def nearest(self, patches: Tensor, label: int, excluded: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (N,) best cosine to a class (-1: background), and its (N,) table row; -1 where none."""
        start, end = self._spans.get(label, (0, 0))
        members = torch.arange(start, end, device=patches.device)
        if len(excluded):
            members = members[~torch.isin(self.supports[start:end], excluded)]
        if not len(members):
            absent = torch.full((len(patches),), -1.0, device=patches.device)
            return absent, absent.long()
        best = (patches @ self.vectors[members].T).max(dim=1)
        return best.values, self._rows[members[best.indices]]


class PrototypeMatcher:
    """A bank, ready to be compared with the patches of images.

    Args:
        bank: Prototypes; those of spaces that the patches do not have are left out.
        classes: For each class of the bank its index in the vocabulary, or -1: no target class.
        spaces: Names of the spaces to use; those that the bank lacks are left out.
        device: Where to compute.
        exact: Prototypes of a space up to which no index is built.

    Attributes:
        present: Classes of the vocabulary that have foreground prototypes in every used space.
    """

    def __init__(
        self,
        bank: PrototypeBank,
        classes: Sequence[int],
        spaces: Sequence[str],
        device: torch.device,
        *,
        exact: int = EXACT,
    ) -> None:
        owner_of = np.array([region.support for region in bank.regions] + [-1], np.int64)
        self.spaces = {
            name: SpaceIndex(
                bank.tables[name], classes, owner_of[bank.tables[name].regions], device, exact=exact
            )
            for name in spaces
            if name in bank.tables and len(bank.tables[name])
        }
        sets = [set(space.owners.tolist()) - {-1} for space in self.spaces.values()]
        self.present = tuple(sorted(set.intersection(*sets))) if sets else ()
        self.device = device

    def prepare(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return (N, D) features of each space as the other methods take them: centred, unit length."""
        return {name: space.centred(features[name]) for name, space in self.spaces.items()}

    def scores(
        self, patches: Mapping[str, Tensor], excluded_supports: Collection[int] = ()
    ) -> PrototypeScores | None:
        """Return the similarity of patches to every class that can win one.

        Args:
            patches: From :meth:`prepare`.
            excluded_supports: Numbers of support images whose prototypes do not count, such as the image
                itself.

        Returns:
            The scores, or None where the bank has nothing for the vocabulary.
        """
        if not self.present:
            return None
        excluded = torch.tensor(sorted(excluded_supports), dtype=torch.int64, device=self.device)
        candidates = [space.candidates(patches[name]) for name, space in self.spaces.items()]
        limited = [pair for pair in candidates if pair is not None]
        count = len(next(iter(patches.values())))
        bound = torch.full((count,), -1.0, device=self.device)
        classes = torch.tensor(self.present, device=self.device)
        if limited:
            among = torch.isin(classes, torch.cat([chosen for chosen, _ in limited]))
            classes = classes[among]
            bound = torch.stack([most for _, most in limited]).mean(dim=0)
        similarity = torch.stack(
            [self._similarity(patches, int(label), excluded) for label in classes], dim=1
        ) if len(classes) else bound[:, None][:, :0]  # fmt: skip
        # A class all of whose prototypes are left out is treated as one that the bank does not have.
        supported = (similarity > -1).any(dim=0) if len(classes) else torch.zeros(0, dtype=torch.bool)
        background = self._similarity(patches, -1, excluded)
        return PrototypeScores(
            classes[supported],
            similarity[:, supported],
            background if bool((background > -1).any()) else None,
            bound,
        )

    def nearest_prototypes(
        self, patches: Mapping[str, Tensor], labels: Tensor, excluded_supports: Collection[int] = ()
    ) -> dict[str, tuple[Tensor, Tensor]]:
        """Return for each patch the nearest prototype of the class that it has been given.

        Args:
            patches: From :meth:`prepare`.
            labels: (N,) classes of the vocabulary, -1 for background.
            excluded_supports: As for :meth:`scores`.

        Returns:
            By space, (N,) rows of the bank's table (-1: none) and (N,) cosines.
        """
        excluded = torch.tensor(sorted(excluded_supports), dtype=torch.int64, device=self.device)
        result = {}
        for name, space in self.spaces.items():
            rows = torch.full(labels.shape, -1, dtype=torch.int64, device=self.device)
            scores = torch.full(labels.shape, -1.0, device=self.device)
            for label in np.unique(labels.cpu().numpy()).tolist():
                of_label = labels == label
                scores[of_label], rows[of_label] = space.nearest(
                    patches[name][of_label], int(label), excluded
                )
            result[name] = (rows, scores)
        return result

    def _similarity(self, patches: Mapping[str, Tensor], label: int, excluded: Tensor) -> Tensor:
        """Return the (N,) mean over spaces of the nearest prototype's cosine; -1 where a space has none."""
        each = [space.nearest(patches[name], label, excluded)[0] for name, space in self.spaces.items()]
        least = torch.stack(each).min(dim=0).values
        return torch.where(least > -1, torch.stack(each).mean(dim=0), least)


def _common_part(vectors: Tensor, owners: Tensor) -> Tensor:
    """Return the (D,) mean of the classes' mean prototypes, so that no class counts by how many it has."""
    front = owners >= 0
    if not bool(front.any()):
        return torch.zeros(vectors.shape[1])
    labels, class_map = np.unique(owners[front].numpy(), return_inverse=True)
    if len(labels) == 1:
        return torch.zeros(vectors.shape[1])
    sums = torch.zeros(len(labels), vectors.shape[1])
    sums.index_add_(0, torch.from_numpy(class_map), vectors[front])
    return F.normalize(sums, dim=1).mean(dim=0)
