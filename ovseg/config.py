"""Settings of the segmentation path: a frozen dataclass for each stage, every default written once.

The stages in the order in which an image passes them: encoding, fusion of the text scores, matching with a
bank, region pooling, refinement. A stage takes its own part; only ``SegmentConfig`` knows them all.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from typing import Any, Literal

from ovseg.errors import ConfigError

__all__ = [
    "BankMatchingConfig",
    "EncodingConfig",
    "FusionConfig",
    "RefinementConfig",
    "RegionPoolingConfig",
    "SegmentConfig",
]

SYNONYMS = ("sum", "max", "mean")
REFINERS = ("none", "pamr", "crf")
BACKGROUND_SCORES = ("auto", "max", "top3_mean", "prototypes")


@dataclass(frozen=True)
class EncodingConfig:
    """How an image is encoded: the only settings that need the encoders anew when they change.

    Attributes:
        image_size: Shorter side in pixels at which the backbone sees an image.
        max_patches: Most patches of the backbone's grid; a longer image is scaled down to it.
        affinity_scale: Inverse temperature of the affinities along which features are propagated within an
            image; 0 propagates nothing.
        scales: Shorter sides in pixels at which the image-text encoder sees an image; features are averaged
            over them (multi-scale). Empty: the encoder's own.
        window: Crop and stride in pixels of the windows in which it does so at each of them. None: the
            encoder's own way, often the whole image at a time.
        crops: Up to so many by so many crops give image-level scores beside the whole image (ZeroSeg), for
            ``image_gate`` and ``category_top_p``; 1: the whole image alone.

    Raises:
        ConfigError: A value is out of range.
    """

    image_size: int = 448
    max_patches: int = 2400
    affinity_scale: float = 20.0
    scales: tuple[int, ...] = ()
    window: tuple[int, int] | None = None
    crops: int = 1

    def __post_init__(self) -> None:
        if not 56 <= self.image_size <= 4096:
            raise ConfigError(f"image_size must be between 56 and 4096 pixels, not {self.image_size}")
        if any(not 16 <= side <= 4096 for side in self.scales):
            raise ConfigError(f"scales must be between 16 and 4096 pixels, not {list(self.scales)}")
        if self.window is not None and not 1 <= self.window[1] <= self.window[0]:
            raise ConfigError(f"window must be a crop and a stride of at most it, not {list(self.window)}")
        if not 1 <= self.crops <= 6:
            raise ConfigError(f"crops must be between 1 and 6, not {self.crops}")
        _at_least(self, 0, "affinity_scale")
        _at_least(self, 16, "max_patches")

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON has them: lists, no tuples."""
        return asdict(self) | {
            "scales": list(self.scales),
            "window": None if self.window is None else list(self.window),
        }


@dataclass(frozen=True)
class FusionConfig:
    """How text, foreground and appearance become the text scores of a patch.

    Attributes:
        synonyms: How the prompts of a class count as one: their ``sum``, their ``max``, or their ``mean``.
        attributes: Weight of a class's attributes, taken together likewise, beside its words.
        image_gate: Exponent of the image-level gate (a class's score for the whole image over the best
            class's); 0 gates nothing. Applies where there is a background.
        category_top_p: Share of the image-level probability that the things which may occur must have; the
            least likely ones beyond it are ruled out in that image. 1 rules out none.
        thing_stuff_prior: Exponent of the probability that the text scores give to things and to stuff as
            kinds; 0 leaves that decision to the foreground evidence.
        background_thing_weight: Factor on the probability of background words for things; a list of words
            that stands for everything else is long, and takes more than its part.
        background_stuff_weight: The same for background words for stuff, of which the best one counts in each
            patch.
        prior_correction: Exponent of a stuff name's probability over its class prior, among stuff.
        stuff_bias: Log odds by which stuff gains on things where every pixel has one of the names. Then stuff
            was asked for to cover the picture, which the foreground evidence does not know.
        stuff_appearance: Weight of colour, place and texture among stuff; 0 ignores them.
        thing_appearance: The same among things, which come in more colours than stuff.

    Raises:
        ConfigError: A value is out of range.
    """

    synonyms: Literal["sum", "max", "mean"] = "sum"
    attributes: float = 1.0
    image_gate: float = 0.5
    category_top_p: float = 1.0
    thing_stuff_prior: float = 0.6
    background_thing_weight: float = 0.1
    background_stuff_weight: float = 0.6
    prior_correction: float = 0.5
    stuff_bias: float = 1.0
    stuff_appearance: float = 1.0
    thing_appearance: float = 0.5

    def __post_init__(self) -> None:
        _one_of(self, SYNONYMS, "synonyms")
        if not 0 < self.category_top_p <= 1:
            raise ConfigError(f"category_top_p must be above 0 and at most 1, not {self.category_top_p}")
        weights = [entry.name for entry in fields(self) if entry.name not in ("synonyms", "category_top_p")]
        _at_least(self, 0, *weights)


