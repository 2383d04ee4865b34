"""``ovseg bench clip``: what a protocol costs beyond its encoders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from ovseg.cli import options
from ovseg.cli.common import option
from ovseg.cli.launch import say, set_up_process
from ovseg.errors import UsageError


def clip(
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos. Without it pictures are made up.", show_default=False),
    ] = None,
    clip: Annotated[
        str,
        option(
            "--image-text-encoder", help="A model of CLIP, or an architecture of open_clip: then untrained."
        ),
    ] = "ViT-B-16",
    shape: Annotated[
        str,
        option(
            "--backbone",
            help="Backbone of proxy features: a model, or an untrained architecture of timm.",
        ),
    ] = "vit_base_patch8_224",
    variant: Annotated[
        str, option("--dense-variant", help="Method for patch features of CLIP.")
    ] = "proxyclip",
    protocol: Annotated[str, option("--protocol", help="sclip or tcl.")] = "sclip",
    images: Annotated[int, option("--images", help="Photos in one pass.", min=1)] = 2,
    size: Annotated[str, option("--size", help="Width and height of made up pictures.")] = "500x375",
    repeats: Annotated[int, option("--repeats", help="Measurements.", min=1)] = 5,
    threads: Annotated[int, option("--threads", help="CPU threads.", min=1)] = 2,
    device: options.Device = "auto",
    dtype: options.Dtype = "auto",
    quiet: options.Quiet = False,
    as_json: options.Json = False,
) -> None:
    """Seconds per image of a protocol's whole path, against bare forward passes of the same windows.

    Words are those of VOC with background. Time does not depend on what the weights are, so without weights
    the architectures are measured as they are before training.

    For example:

      ovseg bench clip --threads 1

      ovseg bench clip photos/ --image-text-encoder ViT-B-16:openai --backbone timm:vit_base_patch8_224.dino
      --device cuda
    """
    set_up_process(verbose=0, offline=True)

    import torch

    from ovseg.cli.bench import print_table
    from ovseg.encoders.clip.load import load_model
    from ovseg.encoders.context import LoadContext
    from ovseg.encoders.untrained import clip_pair, untrained_backbone, untrained_clip
    from ovseg.encoders.visual.load import load_visual
    from ovseg.evaluation.protocols import protocol_for
    from ovseg.pipeline.benchmarks.clip import time_protocol, voc_words

    torch.set_num_threads(threads)
    # Untrained models have no hash by which kept text embeddings could be known.
    context = replace(LoadContext.resolve(device, dtype), cache_dir=None)
    settings = protocol_for(protocol, "voc21", background=True)
    if settings.crop is None:
        raise UsageError(f"protocol {protocol} has no windows to measure: use sclip or tcl")
    pictures = _photos(photos, images, size)
    loaded = load_model(clip) if ":" in clip else untrained_clip(clip)
    names, plain = clip_pair(loaded, variant, context)
    backbone = load_visual(shape, context) if ":" in shape else untrained_backbone(shape, context)
    words, dataset = voc_words(settings)
    timing = time_protocol(
        names, plain, backbone, pictures, words, dataset, settings,
        repeats=repeats, tick=lambda: say("one more", quiet=quiet),
    )  # fmt: skip
    row = {
        "clip": clip,
        "shape": shape if names.proxy_keys else "",
        "variant": variant,
        "protocol": protocol,
        "device": f"{context.device.type}, {str(context.dtype).removeprefix('torch.')}",
        "images": timing.images,
        "windows": timing.windows,
        "s per image": timing.total,
        "s per image, encoders alone": timing.bare,
        "ratio": timing.ratio,
        "encoders' share": timing.share,
    }
    print_table([row], as_json=as_json)


def _photos(folder: Path | None, count: int, size: str) -> list[Any]:
    if folder is not None:
        from ovseg.images import find_images, load_image

        return [load_image(image.path).pixels for image in find_images([folder])[:count]]
    import numpy as np

    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size takes WIDTHxHEIGHT in pixels, such as 500x375, not {size!r}")
    generator = np.random.default_rng(0)
    shape = (int(height), int(width), 3)
    return [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)]
