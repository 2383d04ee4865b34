"""What a protocol costs beyond its encoders: the whole path against bare passes of the same windows."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import torch
import typer

from benchmarks.untrained import clip_pair, untrained_backbone, untrained_clip
from ovseg.cli import options
from ovseg.cli.common import say
from ovseg.cli.flags import flag, flags, takes_flags
from ovseg.cli.table import print_table
from ovseg.encoders.base import Backbone, FeatureKey
from ovseg.encoders.clip.encoder import ClipEncoder
from ovseg.encoders.clip.load import load_model
from ovseg.encoders.presets import LoadContext, Preset, PresetCard
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import DatasetError, UsageError
from ovseg.evaluation.datasets.base import Dataset, Sample, official_names
from ovseg.evaluation.datasets.catalog import DATASETS
from ovseg.evaluation.protocols import EvaluationProtocol, protocol_for
from ovseg.images import find_images, load_image
from ovseg.pipeline.protocol_predictor import ProtocolPredictor
from ovseg.pipeline.timer import Timer
from ovseg.vocabulary import Vocabulary, load_vocabulary

__all__ = ["ProtocolTiming", "clip", "time_protocol", "voc_words"]

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class ProtocolTiming:
    """Medians over repeats, in seconds.

    Attributes:
        images: In one pass.
        windows: Windows of all of them.
        total: Seconds per image of the whole path, from pixels to labels.
        bare: Seconds per image of the encoders' forward passes of the same windows: CLIP's without a variant,
            and the backbone's where the variant uses proxy features.
        ratio: Of the two, the median of the repeats' own ratios.
        share: What part of the whole path is spent in the encoders (the variant counts as theirs).
    """

    images: int
    windows: int
    total: float
    bare: float
    ratio: float
    share: float


def time_protocol(
    names: ClipEncoder,
    plain: ClipEncoder,
    shape: Backbone,
    photos: Sequence[Pixels],
    words: Vocabulary,
    dataset: Dataset,
    protocol: EvaluationProtocol,
    *,
    repeats: int = 5,
    tick: Callable[[], None] = lambda: None,
) -> ProtocolTiming:
    """Measure one pass over photos; whole and bare take turns, so that a busy machine burdens both.

    Args:
        names: CLIP, read as its variant says.
        plain: The same model without a variant.
        shape: Gives the proxy features.
        photos: (H, W, 3) uint8 RGB, predicted together.
        words: As `ProtocolPredictor` takes it.
        dataset: Likewise.
        protocol: Likewise.
        repeats: Measurements, after one that is not counted.
        tick: Called after each.
    """
    seen = _Seen(names, shape)
    card, context = PresetCard("benchmark", ""), LoadContext(names.device)
    encoders = Preset(card, context, {"image_text": names, "backbone": shape})
    recording = Preset(card, context, {"image_text": seen, "backbone": seen})
    ProtocolPredictor(recording, words, dataset, protocol).predict(photos)
    predictor = ProtocolPredictor(encoders, words, dataset, protocol)
    predictor.predict(photos)
    rows = []
    for _ in range(repeats):
        before = predictor.encoder_seconds
        whole, bare = Timer(names.device), Timer(names.device)
        with whole:
            predictor.predict(photos)
        inside = predictor.encoder_seconds - before
        with bare:
            for windows in seen.windows:
                plain.encode_dense(windows)
            for windows, keys in seen.proxies:
                shape.encode(windows, keys)
        rows.append((whole.seconds, bare.seconds, inside))
        tick()
    count = len(photos)
    return ProtocolTiming(
        images=count,
        windows=sum(len(windows) for windows in seen.windows),
        total=statistics.median(row[0] for row in rows) / count,
        bare=statistics.median(row[1] for row in rows) / count,
        ratio=statistics.median(row[0] / row[1] for row in rows),
        share=statistics.median(row[2] / row[0] for row in rows),
    )


def voc_words(protocol: EvaluationProtocol) -> tuple[Vocabulary, Dataset]:
    """VOC's words under a protocol, and its classes with background; there are no files behind them."""
    card = DATASETS.get("voc21")
    names = official_names(card)

    def no_truth() -> npt.NDArray[np.uint8]:
        raise DatasetError("made up pictures have no truth")

    samples = (Sample("made-up", Path(), no_truth),)
    dataset = Dataset(card, Path(), "made up", names, samples, has_background=True)
    words = replace(load_vocabulary("voc21"), has_background=True)
    return protocol.vocabulary(words, dataset.foreground), dataset