@dataclass(frozen=True)
class BankMatchingConfig:
    """How a bank of prototypes takes part.

    Attributes:
        prototype_weight: Weight of likeness to the prototypes of a bank (a cosine, averaged over spaces) in a
            patch's log score; 0 leaves the bank out.
        text_with_bank: Whether the text scores take part beside a bank; if not, the bank decides alone.
        background_score: What stands for the background beside a bank's classes: ``max`` (what the nearest
            class reaches: names decide whether a patch is any class, the bank which one), ``top3_mean`` (what
            the three nearest reach on average: the bank decides on both) or ``prototypes`` (the bank's own,
            of what is around the classes). ``auto``: ``top3_mean`` where a person gave all support, or the
            bank decides alone, else ``max``.

    Raises:
        ConfigError: A value is out of range.
    """

    prototype_weight: float = 8.0
    text_with_bank: bool = True
    background_score: str = "auto"

    def __post_init__(self) -> None:
        _at_least(self, 0, "prototype_weight")
        _one_of(self, BACKGROUND_SCORES, "background_score")


@dataclass(frozen=True)
class RegionPoolingConfig:
    """How scores are pooled over regions.

    Attributes:
        region_weight: Share that the mean scores of a patch's region have in the patch's own; 0 pools
            nothing.
        segments: Segments into which an image is cut (normalized cut, k-way), whose connected components are
            the regions; 0: as many as its eigenvalues tell apart.
        seed: Of the eigensolver and the clustering behind the segments.

    Raises:
        ConfigError: A value is out of range.
    """

    region_weight: float = 0.0
    segments: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.region_weight <= 1:
            raise ConfigError(f"region_weight must be between 0 and 1, not {self.region_weight}")
        if not 0 <= self.segments <= 256:
            raise ConfigError(f"segments must be between 0 and 256, not {self.segments}")
        _at_least(self, 0, "seed")


@dataclass(frozen=True)
class RefinementConfig:
    """How scores on the patch grid become labels of pixels.

    Attributes:
        refine: How edges are refined: ``none``, ``pamr`` or ``crf``.
        refine_side: Longer side in pixels at which refinement works.
        abstain: Confidence in [0, 1] below which a pixel gets no answer; None never abstains.

    Raises:
        ConfigError: A value is out of range.
    """

    refine: str = "pamr"
    refine_side: int = 256
    abstain: float | None = None

    def __post_init__(self) -> None:
        _one_of(self, REFINERS, "refine")
        _at_least(self, 16, "refine_side")
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise ConfigError(f"abstain must be between 0 and 1, not {self.abstain}")


@dataclass(frozen=True)
class SegmentConfig:
    """How an image becomes a label map, stage by stage.

    Attributes:
        encoding: How the image is encoded.
        fusion: How text, foreground and appearance become text scores.
        bank: How a bank of prototypes takes part.
        region_pooling: How scores are pooled over regions.
        refinement: How scores become labels of pixels.
        keep_scores: Whether a segmentation keeps every class's score on the grid.
        keep_nearest: Whether a segmentation keeps the nearest prototype of each patch.
    """

    encoding: EncodingConfig = field(default_factory=EncodingConfig)
    fusion: FusionConfig = field(default_factory=FusionConfig)
    bank: BankMatchingConfig = field(default_factory=BankMatchingConfig)
    region_pooling: RegionPoolingConfig = field(default_factory=RegionPoolingConfig)
    refinement: RefinementConfig = field(default_factory=RefinementConfig)
    keep_scores: bool = False
    keep_nearest: bool = False

    def with_settings(self, **settings: Any) -> SegmentConfig:
        """Return a copy with some settings changed, each by its own name, whichever stage has it.

        Example::

            SegmentConfig().with_settings(image_size=336, refine="none")

        Raises:
            ConfigError: There is no such setting, or a value is out of range.
        """
        left = dict(settings)
        changes: dict[str, Any] = {}
        for entry in fields(self):
            part = getattr(self, entry.name)
            if is_dataclass(part):
                own = {inner.name: left.pop(inner.name) for inner in fields(part) if inner.name in left}
                changes[entry.name] = replace(part, **own)  # type: ignore[type-var]
            elif entry.name in left:
                changes[entry.name] = left.pop(entry.name)
        if left:
            raise ConfigError(f"unknown setting {min(left)!r}: see SegmentConfig and its stages")
        return replace(self, **changes)

    def to_dict(self) -> dict[str, Any]:
        """Return all settings as JSON has them, a table for each stage."""
        return asdict(self) | {"encoding": self.encoding.to_dict()}


def _at_least(config: Any, least: int, *names: str) -> None:
    """Refuse values below ``least``, and infinite ones."""
    for name in names:
        if not least <= getattr(config, name) < float("inf"):
            raise ConfigError(f"{name} must be a number of at least {least}, not {getattr(config, name)}")


def _one_of(config: Any, values: tuple[str, ...], name: str) -> None:
    if getattr(config, name) not in values:
        raise ConfigError(f"{name} must be one of {', '.join(values)}, not {getattr(config, name)!r}")
