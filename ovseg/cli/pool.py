"""``ovseg pool``: folders of unlabelled photos, embedded once, searched by words or by a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.common import COMMAND_SETTINGS, one_line, option, texts
from ovseg.cli.launch import load_encoders, say, set_up_process
from ovseg.cli.progress import shown_progress
from ovseg.errors import UsageError
from ovseg.support.pool.config import PoolConfig, RetrievalConfig

if TYPE_CHECKING:
    from ovseg.encoders.presets import Preset
    from ovseg.support.pool.model import Pool
    from ovseg.support.pool.ranking import Hit, Ranking

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Pools: unlabelled photos, searched by words or by a picture.")

_DEFAULT = PoolConfig()
_SEARCH = RetrievalConfig()
_NONE: list[str] = []
_NO_PATHS: list[Path] = []


PoolFile = Annotated[Path, typer.Argument(help="The pool.", metavar="POOL", show_default=False)]
Photos = Annotated[
    list[Path],
    option("--photos", help="Where the pool's folder lies now, if it was moved; once for each folder."),
]
Allow = Annotated[
    Path | None,
    option("--allow", help="File with a photo a line (name, pattern or SHA-256): no others are results."),
]
Deny = Annotated[Path | None, option("--deny", help="File with photos that are no results, likewise.")]


@app.command("build", context_settings=COMMAND_SETTINGS)
def build(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of photos.", metavar="DIR…", show_default=False)
    ],
    output: Annotated[Path, option("--output", "-o", help="The pool to write or bring up to date.")],
    crops: Annotated[
        int, option("--crops", help="Parts of each photo encoded beside the whole: 0, 4, 9 or 16.")
    ] = _DEFAULT.crops,
    licence: Annotated[
        str | None, option("--licence", help="Licence of the photos, as it will stand in banks.")
    ] = None,
    licences: Annotated[
        Path | None,
        option(
            "--licences",
            help="CSV with columns file (or name) and licence. Default: licences.csv in a folder, if there.",
        ),
    ] = None,
    overwrite: Annotated[
        bool, option("--overwrite", help="Replace a pool of another encoder or other settings.")
    ] = False,
    preset: options.Preset = "auto",
    batch_size: Annotated[
        int, option("--batch-size", "-b", help="Views a forward pass; 0: 8 on a CPU, 64 on a GPU.")
    ] = 0,
    workers: Annotated[int, option("--workers", help="Threads that decode.")] = 2,
    recursive: options.Recursive = True,
    include: options.Include = _NONE,
    exclude: options.Exclude = _NONE,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    cache_dir: options.CacheDir = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    as_json: options.Json = False,
) -> None:
    """Embed folders of photos, or bring a pool up to date: only new and changed photos are encoded.

    The same command goes on where it was stopped. Files that cannot be read are listed (exit code 3).

    For example:

      ovseg pool build photos/ -o photos.pool
    """
    set_up_process(verbose=verbose, offline=offline)
    config = PoolConfig(crops)

    from ovseg.encoders.context import LoadContext
    from ovseg.runs.pool import build_pool
    from ovseg.support.pool.licences import licence_of

    known = licence_of(folders, licences, licence)
    context = LoadContext.resolve(device, dtype, cache_dir)
    encoders = load_encoders(preset, context, role="image_text", quiet=quiet)
    try:
        with shown_progress(quiet=quiet) as progress:
            summary = build_pool(
                folders, output, encoders, config, licence=known,
                include=include, exclude=exclude, recursive=recursive,
                workers=workers, batch=batch_size, overwrite=overwrite, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        say("interrupted: what is encoded is kept; the same command goes on from there")
        raise
    failed = summary.pool.failed
    say(
        f"{len(summary.pool)} photos are in the pool, {summary.encoded} of them encoded now;"
        f" {summary.removed} are gone, {len(failed)} could not be read",
        quiet=quiet,
    )
    if as_json:
        metadata = _metadata(output, summary.pool) | {"encoded": summary.encoded, "removed": summary.removed}
        typer.echo(json.dumps(metadata))
    else:
        typer.echo(one_line(output))
    if failed:
        raise typer.Exit(3)


@app.command("search", context_settings=COMMAND_SETTINGS)
def search(
    pool: PoolFile,
    text: Annotated[
        str | None, typer.Argument(help='What to look for: "a red bicycle".', show_default=False)
    ] = None,
    image: Annotated[
        Path | None, option("--image", help="Look for photos like this picture instead.")
    ] = None,
    k: Annotated[int, option("-k", help="Photos at most.")] = 20,
    rivals: Annotated[
        list[str],
        texts("--rivals", "-r", help='What it must not be instead, between commas: "motorcycle, scooter".'),
    ] = _NONE,
    allow: Allow = None,
    deny: Deny = None,
    margin: Annotated[
        float | None,
        option(
            "--margin", help="Leave out photos whose probability over the best rival's is below e to this."
        ),
    ] = _SEARCH.margin,
    everything: Annotated[
        bool, option("--all", help="Leave out nothing: neither photos off topic nor near copies.")
    ] = False,
    rerank: Annotated[
        bool, option("--rerank/--no-rerank", help="Order by probability against other words as well.")
    ] = True,
    html: Annotated[Path | None, option("--html", help="Write a page with the photos found.")] = None,
    photos: Photos = _NO_PATHS,
    preset: Annotated[
        str | None, option("--preset", help="Which encoders. Default: those that made the pool.")
    ] = None,
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    offline: options.Offline = False,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    as_json: options.Json = False,
) -> None:
    """Find photos by words, or by a picture.

    For example:

      ovseg pool search photos.pool "a red bicycle" -k 20

      ovseg pool search photos.pool --image bicycle.jpg --html found.html
    """
    if (text is None) == (image is None):
        raise UsageError("say what to look for: a text, or --image FILE (one of the two)")
    if text is not None and not text.strip():
        raise UsageError("the text is empty: say what to look for")
    if k < 1:
        raise UsageError(f"-k must be at least 1, not {k}")
    set_up_process(verbose=verbose, offline=offline)
    config = replace(_SEARCH, margin=margin, cosine_weight=_SEARCH.cosine_weight if rerank else None)
    if everything:
        config = replace(config, margin=None, distance=None)

    from ovseg.encoders.context import LoadContext
    from ovseg.support.filters import PhotoFilter, read_list
    from ovseg.support.pool.file import load_pool, require_fingerprint
    from ovseg.support.pool.search import PoolSearch

    photo_filter = PhotoFilter(read_list(allow), read_list(deny))
    opened = load_pool(pool)
    context = LoadContext.resolve(device, "float32", cache_dir)
    encoders = load_encoders(preset or opened.preset, context, role="image_text", quiet=quiet)
    require_fingerprint(pool, opened, encoders.image_text)
    searcher = PoolSearch(opened, encoders.image_text, encoders.device, config, background=encoders.words)
    if text is not None:
        words = [part.strip() for part in ",".join(rivals).split(",") if part.strip()]
        ranking = searcher.by_words([text.strip()], k, rivals=words, photo_filter=photo_filter)
    else:
        ranking = searcher.by_image(_image_features(image, opened, encoders), k, photo_filter=photo_filter)
    _say_dropped(ranking, quiet=quiet)
    if html is not None:
        from ovseg.outputs.search_page import write_search_page

        title = text.strip() if text is not None else str(image)
        write_search_page(html, title, opened, ranking, _roots(opened, photos))
    if as_json:
        typer.echo(json.dumps(_results(pool, text, image, opened, ranking, searcher.describe())))
        return
    if ranking.hits:
        say(f"rank  cosine  {'' if ranking.hits[0].probability is None else 'prob.':>6}  photo", quiet=quiet)
    for rank, hit in enumerate(ranking.hits, start=1):
        typer.echo(one_line(_row(rank, hit, opened)))
    if html is not None:
        say(f"page: {html}", quiet=quiet)


@app.command("info", context_settings=COMMAND_SETTINGS)
def info(pool: PoolFile, as_json: options.Json = False) -> None:
    """What a pool is: photos, encoder, settings, licences, and files that could not be read.

    ovseg pool info photos.pool
    """
    from ovseg.support.pool.file import load_pool

    opened = load_pool(pool)
    metadata = _metadata(pool, opened)
    if as_json:
        typer.echo(json.dumps(metadata))
        return
    from ovseg.prototypes.edit import encoder_label

    licences = ", ".join(f"{name}: {count}" for name, count in metadata["licences"].items())
    told = {
        "folders": "; ".join(metadata["folders"]),
        "identity": f"{encoder_label(metadata['identity'])}, {metadata['identity'].get('image_size')} px",
        "licences": licences or "none",
        "failed": "; ".join(f"{entry['file']} ({entry['reason']})" for entry in metadata["failed"]) or "none",
    }
    for key, value in (metadata | told).items():
        typer.echo(one_line(f"{'encoder' if key == 'identity' else key}: {value}"))


def _image_features(image: Path | None, pool: Pool, encoders: Preset) -> Any:
    from ovseg.images import load_image
    from ovseg.support.pool.views import encode_views, view_boxes, views

    whole = view_boxes(pool.config)[:1]
    squares = views(load_image(Path(str(image))).pixels, whole, encoders.image_text.image_size)
    return encode_views(squares, encoders.image_text, encoders.device, 1)[0]


def _roots(pool: Pool, photos: list[Path]) -> list[Path] | None:
    if photos and len(photos) != len(pool.roots):
        raise UsageError(f"the pool has {len(pool.roots)} folders: give --photos as often, in their order")
    return photos or None


def _say_dropped(ranking: Ranking, *, quiet: bool) -> None:
    counts: dict[str, int] = {}
    for dropped in ranking.dropped:
        kind = "near copies" if dropped.reason.startswith("near copy") else dropped.reason
        counts[kind] = counts.get(kind, 0) + 1
    if counts:
        what = ", ".join(f"{count} {kind}" for kind, count in counts.items())
        say(f"left out: {what} (--all shows them, --json says which)", quiet=quiet)


def _row(rank: int, hit: Hit, pool: Pool) -> str:
    sure = "" if hit.probability is None else f"{hit.probability:6.3f}"
    return f"{rank:4d}  {hit.similarity:6.3f}  {sure:6}  {pool.name(hit.photo)}"


def _entry(hit: Hit, pool: Pool) -> dict[str, Any]:
    entry = pool.entries[hit.photo]
    return {
        "file": pool.name(hit.photo),
        "similarity": round(hit.similarity, 6),
        "probability": None if hit.probability is None else round(hit.probability, 6),
        "margin": None if hit.margin is None else round(hit.margin, 6),
        "box": [round(side, 4) for side in pool.boxes[hit.view].tolist()],
        "sha256": entry.sha256,
        "licence": entry.licence,
    }


def _results(
    path: Path, text: str | None, image: Path | None, pool: Pool, ranking: Ranking, how: dict[str, Any]
) -> dict[str, Any]:
    return {
        "pool": str(path),
        "query": text if text is not None else str(image),
        "results": [_entry(hit, pool) for hit in ranking.hits],
        "left_out": [_entry(d.hit, pool) | {"reason": d.reason} for d in ranking.dropped],
        **how,
    }


def _metadata(path: Path, pool: Pool) -> dict[str, Any]:
    from collections import Counter

    return {
        "pool": str(path),
        "photos": len(pool),
        "views": len(pool.owners),
        "crops": pool.config.crops,
        "folders": list(pool.roots),
        "preset": pool.preset,
        "identity": dict(pool.identity),
        "licences": dict(Counter(entry.licence for entry in pool.entries)),
        "failed": [{"file": pool.place(root, name), "reason": reason} for root, name, reason in pool.failed],
    }
