"""Pictures out of a pipeline: batched, one seed each, with attribution."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.support.diffusion.attention import AttentionRecorder, name_tokens
from ovseg.support.diffusion.config import DiffusionConfig
from ovseg.support.diffusion.models import ModelRecord, load_pipeline
from ovseg.support.diffusion.prompting import Prompt

__all__ = ["Request", "Sample", "Sampler"]


@dataclass(frozen=True)
class Request:
    """One picture that is wanted."""

    prompt: Prompt
    seed: int


@dataclass(frozen=True)
class Sample:
    """One picture that was made.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        attribution: (h, w) float32 in [0, 1], the cross-attention of the class's name, or None.
        flaw: Why it is no picture (blanked by the model's safety checker, not finite), or None.
    """

    pixels: npt.NDArray[np.uint8]
    attribution: npt.NDArray[np.float32] | None
    flaw: str | None = None


class Sampler:
    """A text-to-image model at work; its weights are loaded with the first picture.

    The noise of a picture is drawn on the CPU from its own seed, so it is the same in any batch and on any
    device. What the network makes of it depends on the batch by rounding only.

    Args:
        record: Which model.
        config: How to sample.
        device: Where.
        pipe: The pipeline, where it is loaded already.

    Attributes:
        note: What a user should be told about attribution, once known; empty if nothing.
    """

    def __init__(
        self, record: ModelRecord, config: DiffusionConfig, device: torch.device, pipe: Any = None
    ) -> None:
        self.record = record
        self.config = config
        self.device = device
        self.note = ""
        self._pipe = pipe

    @property
    def batch_size(self) -> int:
        """Pictures at a time."""
        return self.config.batch_size or (1 if self.device.type == "cpu" else 8)

    @property
    def pipe(self) -> Any:
        """The pipeline; loaded when first asked for.

        Raises:
            InputError: It cannot be loaded, or makes no pictures out of text.
        """
        if self._pipe is None:
            self._pipe = load_pipeline(self.record, self.config, self.device, self.dtype)
            if self.config.attribution and not AttentionRecorder.fits(self._network):
                self.note = (
                    f"{type(self._pipe).__name__} has no cross-attention of the kind that tells where it "
                    "drew a word: its pictures come without attribution"
                )
        return self._pipe

    @property
    def dtype(self) -> torch.dtype:
        """Of the network's numbers."""
        from ovseg.device import resolve_dtype

        if self.config.dtype == "auto":
            # Half precision is what these models are published and used in, on GPUs.
            return torch.float16 if self.device.type == "cuda" else torch.float32
        return resolve_dtype(self.config.dtype, self.device)

    @property
    def _network(self) -> Any:
        return getattr(self._pipe, "unet", None) or getattr(self._pipe, "transformer", None)

    def describe(self) -> dict[str, Any]:
        """What decides the pictures besides prompt and seed, as asked for: JSON-able."""
        config = self.config
        return {
            "model": self.record.to_dict(),
            "steps": config.steps,
            "guidance": config.guidance,
            "scheduler": config.scheduler,
            "size": config.size,
            "dtype": config.dtype,
            "attribution": config.attribution,
        }

    def metadata(self) -> dict[str, Any]:
        """What was in use, once the pipeline is loaded: classes, dtype, versions."""
        import diffusers

        return {
            "pipeline": type(self.pipe).__name__,
            "scheduler": type(self.pipe.scheduler).__name__,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": self.device.type,
            "diffusers": diffusers.__version__,
            "torch": torch.__version__,
        }

    @torch.inference_mode()
    def sample(self, requests: Sequence[Request]) -> list[Sample]:
        """Make pictures, all in one batch.

        Raises:
            InputError: The pipeline cannot be loaded.
        """
        pipe = self.pipe
        tokens = self._tokens(requests)
        settings: dict[str, Any] = {
            "prompt": [request.prompt.text for request in requests],
            "negative_prompt": [request.prompt.negative for request in requests],
            "num_inference_steps": self.config.steps,
            "guidance_scale": self.config.guidance,
            "height": self.config.size,
            "width": self.config.size,
            # On the CPU, where the numbers do not depend on the device's own generator.
            "generator": [torch.Generator("cpu").manual_seed(request.seed) for request in requests],
            "output_type": "np",
        }
        known = inspect.signature(pipe.__call__).parameters
        settings = {name: value for name, value in settings.items() if name in known}
        maps: list[npt.NDArray[np.float32] | None] = [None] * len(requests)
        with _without_cast_warnings():
            if tokens is None:
                output = pipe(**settings)
            else:
                with AttentionRecorder(self._network, tokens) as recorder:
                    output = pipe(**settings)
                found = recorder.maps().cpu().numpy()
                maps = [found[i] if tokens[i] else None for i in range(len(requests))]
        blanked = getattr(output, "nsfw_content_detected", None) or [False] * len(requests)
        return [
            _sample(image, attribution, bool(blank))
            for image, attribution, blank in zip(output.images, maps, blanked, strict=True)
        ]

    def _tokens(self, requests: Sequence[Request]) -> list[tuple[int, ...]] | None:
        """Where in each prompt its class stands; None: nothing to be recorded."""
        tokenizer = getattr(self._pipe, "tokenizer", None)
        if not self.config.attribution or tokenizer is None or not AttentionRecorder.fits(self._network):
            return None
        prompts = [request.prompt for request in requests]
        found = [name_tokens(tokenizer, p.text, p.start, p.end) for p in prompts]
        if not all(found) and not self.note:
            word = prompts[found.index(())].word
            self.note = (
                f"the tokens of {word!r} cannot be found in its prompt: its pictures have no attribution"
            )
        return found if any(found) else None


def _sample(
    image: npt.NDArray[np.floating[Any]], attribution: npt.NDArray[np.float32] | None, blanked: bool
) -> Sample:
    finite = bool(np.isfinite(image).all())
    values = np.nan_to_num(image.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    pixels = np.round(values.clip(0, 1) * 255).astype(np.uint8)
    flaw = None
    if not finite:
        flaw = "the network's numbers overflowed"
    elif blanked:
        flaw = "blanked by the model's safety checker"
    elif int(pixels.max()) - int(pixels.min()) < 8:
        flaw = "blank"
    return Sample(pixels, attribution, flaw)


def _without_cast_warnings() -> Any:
    """Overflow to NaN is looked for afterwards; the remark on it helps nobody."""
    return np.errstate(invalid="ignore")
