"""Settings of the segmentation path: one frozen dataclass, every default written once."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from ovseg.errors import ConfigError

SYNONYMS = ("sum", "max", "mean")
REFINERS = ("none", "pamr", "crf")
BACKDROPS = ("auto", "likest", "rivals", "prototypes")

_ENCODING = ("image_size", "max_cells", "spread", "sides", "window", "crops")


@dataclass(frozen=True)
class SegmentConfig:
    """How an image becomes a label map.

    Attributes:
        image_size: Shorter side in pixels at which the shape encoder sees an image.
        max_cells: Cells of the shape grid at most; a longer image is scaled down to it.
        spread: Inverse temperature of the affinities along which text features are spread within an image;
            0 spreads nothing.
        sides: Shorter sides in pixels at which the encoder of names sees an image; features are averaged over
            them (multi-scale). Empty: the encoder's own.
        window: Crop and stride in pixels of the windows in which it does so at each of them. None: the
            encoder's own way, often the whole image at a time.
        crops: Up to so many by so many crops say, beside the whole image, which classes it shows (ZeroSeg),
            for ``gate`` and ``category_mass``; 1: the whole image alone.
        gate: Exponent of the image-level gate (a class's score for the whole image over the best class's);
            0 gates nothing. Applies where there is a background.
        mass: Exponent of the probability that the text side gives to things and to stuff as kinds; 0 leaves
            that decision to the foreground evidence.
        other_things: Factor on the probability of background words for things; a list of words that stands
            for everything else is long, and takes more than its part.
        other_stuff: The same for background words for stuff, of which the best one counts in each cell.
        lift: Exponent of a stuff name's probability over what it gets from an average class, among stuff.
        cover: Log odds by which stuff gains on things where every pixel has one of the names. Then stuff was
            asked for to cover the picture, which the foreground evidence does not know.
        looks: Weight of colour, place and texture among stuff; 0 ignores them.
        thing_looks: The same among things, which come in more colours than stuff.
        visual: Weight of likeness to the prototypes of a bank (a cosine, averaged over spaces) in a cell's
            log score; 0 leaves the bank out.
        bank_text: Whether the text side takes part beside a bank; if not, the bank decides alone.
        backdrop: What stands for the background beside a bank's classes: ``likest`` (what the likest class
            reaches: names decide whether a cell is any class, the bank which one), ``rivals`` (what the three
            likest reach on average: the bank decides on both) or ``prototypes`` (the bank's own, of what is
            around the classes). ``auto``: ``rivals`` where a person gave all support, or the bank decides
            alone, else ``likest``.
        region_votes: Share that the mean scores of a cell's region have in the cell's own; 0 counts no votes.
        regions: Segments into which an image is cut (normalized cut, k-way), whose connected pieces vote; 0:
            as many as its eigenvalues tell apart.
        category_mass: Share of the image-level probability that the things which may occur must have; the
            least likely ones beyond it are ruled out in that image. 1 rules out none.
        synonyms: How the words of a class count as one: their ``sum``, their ``max``, or their ``mean``.
        attributes: Weight of a class's attributes, taken together likewise, beside its words.
        refine: How edges are refined: ``none``, ``pamr`` or ``crf``.
        refine_side: Longer side in pixels at which refinement works.
        abstain: Confidence in [0, 1] below which a pixel gets no answer; None never abstains.
        keep_scores: Whether a segmentation keeps every class's score on the grid.
        keep_winners: Whether a segmentation keeps which prototype of a bank spoke for each cell.
        seed: Of whatever is drawn; nothing is, at the default settings.

    Raises:
        ConfigError: A value is out of range.
    """

    image_size: int = 448
    max_cells: int = 2400
    spread: float = 20.0
    sides: tuple[int, ...] = ()
    window: tuple[int, int] | None = None
    crops: int = 1
    gate: float = 0.5
    mass: float = 0.6
    other_things: float = 0.1
    other_stuff: float = 0.6
    lift: float = 0.5
    cover: float = 1.0
    looks: float = 1.0
    thing_looks: float = 0.5
    visual: float = 8.0
    bank_text: bool = True
    backdrop: str = "auto"
    region_votes: float = 0.0
    regions: int = 16
    category_mass: float = 1.0
    synonyms: Literal["sum", "max", "mean"] = "sum"
    attributes: float = 1.0
    refine: str = "pamr"
    refine_side: int = 256
    abstain: float | None = None
    keep_scores: bool = False
    keep_winners: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not 56 <= self.image_size <= 4096:
            raise ConfigError(f"image_size must be between 56 and 4096 pixels, not {self.image_size}")
        if any(not 16 <= side <= 4096 for side in self.sides):
            raise ConfigError(f"sides must be between 16 and 4096 pixels, not {list(self.sides)}")
        if self.window is not None and not 1 <= self.window[1] <= self.window[0]:
            raise ConfigError(f"window must be a crop and a stride of at most it, not {list(self.window)}")
        if not 1 <= self.crops <= 6:
            raise ConfigError(f"crops must be between 1 and 6, not {self.crops}")
        if self.refine not in REFINERS:
            raise ConfigError(f"refine must be one of {', '.join(REFINERS)}, not {self.refine!r}")
        if self.backdrop not in BACKDROPS:
            raise ConfigError(f"backdrop must be one of {', '.join(BACKDROPS)}, not {self.backdrop!r}")
        if not 0 <= self.region_votes <= 1:
            raise ConfigError(f"region_votes must be between 0 and 1, not {self.region_votes}")
        if not 0 <= self.regions <= 256:
            raise ConfigError(f"regions must be between 0 and 256, not {self.regions}")
        if not 0 < self.category_mass <= 1:
            raise ConfigError(f"category_mass must be above 0 and at most 1, not {self.category_mass}")
        if self.abstain is not None and not 0 <= self.abstain <= 1:
            raise ConfigError(f"abstain must be between 0 and 1, not {self.abstain}")
        if self.synonyms not in SYNONYMS:
            raise ConfigError(f"synonyms must be one of {', '.join(SYNONYMS)}, not {self.synonyms!r}")
        weights = (
            "gate",
            "mass",
            "other_things",
            "other_stuff",
            "lift",
            "cover",
            "looks",
            "thing_looks",
            "visual",
        )
        for name in ("spread", "attributes", *weights):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ConfigError(f"{name} must be a number of at least 0, not {getattr(self, name)}")
        for name, least in (("max_cells", 16), ("refine_side", 16), ("seed", 0)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be at least {least}, not {getattr(self, name)}")

    @property
    def encoding(self) -> dict[str, Any]:
        """The settings that decide how an image is encoded: the others can change without it."""
        return {name: getattr(self, name) for name in _ENCODING}

    def to_dict(self) -> dict[str, Any]:
        """All settings as JSON-able values."""
        return asdict(self)
