"""Names for outputs: short where that is clear, longer only where two images would meet in one file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path, PurePosixPath


def unique_stems(files: Sequence[tuple[Path, PurePosixPath]]) -> list[PurePosixPath]:
    """Give each file a stem that no other has.

    Args:
        files: (absolute folder of the input, path below that folder) of distinct files.

    Returns:
        Stems in the order of ``files``: the path below the folder without suffix; with names of the input's
        folders in front where stems of several folders meet; with its suffix where only that tells them
        apart.
    """
    prefixes = _prefix_depths(files)
    whole = [_prefix(base, prefixes[base]) / relative for base, relative in files]
    keep_suffix: set[int] = set()
    while True:
        stems = [path if i in keep_suffix else path.with_name(path.stem) for i, path in enumerate(whole)]
        # A kept suffix can meet another stem (a.jpg, a.png and a.jpg.png), so look again until none meet.
        # Whole paths are distinct, so this ends at the latest when every file keeps its suffix.
        clashing = {i for group in _groups(stems) if len(group) > 1 for i in group} - keep_suffix
        if not clashing:
            return stems
        keep_suffix |= clashing


def _prefix_depths(files: Sequence[tuple[Path, PurePosixPath]]) -> dict[Path, int]:
    """How many of its own folder names each input needs in front, so that stems of two inputs never meet."""
    depths = {base: 0 for base, _ in files}
    while True:
        stems = [_prefix(base, depths[base]) / relative.with_name(relative.stem) for base, relative in files]
        meeting = {
            files[i][0]
            for group in _groups(stems)
            if len({files[i][0] for i in group}) > 1
            for i in group
            if depths[files[i][0]] < len(files[i][0].parts) - 1
        }
        if not meeting:
            return depths
        for base in meeting:
            depths[base] += 1


def _prefix(base: Path, depth: int) -> PurePosixPath:
    return PurePosixPath(*base.parts[len(base.parts) - depth :])


def _groups(stems: Sequence[PurePosixPath]) -> list[list[int]]:
    """Indices of equal stems."""
    groups: defaultdict[PurePosixPath, list[int]] = defaultdict(list)
    for i, stem in enumerate(stems):
        groups[stem].append(i)
    return list(groups.values())
