"""Roles *shape* and *look*: any visual model on a device, with a saliency decoder where it has one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ovseg.encoders.saliency import SaliencyDecoder
from ovseg.encoders.vit import DenseModule, Facet


class VisualEncoder:
    """A :class:`~ovseg.encoders.base.Backbone` of whatever can be read at its patches.

    Transformers of the DINO family, CLIP's image towers and diffusion models all come in this one form.

    Args:
        model: What is read, in eval mode.
        decoder: Its saliency decoder, if it has one.
        about: What it is, for run.json.
        device: Where it computes.
        dtype: Of its weights; features come back in it.
    """

    def __init__(
        self,
        model: DenseModule,
        decoder: SaliencyDecoder | None,
        about: dict[str, Any],
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._model = model.to(device=device, dtype=dtype)
        self._decoder = decoder.to(device=device, dtype=dtype) if decoder else None
        self._about = about
        self.patch = model.patch
        self.family = model.family
        self.device = device

    @torch.inference_mode()
    def encode(
        self, images: torch.Tensor, wanted: Iterable[tuple[int, Facet]] = ((-1, "token"),)
    ) -> dict[tuple[int, Facet], torch.Tensor]:
        """See :meth:`ovseg.encoders.base.Backbone.encode`."""
        found: dict[tuple[int, Facet], torch.Tensor] = self._model(images.to(self.device), wanted)
        return found

    @torch.inference_mode()
    def saliency(self, tokens: torch.Tensor) -> torch.Tensor | None:
        """See :meth:`ovseg.encoders.base.Backbone.saliency`; 8 times finer than the grid."""
        if self._decoder is None:
            return None
        result: torch.Tensor = self._decoder(tokens).float()
        return result

    def describe(self) -> dict[str, Any]:
        """See :meth:`ovseg.encoders.base.Backbone.describe`."""
        return dict(self._about)
