"""``ovseg bench diffusion``: seconds a class, and what of them is not the network's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ovseg.cli import options
from ovseg.cli.diffusion_options import DIFFUSION, GenerateDtypeFlag, SamplingFlags
from ovseg.cli.flags import configured, flag, flags, setting, takes_flags
from ovseg.cli.launch import set_up_process
from ovseg.errors import UsageError

if TYPE_CHECKING:
    import torch

    from ovseg.support.diffusion import DiffusionConfig, Sampler

__all__ = ["diffusion"]


@flags("Measurement")
class MeasureFlags(options.JsonFlag, options.DeviceFlag, GenerateDtypeFlag, SamplingFlags):
    """Flags of ``ovseg bench diffusion``."""

    model: str | None = flag("As for ovseg support sample.")
    random: str | None = flag("Random weights in the shape of a real model: sd15, or small.")
    shots: int = setting("shots", "Images per class.", "--images", of=DIFFUSION)
    rounds: int = flag("Measurements, of which the median is shown.", default=3)
    threads: int = flag("CPU threads.", default=2)


@takes_flags
def diffusion(flags: MeasureFlags) -> None:
    """Seconds that the support images of a class take, and the share outside the network's forward passes.

    Outside are noise, scheduler, attribution, PNG files and their hashes. Checking the pictures is not
    measured: it depends on the preset.

    For example:

      ovseg bench diffusion --model sd15/ --images 32

      ovseg bench diffusion --random sd15 --device cuda
    """
    model, random, images, rounds = flags.model, flags.random, flags.shots, flags.rounds
    if (model is None) == (random is None):
        raise UsageError("give either --model or --random")
    if images < 1 or rounds < 1:
        raise UsageError("--images and --rounds must be at least 1")
    set_up_process(verbose=0, offline=True)
    config = replace(configured(flags, DIFFUSION), model=model or f"random-{random}")

    import torch

    from ovseg.cli.bench import print_table
    from ovseg.device import resolve_device
    from ovseg.support.diffusion import load_prompting
    from ovseg.support.diffusion.benchmark import time_generation

    torch.set_num_threads(flags.threads)
    sampler = _sampler(config, random, resolve_device(flags.device))
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
    print_table([row], as_json=flags.as_json)


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
