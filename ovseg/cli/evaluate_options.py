"""Flags of the commands that evaluate on a data set."""

from __future__ import annotations

from pathlib import Path

from ovseg.cli import options
from ovseg.cli.flags import flag, flags, setting
from ovseg.cli.settings import DEFAULTS
from ovseg.runs.config import parse_shard

__all__ = ["EvaluateFlags", "FolderFlags"]


@flags("Evaluation")
class EvaluateFlags(
    options.ReportFlags,
    options.ConfigFlags,
    options.BatchFlag,
    options.ComputeFlags,
    options.SegmentationFlags,
    options.BankFlags,
    options.ModelFlags,
    options.LimitFlag,
    options.VocabularyFlag,
):
    """Flags that every data set takes."""

    root: Path = flag("Folder of the data set.", panel="Input", metavar="FOLDER", required=True)
    output: Path = flag(
        "Folder for the results, made if missing.", "-o", panel="Output", metavar="FOLDER", required=True
    )
    overwrite: bool = setting(
        "run.overwrite",
        "Drop the evaluation that is in the folder. Without it that is resumed, and another one refused.",
        panel="Output",
    )
    save_predictions: bool = flag("Keep indexed PNGs in OUT/predictions.", default=False, panel="Output")
    protocol: str = flag("Evaluation protocol: ovseg (as ovseg segment does), sclip or tcl.", default="ovseg")
    predictions: Path | None = flag(
        "Score this folder instead of running ovseg: NAME.png (indices), NAME.safetensors (scores), or a run"
        " folder of ovseg segment.",
        metavar="FOLDER",
    )
    leakage: list[Path] = flag(
        "Folder of photos, or a pool: report near duplicates of evaluation images in it. Repeatable.",
        default=[],
        metavar="PATH",
    )
    strict: bool = flag("Refuse to evaluate if --leakage finds any.", default=False)
    shard: str = setting(
        "run.shard",
        "I/N: every N-th image from the I-th on, into a folder of its own (see ovseg evaluate merge).",
        read=parse_shard,
        default="/".join(map(str, DEFAULTS.run.shard)),
        panel="Run",
        metavar="I/N",
    )


@flags("Evaluation")
class FolderFlags(EvaluateFlags):
    """The same for a folder of one's own data."""

    background: bool | None = flag(
        "Whether index 0, the first line of classes.txt, is background. Required.",
        "--background/--no-background",
        show_default=False,
    )
