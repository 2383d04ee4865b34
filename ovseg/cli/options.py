"""Groups of flags that several commands take, each flag declared here and nowhere else.

The first argument of ``setting`` is what a flag sets in the configuration; see ``ovseg.cli.flags``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli.flags import flag, flags, setting
from ovseg.cli.settings import DEFAULTS
from ovseg.runs.config import parse_shard

Inputs = Annotated[
    list[str] | None,
    typer.Argument(
        help="Image files, folders, quoted patterns, or - for a list of files on standard input.",
        metavar="INPUTS",
        show_default=False,
    ),
]


def split_names(values: Sequence[str]) -> list[str]:
    """Names that are repeated or stand between commas, as a list."""
    return [part.strip() for value in values for part in value.split(",") if part.strip()]


@flags("Classes")
class VocabularyFlag:
    """A list of classes by its name."""

    vocabulary: str | None = setting(
        "vocabulary",
        "A shipped vocabulary (voc21, coco-object, …), or a TOML file with synonyms, attributes and"
        " background words.",
    )


@flags("Classes")
class ClassNameFlags:
    """Classes by their names."""

    classes: list[str] = setting(
        "classes",
        'Class names between commas: "cat, dog". With synonyms: "cat, sofa=sofa,couch; dog", where a'
        " semicolon ends the list of synonyms. Repeatable.",
        "-c",
        texts=True,
    )
    classes_file: str | None = setting(
        "classes_file", "File with one class per line: name, or name=synonym,synonym.", metavar="FILE"
    )


@flags()
class ClassFlags(VocabularyFlag, ClassNameFlags):
    """The target classes."""


@flags("Classes")
class BackgroundFlag:
    """Whether there is a background class."""

    background: bool | None = setting(
        "background",
        "Whether a pixel may belong to none of the classes. Default: as the vocabulary says; yes for classes"
        " named by -c.",
        "--background/--no-background",
        show_default=False,
    )


@flags("Input")
class FileFlags:
    """Which files of the inputs are read."""

    recursive: bool = setting("inputs.recursive", "Also search subfolders.", "--recursive/--no-recursive")
    include: list[str] = setting(
        "inputs.include",
        'Read only files that match this pattern, such as "*.jpg". Repeatable.',
        texts=True,
        metavar="PATTERN",
    )
    exclude: list[str] = setting(
        "inputs.exclude",
        'Skip files and folders that match this pattern, such as "thumbs". Repeatable.',
        texts=True,
        metavar="PATTERN",
    )


@flags("Input")
class LimitFlag:
    """How many images."""

    limit: int | None = setting("run.limit", "Process only the first N images.")


@flags("Output")
class RunFolderFlags:
    """The run folder."""

    output: Path | None = flag("Run folder to write.", "-o", metavar="FOLDER")
    overwrite: bool = setting(
        "run.overwrite",
        "Start anew: first remove what ovseg wrote into the run folder (nothing else). Without it a run is"
        " resumed, and the folder of a run with other settings is refused.",
    )


@flags("Output")
class FormatFlags(RunFolderFlags):
    """The run folder, and what is written into it."""

    format: list[str] = setting(
        "run.formats",
        "Output formats, repeated or between commas: {format without objects}.",
        "-f",
        read=split_names,
        metavar="NAMES",
    )


@flags("Output")
class JsonFlag:
    """How the result is printed."""

    as_json: bool = flag("Print the result as JSON on standard output.", "--json", default=False)


@flags("Models")
class PresetFlag:
    """Which encoders."""

    preset: str = setting(
        "preset",
        "Preset of encoders (see ovseg models list); auto: the best whose weights are on this machine.",
    )


@flags("Models")
class BackboneFlag:
    """The patch-feature backbone."""

    backbone: str | None = setting(
        "backbone",
        "Patch-feature backbone in place of the preset's: timm:NAME, hf-hub:OWNER/REPO or local-dir:/PATH.",
        metavar="MODEL",
    )


@flags("Models")
class BackbonePresetFlag:
    """A preset of which only the backbone is used."""

    preset: str = setting(
        "preset", "Preset whose backbone is used (see ovseg models list); auto: the best on this machine."
    )


@flags("Models")
class ImageTextFlag:
    """The image-text encoder."""

    image_text_encoder: str | None = setting(
        "image_text_encoder",
        "Image-text encoder (CLIP) in place of the preset's: ViT-B-16:openai, hf-hub:OWNER/REPO or"
        " local-dir:/PATH.",
        metavar="MODEL",
    )


@flags("Models")
class TextModelFlags(BackboneFlag, ImageTextFlag, PresetFlag):
    """What embeds words."""

    templates: str | None = setting(
        "templates",
        "Prompt templates of the image-text encoder: imagenet80, imagenet7 or simple. Default: the preset's.",
    )


@flags("Models")
class ModelFlags(TextModelFlags):
    """Every role of a preset."""

    prototype_backbone: str | None = setting(
        "prototype_backbone",
        "Backbone of whose features prototypes are made, in place of the preset's: a model as for"
        " --backbone.",
        metavar="MODEL",
    )
    dense_variant: str | None = setting(
        "dense_variant",
        "How patch features are read from CLIP: value, sclip, clearclip, naclip, proxyclip, corrclip or none."
        " Default: the preset's.",
    )


@flags("Run")
class DeviceFlag:
    """Where to compute."""

    device: str = setting("device", "auto, cpu, cuda, cuda:N or mps.")


@flags("Models")
class DeviceFlags(DeviceFlag):
    """Where to compute, and where converted weights are."""

    cache_dir: str | None = setting(
        "cache_dir",
        "Folder of converted weights. Default: ovseg's folder in the user's cache.",
        metavar="FOLDER",
    )


@flags("Models")
class OfflineFlag:
    """Whether model libraries may use the network."""

    offline: bool = flag("Never contact the Hugging Face hub (sets HF_HUB_OFFLINE).", default=False)


@flags("Run")
class ComputeFlags(OfflineFlag, DeviceFlags):
    """Everything about where and how to compute."""

    dtype: str = setting("dtype", "Precision: auto, float32, bfloat16 or float16.")


@flags("Bank and pool")
class BankFlag:
    """A bank that is there."""

    bank: str | None = setting(
        "bank",
        "Bank of prototypes (see ovseg bank build). Where no classes are named, the bank's are used; --preset"
        " auto takes the preset that made it.",
        metavar="FILE",
    )


@flags("Bank and pool")
class BankFlags(BankFlag):
    """A bank that is there, or one that is made for the run."""

    pool: str | None = setting(
        "pool",
        "Build a bank for this run, from a pool (see ovseg pool build) or from the images themselves: self."
        " It is kept beside the output folder.",
        metavar="FILE|self",
    )


@flags("Segmentation")
class ImageSizeFlag:
    """How large images are encoded."""

    image_size: int = setting(
        "segment.encoding.image_size",
        "Shorter side, in pixels, at which images are encoded.",
        metavar="PIXELS",
    )


@flags("Segmentation")
class SeedFlag:
    """The seed of everything that is drawn."""

    seed: int = setting("segment.region_pooling.seed", "Random seed.")


@flags("Segmentation")
class SegmentationFlags(SeedFlag, ImageSizeFlag):
    """What is chosen most often; --set reaches every setting."""

    refine: str = setting("segment.refinement.refine", "Refinement of mask edges: none, pamr or crf.")
    abstain: float | None = setting(
        "segment.refinement.abstain",
        "Write no class (255 in masks) where the confidence of the best class is below this, from 0 to 1.",
    )


@flags("Run")
class BatchFlag:
    """How many images at a time."""

    batch_size: int = setting("run.batch_size", "Images per batch; 0: 1 on a CPU, 8 on a GPU.", "-b")


@flags("Run")
class RunFlags:
    """How a run goes through its images."""

    workers: int = setting("run.workers", "Reading threads, and as many writing threads.")
    shard: str = setting(
        "run.shard",
        "I/N: every N-th image from the I-th on. Shards may share a run folder; the same command without"
        " --shard joins them at the end.",
        read=parse_shard,
        default="/".join(map(str, DEFAULTS.run.shard)),
        metavar="I/N",
    )
    fail_fast: bool = setting("run.fail_fast", "Stop at the first image that fails.")
    dry_run: bool = flag("List images and outputs; load no model and write nothing.", default=False)


SET = "Change one setting, such as {}. Repeatable."


@flags("Configuration")
class SetFlag:
    """Any setting by its name."""

    assignments: list[str] = flag(
        SET.format("segment.encoding.image_size=448"), "--set", default=[], metavar="KEY=VALUE"
    )


@flags("Configuration")
class ConfigFlags(SetFlag):
    """Settings from a file."""

    config: str | None = flag(
        "TOML file of settings, as ovseg segment --print-config writes it.", metavar="FILE"
    )


@flags("Diagnostics")
class QuietFlag:
    """Nothing but errors."""

    quiet: bool = flag("Print errors only.", "-q", default=False)


@flags("Diagnostics")
class VerboseFlags(QuietFlag):
    """How much is said on standard error."""

    verbose: int = flag("Log more; -vv logs everything.", "-v", default=0, count=True, show_default=False)


@flags()
class ReportFlags(JsonFlag, VerboseFlags):
    """What is printed where."""
