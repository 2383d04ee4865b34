"""The other commands of ``ovseg evaluate``: shards, comparisons, discovery, retrieval."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.launch import load_encoders, set_up_process
from ovseg.errors import UsageError
from ovseg.support.pool.config import RetrievalConfig

_SEARCH = RetrievalConfig()

__all__ = ["compare", "discovery", "merge", "retrieval", "table"]

Results = Annotated[Path | None, option("--output", "-o", help="Folder for results.json.")]


def merge(
    folders: Annotated[list[Path], typer.Argument(help="Output folders of all shards.", show_default=False)],
    output: Annotated[Path, option("--output", "-o", help="Folder for the whole.")],
    overwrite: Annotated[bool, option("--overwrite", help="Drop an evaluation that is there.")] = False,
    as_json: options.Json = False,
) -> None:
    """Join the shards of one evaluation: the same bytes as if it had run in one piece.

    ovseg evaluate merge scores-1 scores-2 -o scores
    """
    from ovseg.evaluation.merge import merge as join
    from ovseg.evaluation.results import markdown

    results = join(folders, output, overwrite=overwrite).results
    typer.echo(json.dumps(results) if as_json else markdown(results), nl=as_json)


def compare(
    a: Annotated[Path, typer.Argument(help="Output folder of one run.", show_default=False)],
    b: Annotated[Path, typer.Argument(help="Output folder of the other.", show_default=False)],
    output: Annotated[Path | None, option("--output", "-o", help="Folder for comparison.json.")] = None,
    as_json: options.Json = False,
) -> None:
    """Is run B better than run A, or is it the images? Paired bootstrap: difference and interval.

    ovseg evaluate compare scores-before scores-after
    """
    from ovseg.evaluation.compare import compare as compared
    from ovseg.evaluation.compare import comparison_markdown
    from ovseg.files import write_json, write_text

    comparison = compared(a, b)
    text = comparison_markdown(comparison)
    if output is not None:
        write_json(output / "comparison.json", comparison)
        write_text(output / "comparison.md", text)
    typer.echo(json.dumps(comparison) if as_json else text, nl=as_json)


def table(
    folders: Annotated[list[Path], typer.Argument(help="Output folders of evaluations.", show_default=False)],
) -> None:
    """One Markdown table of several evaluations, with what each figure depends on.

    ovseg evaluate table scores-voc21 scores-voc20 > results.md
    """
    from ovseg.evaluation.table import read_results, results_table

    typer.echo(results_table([read_results(folder) for folder in folders]), nl=False)


def discovery(
    predictions: Annotated[
        Path | None,
        option("--predictions", help="boxes.json as ovseg discover writes it."),
    ] = None,
    truth: Annotated[
        Path | None,
        option(
            "--truth",
            help="True boxes: a folder of VOC XML, COCO JSON, a boxes file (JSON), or CSV with name, x0, y0,"
            " x1, y1 (and index: what in the true masks is the object).",
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        option("--masks", help="Predicted masks of single objects, NAME.png."),
    ] = None,
    true_masks: Annotated[
        Path | None,
        option("--true-masks", help="True masks, NAME.png (indices, 255 ignored)."),
    ] = None,
    output: Results = None,
    as_json: options.Json = False,
) -> None:
    """Objects found without names: CorLoc of boxes; IoU, maximum F-beta and accuracy of masks.

    ovseg evaluate discovery --predictions out/boxes.json --truth Annotations

    ovseg evaluate discovery --masks found --true-masks masks --truth objects.csv
    """
    from ovseg.evaluation.boxes import read_predicted_boxes, read_true_boxes
    from ovseg.evaluation.discovery import MaskScores, corloc
    from ovseg.evaluation.object_masks import object_masks, read_object_list

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
    _print(results, output, as_json=as_json)


def retrieval(
    labels: Annotated[
        Path,
        option("--labels", help="CSV with file and label, or JSON: name to labels."),
    ],
    rankings: Annotated[
        Path | None,
        option("--rankings", help="JSON: class to image names, best first."),
    ] = None,
    pool: Annotated[
        Path | None,
        option("--pool", help="Measure the search of this pool instead."),
    ] = None,
    vocabulary: Annotated[
        str | None,
        option("--vocabulary", help="With --pool: the classes to look for."),
    ] = None,
    groups: Annotated[
        Path | None,
        option(
            "--groups",
            help="Lines NAME: LABEL, LABEL: which labels are images of a class.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        option("--margin", help="With --pool: see ovseg pool search."),
    ] = _SEARCH.margin,
    rerank: Annotated[
        bool,
        option("--rerank/--no-rerank", help="With --pool: see ovseg pool search."),
    ] = True,
    k: Annotated[list[int] | None, option("-k", help="Depth of precision; repeatable.")] = None,
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    output: Results = None,
    as_json: options.Json = False,
) -> None:
    """Images found for names: precision at k and mean average precision against image-level labels.

    ovseg evaluate retrieval --rankings found.json --labels labels.csv -k 5

    ovseg evaluate retrieval --pool photos.pool --vocabulary voc20 --labels labels.csv -k 5
    """
    from ovseg.evaluation.retrieval import read_groups, read_labels, read_rankings, retrieval_scores

    depths = tuple(k) if k else (1, 5, 10)
    if min(depths) < 1:
        raise UsageError(f"-k must be at least 1, not {min(depths)}")
    if (rankings is None) == (pool is None) or (pool is None) != (vocabulary is None):
        raise UsageError("give --rankings, or --pool with --vocabulary")
    known = read_labels(labels, None if groups is None else read_groups(groups))
    if rankings is not None:
        found = read_rankings(rankings)
    else:
        config = replace(_SEARCH, margin=margin, cosine_weight=_SEARCH.cosine_weight if rerank else None)
        found = _pool_rankings(Path(str(pool)), str(vocabulary), config, max(depths), device, cache_dir)
    results = retrieval_scores(found, known, depths)
    _print(results, output, as_json=as_json)


def _pool_rankings(
    pool: Path, vocabulary: str, config: RetrievalConfig, depth: int, device: str, cache_dir: str | None
) -> dict[str, list[str]]:
    """What a pool gives for the classes of a vocabulary."""
    set_up_process(verbose=0, offline=True)

    from ovseg.encoders.context import LoadContext
    from ovseg.evaluation.retrieval import pool_rankings
    from ovseg.support.pool.file import load_pool, require_fingerprint
    from ovseg.support.pool.search import PoolSearch
    from ovseg.vocabulary import load_vocabulary

    opened, words = load_pool(pool), load_vocabulary(vocabulary)
    context = LoadContext.resolve(device, "float32", cache_dir)
    encoders = load_encoders(opened.preset, context, role="image_text", quiet=True)
    require_fingerprint(pool, opened, encoders.image_text)
    search = PoolSearch(opened, encoders.image_text, encoders.device, config, background=encoders.words)
    return pool_rankings(search, words.classes, depth)


def _print(results: dict[str, Any], output: Path | None, *, as_json: bool) -> None:
    """Write results.json when asked to, and the figures (not the lists) to standard output."""
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
