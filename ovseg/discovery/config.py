"""Settings of object discovery; what suits one encoder does not suit another (see docs/discovery.md)."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ovseg.errors import ConfigError

__all__ = ["LAST_TOKENS", "DiscoveryConfig", "EigenConfig"]


@dataclass(frozen=True)
class EigenConfig:
    """When an eigenvector is good enough.

    Attributes:
        angle: Largest angle to the eigenvector (radians), estimated as residual over eigengap.
        residual: Largest residual. Eigenvalues that lie closer together than this look like one, and the gap
            like that to the one after them: a graph in pieces has several of them near 0.
        flips: Largest share of patches that may change sides of the mean between two looks.
        first_look: Products before the first Rayleigh-Ritz step.
        look_every: Products between two.
        max_steps: Most products; an image that needs more comes back with ``converged`` false.
        seed: Of the start vector.
    """

    angle: float = 1e-2
    residual: float = 2e-5
    flips: float = 1e-3
    first_look: int = 6
    look_every: int = 1
    max_steps: int = 300
    seed: int = 0


@dataclass(frozen=True)
class DiscoveryConfig:
    """How objects are found. The defaults suit DINOv2 ViT-S/14; `for_encoder` knows what suits others.

    Attributes:
        image_size: An image is seen with as many pixels as a square of this side, in its own proportions.
        layer: Transformer block whose features are cut, -1 the last.
        facet: Which of its features.
        tau: Cosine above which two patches are linked.
        density: Share of the pairs of patches that are linked; tau is then each image's own. None: ``tau``.
        epsilon: Weight of the other pairs.
        split: Where the eigenvector is cut in two: at its mean (TokenCut), or where the N-cut value is least.
        rounds: Cuts, each on what the ones before left over (MaskCut's N).
        min_area: Smallest region, as a share of the image.
        saliency_share: Exponent of the saliency in the evidence; the cut has the rest.
        levels: Evidence at which regions are looked for, as (first, last, number).
        per_level: Most regions a level, largest first.
        raster: Patches of the masks along a side of a feature patch.
        agreement: Power of the overlap in the votes that rank regions.
        frame: Power of the share of the frame that a region leaves free, in its rank: what runs along the
            frame is rather background (MaskCut's rule of three corners, without its threshold).
        overlap: Largest IoU of two regions that are both returned.
        max_regions: Most regions an image.
        min_score: Regions below it are not returned: "nothing here".
        refine: Masks at the photo's size: ``none`` (interpolated) or ``bilateral`` (drawn to its edges).
        eigen: Accuracy of the eigenvector.

    Raises:
        ConfigError: A value is out of range.
    """

    image_size: int = 448
    layer: int = -1
    facet: Literal["token", "query", "key", "value"] = "value"
    tau: float = 0.4
    density: float | None = None
    epsilon: float = 1e-5
    split: Literal["mean", "ncut"] = "mean"
    rounds: int = 3
    min_area: float = 0.004
    saliency_share: float = 0.7
    levels: tuple[float, float, int] = (0.3, 0.9, 13)
    per_level: int = 4
    raster: int = 4
    agreement: float = 8.0
    frame: float = 2.0
    overlap: float = 0.5
    max_regions: int = 5
    min_score: float = 0.25
    refine: Literal["none", "bilateral"] = "none"
    eigen: EigenConfig = field(default_factory=EigenConfig)

    def __post_init__(self) -> None:
        for name, choices in (
            ("facet", ("token", "query", "key", "value")),
            ("split", ("mean", "ncut")),
            ("refine", ("none", "bilateral")),
        ):
            if getattr(self, name) not in choices:
                raise ConfigError(f"{name} must be one of {', '.join(choices)}, not {getattr(self, name)!r}")
        for name, least, most in (
            ("image_size", 56, 4096),
            ("tau", -1, 0.999),
            ("epsilon", 1e-12, 0.999),
            ("rounds", 1, 100),
            ("min_area", 0, 1),
            ("saliency_share", 0, 1),
            ("per_level", 1, 1000),
            ("raster", 1, 16),
            ("agreement", 0, 100),
            ("frame", 0, 100),
            ("overlap", 0, 1),
            ("max_regions", 1, 254),
            ("min_score", 0, 1),
        ):
            if not least <= getattr(self, name) <= most:
                raise ConfigError(f"{name} must be between {least} and {most}, not {getattr(self, name)}")
        if self.density is not None and not 0 < self.density < 1:
            raise ConfigError(f"density must be between 0 and 1, not {self.density}")
        first, last, number = self.levels
        if not (0 <= first <= last <= 1 and number >= 1):
            raise ConfigError(f"levels must be (first, last, number) within 0 and 1, not {self.levels}")

    @classmethod
    def for_encoder(cls, family: str) -> DiscoveryConfig:
        """Settings for an encoder by its ``family``.

        DINO (the first) separates objects by its last keys at tau 0.2 (TokenCut, section 4). DINOv2 does not,
        its keys share one large component; its last values are measured in docs/discovery.md. No tau is
        known for others: half of the pairs are linked, of a CLIP tower by the keys of the last block but
        one (OVDiff, section 4.1), of diffusion models by the queries of their cross-attention
        (examples/learned_world), of DINOv3 and the rest by the last tokens.
        """
        if family == "dinov2":
            return cls()
        if family == "dino":
            return cls(facet="key", tau=0.2)
        if family == "clip":
            return cls(layer=-2, facet="key", density=0.5)
        if family == "diffusion":
            return cls(facet="query", density=0.5)
        return cls(facet="token", density=0.5)

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self)


LAST_TOKENS = DiscoveryConfig.for_encoder("other")
"""Settings for the last tokens, which every backbone has, whatever it is."""
