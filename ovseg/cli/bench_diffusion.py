"""``ovseg bench diffusion``: seconds a class, and what of them is not the network's."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ovseg.cli import diffusion_options as generate
from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.launch import set_up_process
from ovseg.errors import UsageError

if TYPE_CHECKING:
    import torch

    from ovseg.support.diffusion import DiffusionConfig, Sampler

__all__ = ["diffusion"]


def diffusion(
    ctx: typer.Context,
    model: Annotated[str | None, option("--model", help="As for ovseg support sample.")] = None,
    random: Annotated[
        str | None,
        option("--random", help="Random weights in the shape of a real model instead: sd15, or small."),
    ] = None,
    layout: generate.Layout = generate.DEFAULT.layout,
    images: Annotated[int, option("--images", help="Pictures a class.")] = generate.DEFAULT.shots,
    steps: generate.Steps = generate.DEFAULT.steps,
    guidance: generate.Guidance = generate.DEFAULT.guidance,
    scheduler: generate.Scheduler = generate.DEFAULT.scheduler,
    size: generate.Size = generate.DEFAULT.size,
    generate_batch: generate.GenerateBatch = generate.DEFAULT.batch_size,
    rounds: Annotated[int, option("--rounds", help="Times that all is measured; medians are shown.")] = 3,
    threads: Annotated[int, option("--threads", help="CPU threads.")] = 2,
    device: options.Device = "auto",
    generate_dtype: Annotated[
        str, option("--dtype", help="auto (float16 on CUDA, else float32), float32, bfloat16 or float16.")
    ] = generate.DEFAULT.dtype,
    as_json: options.Json = False,
) -> None:
    """Seconds that the support images of a class take, and the share outside the network's forward passes.

    Outside are noise, scheduler, attribution, PNG files and their hashes. Checking the pictures is not
    measured: it depends on the preset.

    For example:

      ovseg bench diffusion --model sd15/ --images 32

      ovseg bench diffusion --random sd15 --device cuda
    """
    if (model is None) == (random is None):
        raise UsageError("give either --model or --random")
    if images < 1 or rounds < 1:
        raise UsageError("--images and --rounds must be at least 1")
    set_up_process(verbose=0, offline=True)
    params = {name: value for name, value in ctx.params.items() if name != "model"}
    config = generate.diffusion_config(params, model=model or f"random-{random}")

    import torch

    from ovseg.cli.bench import print_table
    from ovseg.device import resolve_device
    from ovseg.support.diffusion import load_prompting
    from ovseg.support.diffusion.benchmark import time_generation

    torch.set_num_threads(threads)
    sampler = _sampler(config, random, resolve_device(device))
    found = time_generation(sampler, load_prompting(), images, rounds=rounds)
    unet = getattr(sampler.pipe, "unet", None) or sampler.pipe.transformer
    row = {
        "model": sampler.record.name,
        "weights_million": sum(p.numel() for p in unet.parameters()) / 1e6,
        "device": str(sampler.device),
        "dtype": sampler.metadata()["dtype"],
        "images": images,
        "batch": sampler.batch_size,
        "steps": config.steps,
        "seconds": found.seconds,
        "network": found.network,
        "outside": found.outside,
        "without_attribution": found.plain,
    }
    print_table([row], as_json=as_json)


def _sampler(config: DiffusionConfig, random: str | None, device: torch.device) -> Sampler:
    from ovseg.support.diffusion import Sampler, find_model
    from ovseg.support.diffusion.models import ModelRecord
    from ovseg.support.diffusion.random_models import SIZES, random_pipeline

    if random is None:
        return Sampler(find_model(config), config, device)
    if random not in SIZES:
        raise UsageError(f"--random takes {' or '.join(SIZES)}, not {random!r}")
    record = ModelRecord(config.model, "folder", Path(), "random weights", "none")
    bare = Sampler(record, config, device)
    return Sampler(record, config, device, random_pipeline(random, device, bare.dtype))