class _Seen:
    """Both encoders, with a record of the batches that they were given."""

    def __init__(self, names: ClipEncoder, shape: Backbone) -> None:
        self._names, self._shape = names, shape
        self.patch = shape.patch
        # From Python 3.12 on, what ``__getattr__`` finds does not count for protocols.
        self.mean, self.logit_scale = names.mean, names.logit_scale
        self.windows: list[torch.Tensor] = []
        self.proxies: list[tuple[torch.Tensor, tuple[FeatureKey, ...]]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._names, name)

    def encode_words(self, words: Sequence[str], templates: str | None = None) -> torch.Tensor:
        """See `ClipEncoder.encode_words`."""
        return self._names.encode_words(words, templates)

    def encode_dense(self, images: torch.Tensor, proxy_features: Any = None) -> torch.Tensor:
        """See `ClipEncoder.encode_dense`."""
        self.windows.append(images)
        return self._names.encode_dense(images, proxy_features)

    def encode(self, images: torch.Tensor, wanted: tuple[FeatureKey, ...]) -> dict[FeatureKey, torch.Tensor]:
        """See `Backbone.encode`."""
        self.proxies.append((images, wanted))
        return self._shape.encode(images, wanted)


@flags("Benchmark")
class ClipFlags(options.JsonFlag, options.QuietFlag, options.ComputeFlags):
    """Flags of the benchmark."""

    image_text_encoder: str = flag(
        "A CLIP model, or an open_clip architecture with random weights.", default="ViT-B-16"
    )
    backbone: str = flag(
        "Backbone of the proxy features: a model, or a timm architecture with random weights.",
        default="vit_base_patch8_224",
    )
    dense_variant: str = flag("How patch features are read from CLIP.", default="proxyclip")
    protocol: str = flag("sclip or tcl.", default="sclip")
    images: int = flag("Images in one pass.", default=2, min=1)
    size: str = flag("Width and height of random images.", default="500x375")
    repeats: int = flag("Measurements.", default=5, min=1)
    threads: int = flag("CPU threads.", default=2, min=1, panel="Run")


@takes_flags
def clip(
    photos: Annotated[
        Path | None,
        typer.Argument(help="Folder of photos. Without it images are random.", show_default=False),
    ] = None,
    *,
    flags: ClipFlags,
) -> None:
    """Seconds per image of a protocol's whole path, against bare forward passes of the same windows.

    Words are those of VOC with background. Time does not depend on what the weights are, so without weights
    the architectures are measured as they are before training.

    For example:

      python -m benchmarks clip --threads 1

      python -m benchmarks clip photos/ --image-text-encoder ViT-B-16:openai --device cuda
    """
    torch.set_num_threads(flags.threads)
    # Untrained models have no hash by which kept text embeddings could be known.
    context = replace(LoadContext.resolve(flags.device, flags.dtype), cache_dir=None)
    clip, shape, variant, protocol = (
        flags.image_text_encoder, flags.backbone, flags.dense_variant, flags.protocol,
    )  # fmt: skip
    settings = protocol_for(protocol, "voc21", background=True)
    if settings.crop is None:
        raise UsageError(f"protocol {protocol} has no windows to measure: use sclip or tcl")
    pictures = _photos(photos, flags.images, flags.size)
    loaded = load_model(clip) if ":" in clip else untrained_clip(clip)
    names, plain = clip_pair(loaded, variant, context)
    backbone = load_visual(shape, context) if ":" in shape else untrained_backbone(shape, context)
    words, dataset = voc_words(settings)
    timing = time_protocol(
        names, plain, backbone, pictures, words, dataset, settings,
        repeats=flags.repeats, tick=lambda: say("one more", quiet=flags.quiet),
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
    print_table([row], as_json=flags.as_json)


def _photos(folder: Path | None, count: int, size: str) -> list[Any]:
    if folder is not None:
        return [load_image(image.path).pixels for image in find_images([folder])[:count]]
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size takes WIDTHxHEIGHT in pixels, such as 500x375, not {size!r}")
    generator = np.random.default_rng(0)
    shape = (int(height), int(width), 3)
    return [generator.integers(0, 256, shape, dtype=np.uint8) for _ in range(count)]
