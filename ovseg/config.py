"""Settings of the segmentation path: one frozen dataclass, every default written once."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

from ovseg.errors import ConfigError

SYNONYMS = ("sum", "max", "mean")
REFINERS = ("none", "pamr", "crf")
BACKGROUND_SCORES = ("auto", "max", "top3_mean", "prototypes")

_ENCODING = ("image_size", "max_patches", "affinity_scale", "scales", "window", "crops")


@dataclass(frozen=True)
class SegmentConfig:
    """How an image becomes a label map.

    Attributes:
        image_size: Shorter side in pixels at which the backbone sees an image.
        max_patches: Patches of the shape grid at most; a longer image is scaled down to it.
        affinity_scale: Inverse temperature of the affinities along which text features are spread within an
            image; 0 spreads nothing.
        scales: Shorter sides in pixels at which the image-text encoder sees an image; features are averaged
            over them (multi-scale). Empty: the encoder's own.
        window: Crop and stride in pixels of the windows in which it does so at each of them. None: the
            encoder's own way, often the whole image at a time.
        crops: Up to so many by so many crops say, beside the whole image, which classes it shows (ZeroSeg),
            for ``image_gate`` and ``category_top_p``; 1: the whole image alone.
        image_gate: Exponent of the image-level gate (a class's score for the whole image over the best
            class's); 0 gates nothing. Applies where there is a background.
        thing_stuff_prior: Exponent of the probability that the text scores gives to things and to stuff as
            kinds; 0 leaves that decision to the foreground evidence.
        background_thing_weight: Factor on the probability of background words for things; a list of words
            that stands for everything else is long, and takes more than its part.
        background_stuff_weight: The same for background words for stuff, of which the best one counts in each
            patch.
        prior_correction: Exponent of a stuff name's probability over what it gets from an average class,
            among stuff.
        stuff_bias: Log odds by which stuff gains on things where every pixel has one of the names. Then stuff
            was asked for to cover the picture, which the foreground evidence does not know.
        stuff_appearance: Weight of colour, place and texture among stuff; 0 ignores them.
        thing_appearance: The same among things, which come in more colours than stuff.
        prototype_weight: Weight of likeness to the prototypes of a bank (a cosine, averaged over spaces) in a
            patch's log score; 0 leaves the bank out.
        text_with_bank: Whether the text scores takes part beside a bank; if not, the bank decides alone.
        background_score: What stands for the background beside a bank's classes: ``max`` (what the likest
            class reaches: names decide whether a patch is any class, the bank which one), ``top3_mean`` (what
            the three max reach on average: the bank decides on both) or ``prototypes`` (the bank's own, of
            what is around the classes). ``auto``: ``top3_mean`` where a person gave all support, or the bank
            decides alone, else ``max``.
        region_pooling: Share that the mean scores of a patch's region have in the patch's own; 0 counts no
            votes.
        regions: Segments into which an image is cut (normalized cut, k-way), whose connected components vote;
            0: as many as its eigenvalues tell apart.
        category_top_p: Share of the image-level probability that the things which may occur must have; the
            least likely ones beyond it are ruled out in that image. 1 rules out none.
        synonyms: How the words of a class count as one: their ``sum``, their ``max``, or their ``mean``.
        attributes: Weight of a class's attributes, taken together likewise, beside its words.
        refine: How edges are refined: ``none``, ``pamr`` or ``crf``.
        refine_side: Longer side in pixels at which refinement works.
        abstain: Confidence in [0, 1] below which a pixel gets no answer; None never abstains.
        keep_scores: Whether a segmentation keeps every class's score on the grid.
        keep_nearest: Whether a segmentation keeps which prototype of a bank spoke for each patch.
        seed: Of whatever is drawn; nothing is, at the default settings.

    Raises:
        ConfigError: A value is out of range.
    """

    image_size: int = 448
    max_patches: int = 2400
    affinity_scale: float = 20.0
    scales: tuple[int, ...] = ()
    window: tuple[int, int] | None = None
    crops: int = 1
    image_gate: float = 0.5
    thing_stuff_prior: float = 0.6
    background_thing_weight: float = 0.1
    background_stuff_weight: float = 0.6
    prior_correction: float = 0.5
    stuff_bias: float = 1.0
    stuff_appearance: float = 1.0
    thing_appearance: float = 0.5
    prototype_weight: float = 8.0
    text_with_bank: bool = True
    background_score: str = "auto"
    region_pooling: float = 0.0
    regions: int = 16
    category_top_p: float = 1.0
    synonyms: Literal["sum", "max", "mean"] = "sum"
    attributes: float = 1.0
    refine: str = "pamr"
    refine_side: int = 256
    abstain: float | None = None
    keep_scores: bool = False
    keep_nearest: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 56 <= self.image_size <= 4096:
            raise ConfigError(f"image_size must be between 56 and 4096 pixels, not {self.image_size}")
        if any(not 16 <= side <= 4096 for side in self.scales):
            raise ConfigError(f"scales must be between 16 and 4096 pixels, not {list(self.scales)}")
        if self.window is not None and not 1 <= self.window[1] <= self.window[0]:
            raise ConfigError(f"window must be a crop and a stride of at most it, not {list(self.window)}")
        if not 1 <= self.crops <= 6:
            raise ConfigError(f"crops must be between 1 and 6, not {self.crops}")
        if self.refine not in REFINERS:
            raise ConfigError(f"refine must be one of {', '.join(REFINERS)}, not {self.refine!r}")
        if self.background_score not in BACKGROUND_SCORES:
            raise ConfigError(
                f"background_score must be one of {', '.join(BACKGROUND_SCORES)}, "
                f"not {self.background_score!r}"
            )
        if not 0 <= self.region_pooling <= 1:
            raise ConfigError(f"region_pooling must be between 0 and 1, not {self.region_pooling}")
        if not 0 <= self.regions <= 256:
            raise ConfigError(f"regions must be between 0 and 256, not {self.regions}")
        if not 0 < self.category_top_p <= 1:
            raise ConfigError(f"category_top_p must be above 0 and at most 1, not {self.category_top_p}")
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise ConfigError(f"abstain must be between 0 and 1, not {self.abstain}")
        if self.synonyms not in SYNONYMS:
            raise ConfigError(f"synonyms must be one of {', '.join(SYNONYMS)}, not {self.synonyms!r}")
        weights = (
            "image_gate",
            "thing_stuff_prior",
            "background_thing_weight",
            "background_stuff_weight",
            "prior_correction",
            "stuff_bias",
            "stuff_appearance",
            "thing_appearance",
            "prototype_weight",
        )
        for name in ("affinity_scale", "attributes", *weights):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be a number of at least 0, not {getattr(self, name)}")
        for name, least in (("max_patches", 16), ("refine_side", 16), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, not {getattr(self, name)}")

    def with_settings(self, **settings: Any) -> SegmentConfig:
        """Return a copy with some settings changed.

        Raises:
            ConfigError: There is no such setting, or a value is out of range.
        """
        unknown = settings.keys() - {entry.name for entry in fields(self)}
        if unknown:
            raise ConfigError(f"unknown setting {min(unknown)!r}: see SegmentConfig")
        return replace(self, **settings)

    @property
    def encoding(self) -> dict[str, Any]:
        """The settings that decide how an image is encoded: the others can change without it."""
        return {name: getattr(self, name) for name in _ENCODING}

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self)
