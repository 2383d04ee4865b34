"""Flags that several commands share, each with its help in one place; defaults come from ``settings``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from ovseg.cli.common import option, texts


def setting(examples: str) -> Any:
    """The flag ``--set``, with what a command's own settings look like."""
    return option("--set", help=f"One setting, such as {examples}. Repeatable.")


Output = Annotated[Path | None, option("--output", "-o", help="Run folder to write.")]
Format = Annotated[
    list[str],
    option(
        "--format",
        "-f",
        help="Output formats, repeated or between commas: {format without objects}.",
    ),
]
Overwrite = Annotated[
    bool,
    option(
        "--overwrite",
        help="Start anew: remove what ovseg wrote into the run folder before (nothing else). Default: go on"
        " where the run stopped, and refuse a folder of another configuration.",
    ),
]

Classes = Annotated[
    list[str],
    texts(
        "--classes",
        "-c",
        help='Class names between commas: "cat, dog". Synonyms: "cat, sofa=sofa,couch; dog"; a semicolon ends'
        " them. Repeatable.",
    ),
]
ClassesFile = Annotated[
    str | None,
    option("--classes-file", help="File with a class a line (name or name=synonym,synonym)."),
]
VocabularyName = Annotated[
    str | None,
    option(
        "--vocabulary",
        help="A shipped vocabulary (voc21, …) or a TOML file with synonyms, attributes and background words.",
    ),
]
Background = Annotated[
    bool | None,
    option(
        "--background/--no-background",
        help="Whether a pixel may be none of the classes. Default: as the vocabulary says; yes with -c.",
        show_default=False,
    ),
]

Bank = Annotated[
    str | None,
    option(
        "--bank",
        help="A bank of prototypes (see ovseg bank): what classes look like. Where no classes are named, its"
        " own count; --preset auto takes the preset that made it.",
    ),
]
Pool = Annotated[
    str | None,
    option(
        "--pool",
        help="self, or a pool (see ovseg pool): make a bank for this run from the images themselves, or from"
        " the pool; it lies beside the output folder.",
    ),
]

Preset = Annotated[
    str,
    option(
        "--preset",
        help="Which encoders: auto takes the best whose weights are on this machine (see ovseg models list).",
    ),
]
BackbonePreset = Annotated[
    str,
    option(
        "--preset",
        help="Whose backbone: auto takes the best that is on this machine (see ovseg models list).",
    ),
]
ImageTextModel = Annotated[
    str | None,
    option(
        "--image-text-encoder",
        help="Image-text encoder (CLIP): ViT-B-16:openai, hf-hub:OWNER/REPO or local-dir:/PATH.",
    ),
]
BackboneModel = Annotated[
    str | None,
    option("--backbone", help="Patch-feature backbone: timm:NAME, hf-hub:OWNER/REPO or local-dir:/PATH."),
]
PrototypeBackboneModel = Annotated[
    str | None,
    option(
        "--prototype-backbone",
        help="Backbone whose features prototypes are made of: any that can be --backbone.",
    ),
]
DenseVariant = Annotated[
    str | None,
    option(
        "--dense-variant",
        help="How CLIP is read patch by patch: value, sclip, clearclip, naclip, proxyclip, corrclip or none.",
    ),
]
Templates = Annotated[
    str | None,
    option("--templates", help="Sentences into which CLIP's words are put: imagenet80, imagenet7 or simple."),
]
ImageSize = Annotated[
    int,
    option("--image-size", help="Shorter side, in pixels, at which the encoders see an image."),
]
Refine = Annotated[str, option("--refine", help="How edges are refined: none, pamr or crf.")]
Abstain = Annotated[
    float | None,
    option(
        "--abstain",
        help="Give no answer (255 in masks) where the winner's confidence is below this, from 0 to 1.",
    ),
]
Seed = Annotated[int, option("--seed", help="Seed of whatever is drawn.")]
Device = Annotated[str, option("--device", help="auto, cpu, cuda, cuda:N or mps.")]
Dtype = Annotated[str, option("--dtype", help="auto, float32, bfloat16 or float16.")]
CacheDir = Annotated[
    str | None,
    option("--cache-dir", help="Folder of converted weights. Default: the user's cache."),
]
Offline = Annotated[
    bool,
    option("--offline", help="Keep model libraries from asking the hub for anything."),
]

BatchSize = Annotated[
    int,
    option("--batch-size", "-b", help="Images at a time; 0: 1 on a CPU, 8 on a GPU."),
]
Workers = Annotated[int, option("--workers", help="Threads that read, and as many that write.")]
Recursive = Annotated[
    bool,
    option("--recursive/--no-recursive", help="Search folders to the bottom."),
]
Include = Annotated[
    list[str],
    texts("--include", help='Only files that match, such as "*.jpg". Repeatable.'),
]
Exclude = Annotated[
    list[str],
    texts("--exclude", help='Not files and folders that match, such as "thumbs". Repeatable.'),
]
Limit = Annotated[int | None, option("--limit", help="Only the first so many images.")]
Shard = Annotated[
    str,
    option(
        "--shard",
        help="I/N: only every N-th image from the I-th. Shards may share the run folder; the same command"
        " without --shard joins them at the end.",
    ),
]
DryRun = Annotated[
    bool,
    option("--dry-run", help="List images and outputs; load no model, write nothing."),
]
FailFast = Annotated[bool, option("--fail-fast", help="Stop at the first image that fails.")]

ConfigFile = Annotated[
    str | None,
    option("--config", help="TOML file of settings, as --print-config writes it."),
]
Assignments = Annotated[list[str], setting("segment.encoding.image_size=448")]
PrintConfig = Annotated[
    bool,
    option("--print-config", help="Print all settings as TOML and stop."),
]
Quiet = Annotated[bool, option("--quiet", "-q", help="Say nothing but errors.")]
Verbose = Annotated[
    int,
    option("--verbose", "-v", count=True, help="Say more; -vv says all."),
]
Json = Annotated[
    bool,
    option("--json", help="Print the summary as JSON on standard output."),
]
