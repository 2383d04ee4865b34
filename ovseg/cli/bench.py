"""``ovseg bench``: measurements of ovseg's own parts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.bench_banks import banks
from ovseg.cli.bench_clip import clip
from ovseg.cli.bench_diffusion import diffusion
from ovseg.cli.bench_index import index
from ovseg.cli.common import option, say
from ovseg.cli.config_merge import parse_assignment
from ovseg.cli.launch import set_up_process
from ovseg.config import SegmentConfig
from ovseg.discovery.config import DiscoveryConfig
from ovseg.errors import UsageError
from ovseg.overrides import overlay
from ovseg.prototypes.config import PrototypeConfig

if TYPE_CHECKING:
    import torch

    from ovseg.encoders.lone import LoneShape

__all__ = ["app", "print_table"]

app = typer.Typer(no_args_is_help=True, help="Measure ovseg's own parts.", rich_markup_mode=None)

_DEFAULT = DiscoveryConfig()
_NONE: list[str] = []
_SETTINGS = (
    "saliency,"
    + ",".join(f"cut+saliency:token{layer}@{tau}" for layer in (-1, -2, -3) for tau in (0.3, 0.4, 0.5))
    + ","
    + ",".join(f"cut+saliency:value-1@{tau}" for tau in (0.3, 0.4, 0.5))
    + ",cut+saliency:key-1@0.2,cut+saliency:key-1@0.6,cut+saliency:query-1@0.6"
    + ",cut:token-1@0.4,cut:value-1@0.4,all:token-1@0.4,all:value-1@0.3,all:value-1@0.4,all:value-1@0.5"
)


@app.callback()
def _root() -> None:
    """Measure ovseg's own parts."""


app.command("clip")(clip)
app.command("banks")(banks)
app.command("diffusion")(diffusion)
app.command("index")(index)


@app.command("discovery")
def discovery(
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos. Without it features are made up.", show_default=False),
    ] = None,
    sizes: Annotated[
        str, option("--sizes", help="Cells an image, square numbers between commas; empty: no timing.")
    ] = "900,3600",
    images: Annotated[int, option("--images", help="Images a size.")] = 30,
    large: Annotated[
        int, option("--large", help="Cells of the image whose peak memory is measured; 0: none.")
    ] = 14400,
    threads: Annotated[int, option("--threads", help="CPU threads.")] = 2,
    batch: Annotated[int, option("--batch", help="Images a batch on an accelerator.")] = 64,
    quality: Annotated[
        bool, option("--quality", help="Compare features, layers and thresholds instead.")
    ] = False,
    settings: Annotated[
        str,
        option("--settings", help="Lines of that comparison, METHOD:FACETLAYER@TAU.", show_default=False),
    ] = _SETTINGS,
    truth: Annotated[
        Path | None, option("--truth", help="Boxes of PHOTOS, as ovseg evaluate discovery takes them.")
    ] = None,
    object_photos: Annotated[
        Path | None, option("--object-photos", help="Photos with one object each.")
    ] = None,
    object_masks: Annotated[
        Path | None, option("--object-masks", help="Their masks, NAME.png (indices, 255 ignored).")
    ] = None,
    object_list: Annotated[
        Path | None, option("--object-list", help="CSV with name and index: what in the mask is the object.")
    ] = None,
    limit: options.Limit = None,
    preset: options.BackbonePreset = "auto",
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """How fast the normalized cut is, and with --quality how well which features find objects.

    Timing is from features to eigenvector, against SciPy's dense eigh in the same process on the same ones.
    Of the preset only the backbone is loaded.

    For example:

      ovseg bench discovery photos/ --threads 2

      ovseg bench discovery photos/ --quality --truth boxes.json --settings "all:value-1@0.4"
    """
    set_up_process(verbose=0, offline=True)
    if quality and (photos is None) != (truth is None):
        raise UsageError("PHOTOS and --truth belong together: give both or neither")
    if quality and not (truth or (object_photos and object_masks and object_list)):
        raise UsageError(
            "--quality needs PHOTOS and --truth, or --object-photos, --object-masks, --object-list"
        )

    import torch

    from ovseg.device import resolve_device
    from ovseg.discovery.benchmark import limit_threads
    from ovseg.encoders.presets import choose_preset

    limit_threads(threads)
    place = resolve_device(device)

    def encoders() -> LoneShape:
        card = choose_preset(preset, role="backbone")
        return card.load_shape(place, torch.float32, Path(cache_dir) if cache_dir else None)

    if quality:
        from ovseg.pipeline.benchmarks.discovery import Truth, parse_settings, quality_table

        lines = parse_settings(settings)
        where = Truth(photos, truth, object_photos, object_masks, object_list)
        rows = quality_table(encoders(), lines, where, limit=limit, tick=_ticker(quiet))
        print_table(rows, as_json=as_json)
        return

    loaded = encoders() if photos is not None else None
    rows = []
    for patches in _square_numbers(sizes):
        features = _features(loaded, photos, patches, images)
        rows += _timings(features, place, batch, quiet=quiet)
    if large:
        from ovseg.discovery.benchmark import peak_memory

        peak, seconds = peak_memory(large)
        rows.append(
            {"cells": large, "solver": "ovseg", "images": 1, "ms": 1e3 * seconds, "peak_gb": peak / 1e9}
        )
    print_table(rows, as_json=as_json)


