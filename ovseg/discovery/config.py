"""Settings of object discovery; what suits one encoder does not suit another (see docs/discovery.md)."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EigenConfig"]


@dataclass(frozen=True)
class EigenConfig:
    """When an eigenvector is good enough.

    Attributes:
        angle: Largest angle to the eigenvector (radians), estimated as residual over eigengap.
        flips: Largest share of cells that may change sides of the mean between two looks.
        first_look: Products before the first Rayleigh-Ritz step.
        look_every: Products between two.
        max_steps: Most products; an image that needs more comes back with ``converged`` false.
        seed: Of the start vector.
    """

    angle: float = 1e-2
    flips: float = 1e-3
    first_look: int = 5
    look_every: int = 2
    max_steps: int = 300
    seed: int = 0
