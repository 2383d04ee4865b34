"""Retrieval: are the images found for a name images of it? Precision at k and mean average precision."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ovseg.errors import InputError, reason

if TYPE_CHECKING:
    from ovseg.support.pool.search import PoolSearch
    from ovseg.vocabulary import ClassSpec

__all__ = [
    "average_precision",
    "pool_rankings",
    "precision_at",
    "read_groups",
    "read_labels",
    "read_rankings",
    "retrieval_scores",
]


def precision_at(ranking: Sequence[str], relevant: set[str], k: int) -> float:
    """Share of relevant images among the first k; a ranking shorter than k counts as filled with misses."""
    return sum(name in relevant for name in ranking[:k]) / k


def average_precision(ranking: Sequence[str], relevant: set[str]) -> float:
    """Mean over all relevant images of the precision at their rank; those that were not found count as 0.

    (Manning et al., Introduction to Information Retrieval, 2008, section 8.4.)
    """
    hits, total = 0, 0.0
    for rank, name in enumerate(ranking, start=1):
        if name in relevant:
            hits += 1
            total += hits / rank
    return total / len(relevant)


def retrieval_scores(
    rankings: Mapping[str, Sequence[str]], labels: Mapping[str, set[str]], ks: Sequence[int] = (1, 5, 10)
) -> dict[str, Any]:
    """Score rankings.

    Args:
        rankings: Names of images, best first, for each class; no name twice.
        labels: Image-level labels of every image of the pool.
        ks: Depths.

    Returns:
        ``precision`` by k, ``precision_of_possible`` by k (hits over the lesser of k and the number of
        relevant images) and ``mean_average_precision`` in [0, 1], means over classes that have a relevant
        image; ``per_class``; ``without_images``: classes that the labels do not know. None without classes.

    Raises:
        InputError: A ranking names an image twice, or one without labels.
    """
    per_class: dict[str, dict[str, Any]] = {}
    unknown: list[str] = []
    for name, ranking in rankings.items():
        if len(set(ranking)) != len(ranking):
            raise InputError(f"the ranking of {name!r} names an image twice")
        strangers = [image for image in ranking if image not in labels]
        if strangers:
            raise InputError(f"the ranking of {name!r} names {strangers[0]!r}, which has no labels")
        relevant = {image for image, words in labels.items() if name.casefold() in words}
        if not relevant:
            unknown.append(name)
            continue
        per_class[name] = {
            "relevant": len(relevant),
            "precision": {str(k): precision_at(ranking, relevant, k) for k in ks},
            "precision_of_possible": {
                str(k): precision_at(ranking, relevant, k) * k / min(k, len(relevant)) for k in ks
            },
            "average_precision": average_precision(ranking, relevant),
        }
    count = len(per_class)
    means = {
        measure: {
            str(k): sum(entry[measure][str(k)] for entry in per_class.values()) / count if count else None
            for k in ks
        }
        for measure in ("precision", "precision_of_possible")
    }
    return {
        **means,
        "mean_average_precision": (
            sum(entry["average_precision"] for entry in per_class.values()) / count if count else None
        ),
        "classes": count,
        "without_images": unknown,
        "per_class": per_class,
    }


def read_rankings(path: Path) -> dict[str, list[str]]:
    """JSON of class to a list of image names, best first (or of objects with ``file`` or ``path``).

    Raises:
        InputError: It is not such a file.
    """
    content = _json(path)
    if not isinstance(content, dict) or not all(isinstance(entries, list) for entries in content.values()):
        raise InputError(f"cannot read rankings from {path}: it must hold a list of images for each class")
    try:
        return {str(name): [_image(entry) for entry in entries] for name, entries in content.items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot read rankings from {path}: {error!r}") from error


def read_labels(path: Path, groups: Mapping[str, set[str]] | None = None) -> dict[str, set[str]]:
    """Labels of images, lower case: CSV with columns ``file`` and ``label``, or JSON of name to labels.

    Args:
        path: The file.
        groups: From ``read_groups``: an image with a label of a group (or with one in another column, such as
            a WordNet id) also has the group's name as a label.

    Raises:
        InputError: It is not such a file.
    """
    labels: dict[str, set[str]] = defaultdict(set)
    others: dict[str, set[str]] = defaultdict(set)
    try:
        if path.suffix.lower() == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as stream:
                for row in csv.DictReader(stream):
                    labels[row["file"]].add(row["label"].casefold())
                    others[row["file"]] |= {str(value).casefold() for value in row.values()}
        else:
            for name, words in _json(path).items():
                labels[name] |= {str(word).casefold() for word in words}
    except (OSError, UnicodeDecodeError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot read labels from {path}: {error!r}") from error
    for image, words in labels.items():
        known = words | others[image]
        words |= {
            name.casefold() for name, members in (groups or {}).items() if not members.isdisjoint(known)
        }
    return dict(labels)


def read_groups(path: Path) -> dict[str, set[str]]:
    """Lines ``name: label, label``; ``#`` starts a comment line.

    Raises:
        InputError: It is not such a file.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read groups from {path}: {reason(error)}") from error
    groups: dict[str, set[str]] = {}
    for line in lines:
        if line and not line.startswith("#"):
            name, colon, members = line.partition(":")
            if not colon:
                raise InputError(f"cannot read groups from {path}: a line needs name: label, label")
            groups[name.strip()] = {member.strip().casefold() for member in members.split(",")}
    return groups


def pool_rankings(search: PoolSearch, classes: Sequence[ClassSpec], depth: int) -> dict[str, list[str]]:
    """What a pool gives for each class, all others being its rivals, as the source ``retrieval`` does it."""
    rivals = [word for spec in classes for word in spec.words]
    found = {spec.name: search.by_words(spec.words, depth, rivals=rivals) for spec in classes}
    pool = search.pool
    return {name: [pool.name(hit.photo) for hit in ranking.hits] for name, ranking in found.items()}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error


def _image(entry: Any) -> str:
    return str(entry.get("file") or entry["path"]) if isinstance(entry, Mapping) else str(entry)
