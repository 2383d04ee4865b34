"""Flags of the commands that build banks."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ovseg.cli import diffusion_options as generate
from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.settings import DEFAULTS
from ovseg.support.config import BankConfig
from ovseg.support.pool.config import RetrievalConfig

__all__ = ["BANK", "RETRIEVAL", "AddFlags", "BuildFlags"]

BANK = BankConfig()
RETRIEVAL = RetrievalConfig()


@dataclass(frozen=True, eq=False)
class BuildFlags:
    """Flags of ``ovseg bank build``, in the order of its help."""

    output: Annotated[Path | None, option("--output", "-o", help="Bank to write.")] = None
    classes: options.Classes = field(default_factory=list)
    classes_file: options.ClassesFile = None
    vocabulary: options.VocabularyName = None
    source: Annotated[
        str,
        option(
            "--source",
            help="Where support images come from: {source}. retrieval: from a pool; auto: from the pool what"
            " it holds, the rest generated.",
        ),
    ] = "folder"
    support: Annotated[
        Path | None,
        option(
            "--support",
            help="For source folder: SUPPORT/CLASS/*.jpg, with NAME.mask.png, masks/NAME.png or"
            " NAME.marks.json (boxes, points, scribbles) beside them.",
        ),
    ] = None
    pool: Annotated[
        Path | None, option("--pool", help="For retrieval and auto: a pool (see ovseg pool build).")
    ] = None
    photos: Annotated[
        list[Path],
        option("--photos", help="Where the pool's folder lies now, if it was moved; once for each folder."),
    ] = field(default_factory=list)
    retrieval_margin: Annotated[
        float,
        option(
            "--retrieval-margin",
            help="For retrieval and auto: least margin by which a photo of the pool must show its class"
            " more than any other word.",
        ),
    ] = RETRIEVAL.margin or 0.0
    shots: Annotated[
        int,
        option("--shots", help="Support images a class at most; 32 by default where they are generated."),
    ] = BANK.shots
    model: generate.Model = generate.DEFAULT.model
    revision: generate.Revision = generate.DEFAULT.revision
    layout: generate.Layout = generate.DEFAULT.layout
    licence: generate.Licence = generate.DEFAULT.licence
    steps: generate.Steps = generate.DEFAULT.steps
    guidance: generate.Guidance = generate.DEFAULT.guidance
    scheduler: generate.Scheduler = generate.DEFAULT.scheduler
    size: generate.Size = generate.DEFAULT.size
    generate_batch: generate.GenerateBatch = generate.DEFAULT.batch_size
    first_seed: generate.FirstSeed = generate.DEFAULT.seed
    prompts: generate.Prompts = generate.DEFAULT.prompts
    attributes: generate.Attributes = generate.DEFAULT.attributes
    attribution: generate.Attribution = generate.DEFAULT.attribution
    margin: generate.Margin = generate.DEFAULT.margin
    draws: generate.Draws = generate.DEFAULT.draws
    generated: generate.Generated = None
    allow: Annotated[
        Path | None,
        option("--allow", help="File of support images to use only: a name, pattern or SHA-256 a line."),
    ] = None
    deny: Annotated[Path | None, option("--deny", help="File of support images not to use, likewise.")] = None
    cosegment: Annotated[
        bool,
        option(
            "--cosegment/--no-cosegment", help="Whether the images of a class are compared with each other."
        ),
    ] = BANK.support.cosegment
    around: Annotated[
        bool,
        option("--around/--no-around", help="Whether what is around a class makes background prototypes."),
    ] = BANK.prototypes.background
    parts: Annotated[int, option("--parts", help="Most parts (k-means clusters) a class.")] = (
        BANK.prototypes.parts
    )
    clean: Annotated[
        float,
        option("--clean", help="Cosine to another class above which a background prototype is dropped."),
    ] = BANK.prototypes.clean
    seed: options.Seed = BANK.prototypes.seed
    assignments: Annotated[list[str], options.setting("prototypes.merge=1.0 or support.text=0.3")] = field(
        default_factory=list
    )
    overwrite: Annotated[bool, option("--overwrite", help="Replace another bank that is there.")] = False
    preset: options.Preset = DEFAULTS.preset
    image_size: options.ImageSize = BANK.encoding.image_size
    device: options.Device = DEFAULTS.device
    dtype: options.Dtype = DEFAULTS.dtype
    cache_dir: options.CacheDir = DEFAULTS.cache_dir
    offline: options.Offline = False
    quiet: options.Quiet = False
    verbose: options.Verbose = 0
    as_json: options.Json = False


@dataclass(frozen=True, eq=False)
class AddFlags(BuildFlags):
    """Those of ``ovseg bank add``: the same, but the bank says which encoders made it."""

    preset: Annotated[
        str,
        option("--preset", help="Which encoders. Default: those that made the bank.", show_default=False),
    ] = ""
