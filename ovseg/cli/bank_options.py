"""Flags of the commands that build banks."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ovseg.cli import options
from ovseg.cli.diffusion_options import DiffusionFlags, GeneratedFlag
from ovseg.cli.flags import flag, flags, setting
from ovseg.support.config import BankConfig
from ovseg.support.pool.config import RetrievalConfig

__all__ = ["BANK", "RETRIEVAL", "AddFlags", "BankFileFlags", "BuildFlags", "CleanFlag"]

BANK = BankConfig()
RETRIEVAL = RetrievalConfig()
_setting = partial(setting, of=BANK)


@flags("Output")
class BankFileFlags:
    """The bank to write."""

    output: Path | None = flag("Bank to write.", "-o")
    overwrite: bool = flag("Replace a file that exists.", default=False)


@flags("Prototypes")
class CleanFlag:
    """Which background prototypes are kept."""

    clean: float = _setting(
        "prototypes.clean", "Drop background prototypes whose cosine to another class exceeds this."
    )


@flags("Support images")
class SupportFlags:
    """Where support images come from."""

    source: str = flag(
        "Source of support images: {source}. retrieval: from a pool; diffusion: generated; auto: retrieved,"
        " and generated for classes that the pool lacks.",
        default="folder",
    )
    support: Path | None = flag(
        "For --source folder: SUPPORT/CLASS/*.jpg, with NAME.mask.png, masks/NAME.png or NAME.marks.json"
        " (boxes, points, scribbles) beside them.",
        metavar="FOLDER",
    )
    pool: Path | None = flag("For retrieval and auto: the pool (see ovseg pool build).")
    photos: list[Path] = flag(
        "New place of a folder of the pool that was moved; once for each folder, in their order.",
        default=[],
        metavar="FOLDER",
    )
    retrieval_margin: float = setting(
        "margin",
        "For retrieval and auto: keep a photo if the log-probability of its class exceeds that of every other"
        " word by this.",
        of=RETRIEVAL,
    )
    shots: int = _setting("shots", "Most support images per class. Default for generated ones: 32.")
    allow: Path | None = flag(
        "File of support images to use, and no others: a name, pattern or SHA-256 per line."
    )
    deny: Path | None = flag("File of support images not to use, in the same form.")


@flags("Prototypes")
class PrototypeFlags(CleanFlag):
    """How prototypes are made."""

    cosegment: bool = _setting(
        "support.cosegment",
        "Compare the images of a class with each other to find its regions.",
        "--cosegment/--no-cosegment",
    )
    around: bool = _setting(
        "prototypes.background",
        "Make background prototypes of what surrounds a class.",
        "--around/--no-around",
    )
    parts: int = _setting("prototypes.parts", "Most part prototypes (k-means) per class.", metavar="K")
    seed: int = _setting("prototypes.seed", "Random seed.")
    image_size: int = _setting(
        "encoding.image_size",
        "Shorter side, in pixels, at which support images are encoded.",
        metavar="PIXELS",
    )


@flags("Configuration")
class BuildFlags(
    options.ReportFlags,
    options.ComputeFlags,
    PrototypeFlags,
    GeneratedFlag,
    DiffusionFlags,
    SupportFlags,
    options.PresetFlag,
    BankFileFlags,
    options.ClassFlags,
):
    """Flags of ``ovseg bank build``."""

    assignments: list[str] = flag(
        options.SET.format("prototypes.merge=1.0 or support.text=0.3"),
        "--set",
        default=[],
        metavar="KEY=VALUE",
    )


@flags("Models")
class AddFlags(BuildFlags):
    """Those of ``ovseg bank add``: the same, but the bank knows which encoders made it."""

    preset: str = flag(
        "Preset of encoders. Default: the one that made the bank.", default="", show_default=False
    )
