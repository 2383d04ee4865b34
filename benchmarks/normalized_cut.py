"""How long the normalized cut takes, from features to eigenvector."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.solvers import made_up_features, peak_memory, time_batch, time_solvers
from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.table import print_table, ticker
from ovseg.device import limit_threads
from ovseg.discovery import DiscoveryConfig
from ovseg.encoders.presets import LoadContext, Preset, open_preset
from ovseg.errors import UsageError
from ovseg.images import find_images, load_image
from ovseg.images.resize import resized

_DEFAULT = DiscoveryConfig()


def cut(
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos. Without it features are made up.", show_default=False),
    ] = None,
    sizes: Annotated[
        str, option("--sizes", help="Patches an image, square numbers between commas; empty: no timing.")
    ] = "900,3600",
    images: Annotated[int, option("--images", help="Images a size.")] = 30,
    large: Annotated[
        int, option("--large", help="Patches of the image whose peak memory is measured; 0: none.")
    ] = 14400,
    threads: Annotated[int, option("--threads", help="CPU threads.")] = 2,
    batch: Annotated[int, option("--batch", help="Images a batch on an accelerator.")] = 64,
    preset: options.BackbonePreset = "auto",
    device: options.Device = "auto",
    cache_dir: options.CacheDir = None,
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Time the eigenvector of the normalized cut against SciPy's dense eigh and its iterative solvers.

    All of them solve the same features in the same process. Of the preset only the patch features are used.
    """
    limit_threads(threads)
    context = LoadContext.resolve(device, "float32", cache_dir)
    encoders = open_preset(preset, context, role="backbone") if photos is not None else None
    rows = []
    for patches in _square_numbers(sizes):
        features = _features(encoders, photos, patches, images)
        rows += _timings(features, context.device, batch, quiet=quiet)
    if large:
        peak, seconds = peak_memory(large)
        rows.append(
            {"cells": large, "solver": "ovseg", "images": 1, "ms": 1e3 * seconds, "peak_gb": peak / 1e9}
        )
    print_table(rows, as_json=as_json)


def _timings(
    features: list[torch.Tensor], place: torch.device, batch: int, *, quiet: bool
) -> list[dict[str, Any]]:
    tau, epsilon = _DEFAULT.tau, _DEFAULT.epsilon
    timings = time_solvers(features, tau, epsilon, tick=ticker(quiet=quiet))
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


def _features(encoders: Preset | None, photos: Path | None, patches: int, images: int) -> list[torch.Tensor]:
    """(N, D) features on the CPU: of photos, squeezed into a square, or made up."""
    if encoders is None or photos is None:
        return [made_up_features(patches, seed=seed) for seed in range(images)]
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
