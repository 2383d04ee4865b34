"""How long a class takes, and how much of that is not the network's own work."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from benchmarks.random_models import SIZES, random_pipeline
from ovseg.cli import diffusion_options as generate
from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.table import print_table
from ovseg.device import now, resolve_device
from ovseg.errors import UsageError
from ovseg.support.diffusion import DiffusionConfig, find_model, load_prompting
from ovseg.support.diffusion.models import ModelRecord
from ovseg.support.diffusion.prompting import Prompting
from ovseg.support.diffusion.sample_store import SampleStore
from ovseg.support.diffusion.sampler import Request, Sampler
from ovseg.vocabulary import ClassSpec

__all__ = ["GenerationTime", "generation", "time_generation"]


@dataclass(frozen=True)
class GenerationTime:
    """Medians over the rounds, in seconds for all pictures of a class.

    Attributes:
        images: Pictures.
        seconds: All of it: from the prompt to files on disk, with attribution.
        network: Forward passes of text encoder, U-Net (or transformer) and decoder, in a run without
            attribution.
        plain: That run in all, without files.
    """

    images: int
    seconds: float
    network: float
    plain: float

    @property
    def outside(self) -> float:
        """Share of the time that is not the network's own forward passes."""
        return 1 - self.network / self.seconds


def time_generation(
    sampler: Sampler, prompting: Prompting, images: int, *, rounds: int = 3, word: str = "cat"
) -> GenerationTime:
    """Make the pictures of a class several times, with attribution and files, and without.

    The two take turns. Forward passes are timed in the run without attribution, whose hooks would be
    counted as the network's otherwise; the run in full is not disturbed by the clock.
    """
    plain = Sampler(sampler.record, replace(sampler.config, attribution=False), sampler.device, sampler.pipe)
    spec = ClassSpec(word)
    requests = [Request(prompting.prompt(spec, i), sampler.config.seed + i) for i in range(images)]
    batches = [requests[i : i + sampler.batch_size] for i in range(0, images, sampler.batch_size)]
    sampler.sample(batches[0])  # the first call of a kernel is not like the others
    totals, networks, plains = [], [], []
    for _ in range(rounds):
        with _NetworkClock(sampler.pipe, sampler.device) as clock:
            start = now(sampler.device)
            for batch in batches:
                plain.sample(batch)
            plains.append(now(sampler.device) - start)
        networks.append(clock.seconds)
        with tempfile.TemporaryDirectory() as folder:
            sample_store = SampleStore(Path(folder), sampler.describe())
            start = now(sampler.device)
            for batch in batches:
                sample_store.put_all(batch, sampler.sample(batch), sampler.metadata())
            totals.append(now(sampler.device) - start)
    return GenerationTime(images, *map(statistics.median, (totals, networks, plains)))


class _NetworkClock(contextlib.AbstractContextManager["_NetworkClock"]):
    """Adds up the time of the forward passes of a pipeline's networks."""

    def __init__(self, pipe: Any, device: torch.device) -> None:
        self.seconds = 0.0
        self._device = device
        self._start = 0.0
        self._hooks: list[Any] = []
        self._networks = list(_networks(pipe))

    def __enter__(self) -> _NetworkClock:
        for network in self._networks:
            self._hooks += [
                network.register_forward_pre_hook(self._begin),
                network.register_forward_hook(self._end),
            ]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _begin(self, *_: object) -> None:
        self._start = now(self._device)

    def _end(self, *_: object) -> None:
        self.seconds += now(self._device) - self._start


def _networks(pipe: Any) -> Iterator[torch.nn.Module]:
    for name, part in pipe.components.items():
        if isinstance(part, torch.nn.Module):
            # The autoencoder's way back is no forward pass of the whole.
            yield part.get_submodule("decoder") if name == "vae" else part


def generation(
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

      python -m benchmarks generation --model sd15/ --images 32

      python -m benchmarks generation --random sd15 --device cuda
    """
    if (model is None) == (random is None):
        raise UsageError("give either --model or --random")
    if images < 1 or rounds < 1:
        raise UsageError("--images and --rounds must be at least 1")
    params = {name: value for name, value in ctx.params.items() if name != "model"}
    config = generate.diffusion_config(params, model=model or f"random-{random}")

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
    if random is None:
        return Sampler(find_model(config), config, device)
    if random not in SIZES:
        raise UsageError(f"--random takes {' or '.join(SIZES)}, not {random!r}")
    record = ModelRecord(config.model, "folder", Path(), "random weights", "none")
    bare = Sampler(record, config, device)
    return Sampler(record, config, device, random_pipeline(random, device, bare.dtype))
