"""``ovseg pool``: folders of unlabelled photos, embedded once, searched by text or by an image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.common import one_line
from ovseg.cli.flags import configured, flag, flags, setting, takes_flags
from ovseg.cli.help import Application
from ovseg.cli.launch import load_encoders, say, set_up_process
from ovseg.cli.progress import shown_progress
from ovseg.errors import UsageError
from ovseg.support.pool.config import PoolConfig, RetrievalConfig

if TYPE_CHECKING:
    from ovseg.encoders.presets import Preset
    from ovseg.support.pool.model import Pool
    from ovseg.support.pool.ranking import Hit, Ranking

__all__ = ["app"]

app = Application(help="Embed unlabelled photos once, and search them by text or by an image.")

_SEARCH = RetrievalConfig()

PoolFile = Annotated[Path, typer.Argument(help="The pool.", metavar="POOL", show_default=False)]


@flags("Run")
class BuildFlags(options.ReportFlags, options.ComputeFlags, options.PresetFlag, options.FileFlags):
    """Flags of ``ovseg pool build``."""

    output: Path = flag("Pool to write or to update.", "-o", panel="Output", required=True)
    overwrite: bool = flag(
        "Replace a pool of another encoder or other settings.", default=False, panel="Output"
    )
    licence: str | None = flag("Licence of the photos, as recorded in banks.", panel="Input", metavar="TEXT")
    licences: Path | None = flag(
        "CSV with columns file (or name) and licence. Default: licences.csv in a folder, if there.",
        panel="Input",
    )
    crops: int = setting(
        "crops",
        "Crops of each photo that are embedded beside the whole: 0, 4, 9 or 16.",
        of=PoolConfig(),
        panel="Input",
    )
    batch_size: int = flag("Images and crops per batch; 0: 8 on a CPU, 64 on a GPU.", "-b", default=0)
    workers: int = flag("Decoding threads.", default=2)


@flags("Search")
class SearchFlags(options.ReportFlags, options.OfflineFlag, options.DeviceFlags):
    """Flags of ``ovseg pool search``."""

    image: Path | None = flag("Search by this image instead of a text.")
    k: int = flag("Most photos to return.", "-k", default=20)
    rivals: list[str] = flag(
        'Words that the photos should not show instead, between commas: "motorcycle, scooter".',
        "-r",
        default=[],
        texts=True,
        metavar="NAMES",
    )
    allow: Path | None = flag("File of photos to search, and no others: a name, pattern or SHA-256 per line.")
    deny: Path | None = flag("File of photos not to return, in the same form.")
    margin: float | None = setting(
        "margin",
        "Return a photo if its log-probability of the text exceeds that of every other word by this.",
        of=_SEARCH,
    )
    everything: bool = flag(
        "Leave out neither photos below the margin nor near duplicates.", "--all", default=False
    )
    rerank: bool = flag(
        "Rank by the probability against other words as well as by the cosine.",
        "--rerank/--no-rerank",
        default=True,
    )
    photos: list[Path] = flag(
        "New place of a folder of the pool that was moved; once for each folder, in their order.",
        default=[],
        panel="Input",
        metavar="FOLDER",
    )
    html: Path | None = flag("Write a page with the photos found.", panel="Output")
    preset: str | None = flag("Preset of encoders. Default: the one that made the pool.", panel="Models")


@app.command("build")
@takes_flags
def build(
    folders: Annotated[
        list[Path], typer.Argument(help="Folders of photos.", metavar="DIR…", show_default=False)
    ],
    flags: BuildFlags,
) -> None:
    """Embed folders of photos into a pool, or update one: only new and changed photos are encoded.

    The same command resumes where it was stopped. Files that cannot be read are listed (exit code 3).

    For example:

      ovseg pool build photos/ -o photos.pool
    """
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    config = PoolConfig(flags.crops)
    output, quiet = flags.output, flags.quiet

    from ovseg.encoders.context import LoadContext
    from ovseg.runs.pool import build_pool
    from ovseg.support.pool.licences import licence_of

    known = licence_of(folders, flags.licences, flags.licence)
    encoders = load_encoders(
        flags.preset,
        LoadContext.resolve(flags.device, flags.dtype, flags.cache_dir),
        role="image_text",
        quiet=quiet,
    )
    try:
        with shown_progress(quiet=quiet) as progress:
            summary = build_pool(
                folders, output, encoders, config, licence=known,
                include=flags.include, exclude=flags.exclude, recursive=flags.recursive,
                workers=flags.workers, batch=flags.batch_size, overwrite=flags.overwrite, progress=progress,
            )  # fmt: skip
    except KeyboardInterrupt:
        say("interrupted: what is encoded is kept; the same command resumes there")
        raise
    failed = summary.pool.failed
    say(
        f"{len(summary.pool)} photos are in the pool, {summary.encoded} of them encoded now;"
        f" {summary.removed} are gone, {len(failed)} could not be read",
        quiet=quiet,
    )
    if flags.as_json:
        metadata = _metadata(output, summary.pool) | {"encoded": summary.encoded, "removed": summary.removed}
        typer.echo(json.dumps(metadata))
    else:
        typer.echo(one_line(output))
    if failed:
        raise typer.Exit(3)


@app.command("search")
@takes_flags
def search(
    pool: PoolFile,
    text: Annotated[
        str | None, typer.Argument(help='What to search for: "a red bicycle".', show_default=False)
    ] = None,
    *,
    flags: SearchFlags,
) -> None:
    """Search a pool by text or by an image.

    For example:

      ovseg pool search photos.pool "a red bicycle" -k 20

      ovseg pool search photos.pool --image bicycle.jpg --html found.html
    """
    image, html, quiet = flags.image, flags.html, flags.quiet
    if (text is None) == (image is None):
        raise UsageError("say what to look for: a text, or --image FILE (one of the two)")
    if text is not None and not text.strip():
        raise UsageError("the text is empty: say what to look for")
    if flags.k < 1:
        raise UsageError(f"-k must be at least 1, not {flags.k}")
    set_up_process(verbose=flags.verbose, offline=flags.offline)
    config = configured(flags, _SEARCH)
    if not flags.rerank:
        config = replace(config, cosine_weight=None)
    if flags.everything:
        config = replace(config, margin=None, distance=None)

    from ovseg.encoders.context import LoadContext
    from ovseg.support.filters import PhotoFilter, read_list
    from ovseg.support.pool.file import load_pool, require_fingerprint
    from ovseg.support.pool.search import PoolSearch

    photo_filter = PhotoFilter(read_list(flags.allow), read_list(flags.deny))
    opened = load_pool(pool)
    encoders = load_encoders(
        flags.preset or opened.preset,
        LoadContext.resolve(flags.device, "float32", flags.cache_dir),
        role="image_text",
        quiet=quiet,
    )
    require_fingerprint(pool, opened, encoders.image_text)
    searcher = PoolSearch(opened, encoders.image_text, encoders.device, config, background=encoders.words)
    if text is not None:
        words = [part.strip() for part in ",".join(flags.rivals).split(",") if part.strip()]
        ranking = searcher.by_words([text.strip()], flags.k, rivals=words, photo_filter=photo_filter)
    else:
        ranking = searcher.by_image(
            _image_features(image, opened, encoders), flags.k, photo_filter=photo_filter
        )
    _say_dropped(ranking, quiet=quiet)
    if html is not None:
        from ovseg.outputs.search_page import write_search_page

        title = text.strip() if text is not None else str(image)
        write_search_page(html, title, opened, ranking, _roots(opened, flags.photos))
    if flags.as_json:
        typer.echo(json.dumps(_results(pool, text, image, opened, ranking, searcher.describe())))
        return
    if ranking.hits:
        say(f"rank  cosine  {'' if ranking.hits[0].probability is None else 'prob.':>6}  photo", quiet=quiet)
    for rank, hit in enumerate(ranking.hits, start=1):
        typer.echo(one_line(_row(rank, hit, opened)))
    if html is not None:
        say(f"page: {html}", quiet=quiet)


@app.command("info")
@takes_flags
def info(pool: PoolFile, flags: options.JsonFlag) -> None:
    """Print what is in a pool: photos, encoder, settings, licences, and files that could not be read.

    ovseg pool info photos.pool
    """
    from ovseg.support.pool.file import load_pool

    opened = load_pool(pool)
    metadata = _metadata(pool, opened)
    if flags.as_json:
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