@app.command("shots")
def shots(
    root: Annotated[Path, option("--root", help="Folder data set: images/, masks/ and classes.txt.")],
    work: Annotated[Path, option("--work", help="Folder for encoded images, kept for the next call.")],
    vocabulary: options.VocabularyName = None,
    shots: Annotated[
        str, option("--shots", help="Numbers of support images a class, ascending; 0: names alone.")
    ] = "0,1,2,3,5",
    seed: options.Seed = 0,
    images: Annotated[
        int | None, option("--images", help="Measure on so many images at most, evenly taken.")
    ] = None,
    assignments: Annotated[
        list[str], options.setting("segment.prototype_weight=8 or prototypes.parts=8")
    ] = _NONE,
    refine: options.Refine = "none",
    preset: options.Preset = "auto",
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """How figures grow with given support: zero, one and few shots, on a data set with masks.

    Support images are drawn for each class with their masks; all of them are left out of the measuring, for
    every number of shots. Every pixel gets one of the classes.

    For example:

      ovseg bench shots --root mydata --vocabulary names.toml --work shots/
    """
    set_up_process(verbose=0, offline=True)
    numbers = _shot_numbers(shots)
    chosen = _ShotSettings(segment=SegmentConfig(refine=refine))
    for text in assignments:
        chosen = overlay(chosen, parse_assignment(text), "--set")

    from ovseg.device import resolve_device
    from ovseg.encoders.presets import load_preset
    from ovseg.evaluation.datasets.folder import folder_classes, load_folder
    from ovseg.vocabulary import Vocabulary, load_vocabulary

    dataset = load_folder(root, background=False)
    words = load_vocabulary(vocabulary) if vocabulary else Vocabulary(folder_classes(root), source=str(root))
    encoders = load_preset(
        preset, device=resolve_device(device), cache_dir=Path(cache_dir) if cache_dir else None
    )

    from ovseg.pipeline.benchmarks.shots import ShotsBench
    from ovseg.pipeline.benchmarks.shots_table import as_table

    bench = ShotsBench(
        dataset, words.without_background(), encoders, chosen.segment, work, tick=_ticker(quiet)
    )
    rows = bench.rows(numbers, seed=seed, images=images, prototypes=chosen.prototypes)
    print_table(as_table(rows), as_json=as_json)


@dataclass(frozen=True)
class _ShotSettings:
    """What ``--set`` can change in ``ovseg bench shots``."""

    segment: SegmentConfig = field(default_factory=SegmentConfig)
    prototypes: PrototypeConfig = field(default_factory=PrototypeConfig)


def _shot_numbers(text: str) -> list[int]:
    parts = text.replace(" ", "").split(",")
    if not all(part.isdecimal() for part in parts):
        raise UsageError(f"--shots takes whole numbers, such as 0,1,3, not {text!r}")
    numbers = [int(part) for part in parts]
    if numbers != sorted(set(numbers)) or numbers[-1] == 0:
        raise UsageError(f"--shots takes ascending numbers, the last one above 0, not {text!r}")
    return numbers


def _timings(
    features: list[torch.Tensor], place: torch.device, batch: int, *, quiet: bool
) -> list[dict[str, Any]]:
    import torch

    from ovseg.discovery.benchmark import time_batch, time_solvers

    tau, epsilon = _DEFAULT.tau, _DEFAULT.epsilon
    timings = time_solvers(features, tau, epsilon, tick=_ticker(quiet))
    rows = [
        {
            "cells": timing.patches,
            "solver": timing.solver,
            "images": timing.images,
            "ms": 1e3 * timing.seconds,
            "speedup": timing.speedup,
            "least_iou": timing.agreement,
        }
        for timing in timings
    ]
    if place.type != "cpu":
        stack = torch.stack([features[i % len(features)] for i in range(batch)]).to(place)
        seconds = time_batch(stack, tau, epsilon)
        speedup = timings[0].seconds / seconds
        name = f"ovseg, {batch} on {place.type}"
        rows.append(
            {
                "cells": timings[0].patches,
                "solver": name,
                "images": batch,
                "ms": 1e3 * seconds,
                "speedup": speedup,
            }
        )
    return rows


def _features(
    encoders: LoneShape | None, photos: Path | None, patches: int, images: int
) -> list[torch.Tensor]:
    """(N, D) features on the CPU: of photos, squeezed into a square, or made up."""
    import torch

    from ovseg.discovery.benchmark import made_up_features

    if encoders is None or photos is None:
        return [made_up_features(patches, seed=seed) for seed in range(images)]
    from ovseg.images import find_images, load_image
    from ovseg.images.resize import resized

    side = round(patches**0.5) * encoders.backbone.patch
    found = []
    for image in find_images([photos])[:images]:
        pixels = torch.from_numpy(resized(load_image(image.path).pixels, (side, side)))
        tensor = pixels.permute(2, 0, 1)[None].float() / 255
        key = (_DEFAULT.layer, _DEFAULT.facet)
        found.append(encoders.backbone.encode(tensor.to(encoders.device), [key])[key][0].flatten(0, 1).cpu())
    return found


def _square_numbers(text: str) -> list[int]:
    numbers = []
    for part in filter(None, text.replace(" ", "").split(",")):
        if not part.isdecimal() or round(int(part) ** 0.5) ** 2 != int(part) or int(part) < 4:
            raise UsageError(f"--sizes takes square numbers from 4 on, such as 900,3600, not {part!r}")
        numbers.append(int(part))
    return numbers


def _ticker(quiet: bool) -> Any:
    from itertools import count

    numbers = count(1)

    def tick() -> None:
        number = next(numbers)
        if number % 10 == 0:
            say(f"{number} images", quiet=quiet)

    return tick


def print_table(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """A Markdown table of all keys that occur, or JSON."""
    if as_json:
        import json

        typer.echo(json.dumps(rows))
        return
    keys = list(dict.fromkeys(key for row in rows for key in row))
    typer.echo("| " + " | ".join(keys) + " |")
    typer.echo("|" + " --- |" * len(keys))
    for row in rows:
        typer.echo("| " + " | ".join(_short(row.get(key)) for key in keys) + " |")


def _short(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
