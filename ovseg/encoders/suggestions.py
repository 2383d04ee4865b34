"""Suggestions for unknown names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def suggest_names(name: str, known: Iterable[str], *, prefix: str = "") -> str:
    """Return ``did you mean a, b?``, or the number of known names; ``prefix`` stands before each name."""
    names = list(known)
    folded = {entry.casefold(): entry for entry in names}
    near = [folded[n] for n in difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.6)]
    if near:
        return f"did you mean {', '.join(prefix + entry for entry in near)}?"
    return f"none of its {len(names)} names is near"
