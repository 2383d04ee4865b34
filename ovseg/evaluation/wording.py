"""Figures and their intervals as they stand in tables and on pages."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["percent", "span"]


def percent(value: float | None) -> str:
    """A share in [0, 1] as a percentage with one decimal, without a sign; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.1f}"


def span(interval: Sequence[float] | None) -> str:
    """Both ends of an interval of shares as :func:`percent` writes them; a dash where there is none."""
    return "–" if interval is None else f"{percent(interval[0])} – {percent(interval[1])}"
