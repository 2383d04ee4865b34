"""Flags of the commands that evaluate on a data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.settings import DEFAULTS

__all__ = ["EvaluateFlags", "FolderBackground", "Out", "Root"]

Root = Annotated[Path, option("--root", help="Folder of the data set.")]
Out = Annotated[Path, option("--output", "-o", help="Folder for the results (made if missing).")]
FolderBackground = Annotated[
    bool | None,
    option(
        "--background/--no-background",
        help="Whether index 0, the first line of classes.txt, is background. Must be said.",
        show_default=False,
    ),
]


@dataclass(frozen=True, eq=False)
class EvaluateFlags:
    """Flags that every data set takes, in the order of their help; settings among them go to ``resolve``."""

    preset: options.Preset = DEFAULTS.preset
    image_text_encoder: options.ImageTextModel = DEFAULTS.image_text_encoder
    backbone: options.BackboneModel = DEFAULTS.backbone
    prototype_backbone: options.PrototypeBackboneModel = DEFAULTS.prototype_backbone
    dense_variant: options.DenseVariant = DEFAULTS.dense_variant
    templates: options.Templates = DEFAULTS.templates
    bank: options.Bank = DEFAULTS.bank
    pool: options.Pool = DEFAULTS.pool
    protocol: Annotated[
        str,
        option("--protocol", help="The way of evaluating: ovseg (what ovseg segment does), sclip or tcl."),
    ] = "ovseg"
    vocabulary: options.VocabularyName = None
    predictions: Annotated[
        Path | None,
        option(
            "--predictions",
            help="Score this folder instead of running ovseg: NAME.png (indices) or NAME.safetensors"
            " (scores), or a run folder of ovseg segment.",
        ),
    ] = None
    save_predictions: Annotated[
        bool, option("--save-predictions", help="Keep indexed PNGs in OUT/predictions.")
    ] = False
    overwrite: Annotated[
        bool,
        option(
            "--overwrite",
            help="Drop the evaluation that is in the folder. Default: go on with it, and refuse another one.",
        ),
    ] = DEFAULTS.run.overwrite
    limit: options.Limit = None
    shard: Annotated[
        str,
        option(
            "--shard",
            help="I/N: only every N-th image from the I-th, into a folder of its own (see ovseg evaluate"
            " merge).",
        ),
    ] = "/".join(map(str, DEFAULTS.run.shard))
    batch_size: options.BatchSize = DEFAULTS.run.batch_size
    leakage: Annotated[
        list[Path],
        option(
            "--leakage",
            help="Folder of photos, or a pool: report near copies of evaluation images in it. Repeatable.",
        ),
    ] = field(default_factory=list)
    strict: Annotated[bool, option("--strict", help="Refuse to evaluate when --leakage finds any.")] = False
    image_size: options.ImageSize = DEFAULTS.segment.encoding.image_size
    refine: options.Refine = DEFAULTS.segment.refinement.refine
    abstain: options.Abstain = DEFAULTS.segment.refinement.abstain
    device: options.Device = DEFAULTS.device
    dtype: options.Dtype = DEFAULTS.dtype
    seed: options.Seed = DEFAULTS.segment.region_pooling.seed
    cache_dir: options.CacheDir = DEFAULTS.cache_dir
    offline: options.Offline = False
    config: options.ConfigFile = None
    assignments: options.Assignments = field(default_factory=list)
    quiet: options.Quiet = False
    verbose: options.Verbose = 0
    as_json: options.Json = False
