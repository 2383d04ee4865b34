"""The other commands of ``ovseg evaluate``: shards, comparisons, discovery, retrieval."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.flags import configured, flag, flags, setting, takes_flags
from ovseg.cli.launch import load_encoders, set_up_process
from ovseg.errors import UsageError
from ovseg.support.pool.config import RetrievalConfig

__all__ = ["compare", "discovery", "merge", "retrieval", "table"]

_SEARCH = RetrievalConfig()


@flags("Output")
class MergeFlags(options.JsonFlag):
    """Flags of ``ovseg evaluate merge``."""

    output: Path = flag("Folder for the merged results.", "-o", metavar="FOLDER", required=True)
    overwrite: bool = flag("Drop an evaluation that is in the folder.", default=False)


@flags("Output")
class ResultFlags(options.JsonFlag):
    """Where figures go, beside standard output."""

    output: Path | None = flag("Folder for results.json.", "-o", metavar="FOLDER")


@flags("Output")
class CompareFlags(options.JsonFlag):
    """Flags of ``ovseg evaluate compare``."""

    output: Path | None = flag("Folder for comparison.json.", "-o", metavar="FOLDER")


@flags("Input")
class DiscoveryFlags(ResultFlags):
    """Flags of ``ovseg evaluate discovery``."""

    predictions: Path | None = flag("Predicted boxes: boxes.json as ovseg discover writes it.")
    truth: Path | None = flag(
        "True boxes: a folder of VOC XML, COCO JSON, a boxes file (JSON), or CSV with name, x0, y0, x1, y1"
        " (and index: which value of the true mask is the object).",
        metavar="PATH",
    )
    masks: Path | None = flag("Predicted masks of single objects, NAME.png.", metavar="FOLDER")
    true_masks: Path | None = flag("True masks, NAME.png (indices, 255 ignored).", metavar="FOLDER")


@flags("Input")
class RetrievalFlags(ResultFlags, options.DeviceFlags):
    """Flags of ``ovseg evaluate retrieval``."""

    labels: Path = flag("CSV with file and label, or JSON: name to labels.", required=True)
    rankings: Path | None = flag("Rankings to evaluate: JSON, class to image names, best first.")
    groups: Path | None = flag("Lines NAME: LABEL, LABEL: which labels count as an image of a class.")
    pool: Path | None = flag("Evaluate a search of this pool, not --rankings.", panel="Search")
    vocabulary: str | None = flag("With --pool: the classes to search for.", panel="Classes")
    margin: float | None = setting(
        "margin", "With --pool: as of ovseg pool search.", of=_SEARCH, panel="Search"
    )
    rerank: bool = flag(
        "With --pool: as of ovseg pool search.", "--rerank/--no-rerank", default=True, panel="Search"
    )
    k: list[int] | None = flag(
        "Depth of precision. Repeatable. Default: 1, 5 and 10.", "-k", panel="Evaluation"
    )


@takes_flags
def merge(
    folders: Annotated[list[Path], typer.Argument(help="Output folders of all shards.", show_default=False)],
    flags: MergeFlags,
) -> None:
    """Merge the shards of one evaluation into the results of an unsharded run, byte for byte.

    ovseg evaluate merge scores-1 scores-2 -o scores
    """
    from ovseg.evaluation.merge import merge as join
    from ovseg.evaluation.results import markdown

    results = join(folders, flags.output, overwrite=flags.overwrite).results
    typer.echo(json.dumps(results) if flags.as_json else markdown(results), nl=flags.as_json)


@takes_flags
def compare(
    a: Annotated[Path, typer.Argument(help="Output folder of one run.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Output folder of the other.", show_default=False)],
    flags: CompareFlags,
) -> None:
    """Compare run B with run A by a paired bootstrap over images: difference and confidence interval.

    ovseg evaluate compare scores-before scores-after
    """
    from ovseg.evaluation.compare import compare as compared
    from ovseg.evaluation.compare import comparison_markdown
    from ovseg.files import write_json, write_text

    comparison = compared(a, b)
    text = comparison_markdown(comparison)
    if flags.output is not None:
        write_json(flags.output / "comparison.json", comparison)
        write_text(flags.output / "comparison.md", text)
    typer.echo(json.dumps(comparison) if flags.as_json else text, nl=flags.as_json)


def table(
    folders: Annotated[list[Path], typer.Argument(help="Output folders of evaluations.", show_default=False)],
) -> None:
    """Print one Markdown table of several evaluations, with the settings behind each figure.

    ovseg evaluate table scores-voc21 scores-voc20 > results.md
    """
    from ovseg.evaluation.table import read_results, results_table

    typer.echo(results_table([read_results(folder) for folder in folders]), nl=False)


@takes_flags
def discovery(flags: DiscoveryFlags) -> None:
    """Evaluate discovered objects: CorLoc of boxes; IoU, maximum F-beta and accuracy of masks.

    ovseg evaluate discovery --predictions out/boxes.json --truth Annotations

    ovseg evaluate discovery --masks found --true-masks masks --truth objects.csv
    """
    from ovseg.evaluation.boxes import read_predicted_boxes, read_true_boxes
    from ovseg.evaluation.discovery import MaskScores, corloc
    from ovseg.evaluation.object_masks import object_masks, read_object_list

    predictions, truth = flags.predictions, flags.truth
    masks, true_masks = flags.masks, flags.true_masks
    if (predictions is None and masks is None) or (predictions and not truth) or (masks and not true_masks):
        raise UsageError("give --predictions with --truth, or --masks with --true-masks, or all four")
    results: dict[str, Any] = {}
    if predictions is not None and truth is not None:
        results["boxes"] = corloc(read_predicted_boxes(predictions), read_true_boxes(truth))
    if masks is not None and true_masks is not None:
        by_list = truth is not None and truth.suffix.lower() == ".csv"
        objects = read_object_list(truth) if truth is not None and by_list else None
        scores = MaskScores()
        for found, true, valid in object_masks(masks, true_masks, objects):
            scores.add(found, true, valid)
        results["masks"] = scores.results()
    _print(results, flags.output, as_json=flags.as_json)


@takes_flags
def retrieval(flags: RetrievalFlags) -> None:
    """Evaluate retrieved images: precision at k and mean average precision against image-level labels.

    ovseg evaluate retrieval --rankings found.json --labels labels.csv -k 5

    ovseg evaluate retrieval --pool photos.pool --vocabulary voc20 --labels labels.csv -k 5
    """
    from ovseg.evaluation.retrieval import read_groups, read_labels, read_rankings, retrieval_scores

    depths = tuple(flags.k) if flags.k else (1, 5, 10)
    if min(depths) < 1:
        raise UsageError(f"-k must be at least 1, not {min(depths)}")
    rankings, pool, vocabulary = flags.rankings, flags.pool, flags.vocabulary
    if (rankings is None) == (pool is None) or (pool is None) != (vocabulary is None):
        raise UsageError("give --rankings, or --pool with --vocabulary")
    known = read_labels(flags.labels, None if flags.groups is None else read_groups(flags.groups))
    found = read_rankings(rankings) if rankings is not None else _pool_rankings(flags, max(depths))
    results = retrieval_scores(found, known, depths)
    _print(results, flags.output, as_json=flags.as_json)


def _pool_rankings(flags: RetrievalFlags, depth: int) -> dict[str, list[str]]:
    """The photos of a pool for each class of a vocabulary, best first."""
    config = configured(flags, _SEARCH)
    if not flags.rerank:
        config = replace(config, cosine_weight=None)
    pool = Path(str(flags.pool))
    set_up_process(verbose=0, offline=True)

    from ovseg.encoders.context import LoadContext
    from ovseg.evaluation.retrieval import pool_rankings
    from ovseg.support.pool.file import load_pool, require_fingerprint
    from ovseg.support.pool.search import PoolSearch
    from ovseg.vocabulary import load_vocabulary

    opened, words = load_pool(pool), load_vocabulary(str(flags.vocabulary))
    encoders = load_encoders(
        opened.preset,
        LoadContext.resolve(flags.device, "float32", flags.cache_dir),
        role="image_text",
        quiet=True,
    )
    require_fingerprint(pool, opened, encoders.image_text)
    search = PoolSearch(opened, encoders.image_text, encoders.device, config, background=encoders.words)
    return pool_rankings(search, words.classes, depth)


def _print(results: dict[str, Any], output: Path | None, *, as_json: bool) -> None:
    """Write results.json where a folder is given, and the figures (not the lists) to standard output."""
    from ovseg.files import write_json

    if output is not None:
        write_json(output / "results.json", results)
    if as_json:
        typer.echo(json.dumps(results))
        return
    for title, value in results.items():
        if isinstance(value, dict) and title != "per_class":
            shown = ", ".join(f"{key} {_short(entry)}" for key, entry in value.items())
            typer.echo(f"{title}: {shown}")
        elif title != "per_class":
            typer.echo(f"{title}: {_short(value)}")


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4f}"
    if isinstance(value, list):
        return "(" + ", ".join(_short(entry) for entry in value) + ")"
    return str(value)
