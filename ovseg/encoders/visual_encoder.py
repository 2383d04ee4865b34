"""Any visual model as a backbone, with a saliency decoder where it has one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch

from ovseg.encoders.context import LoadContext
from ovseg.encoders.saliency import SaliencyDecoder
from ovseg.encoders.vit import DenseModule, Facet


class VisualEncoder:
    """A :class:`~ovseg.encoders.base.Backbone` of any model that gives patch features.

    Transformers of the DINO family, CLIP's image towers and diffusion models all have this one interface.

    Args:
        model: The model, in eval mode.
        decoder: Its saliency decoder, if it has one.
        about: What it is, for run.json.
        context: Device and dtype of the weights; features have that dtype.
    """

    def __init__(
        self,
        model: DenseModule,
        decoder: SaliencyDecoder | None,
        about: dict[str, Any],
        context: LoadContext,
    ) -> None:
        self._model = model.to(device=context.device, dtype=context.dtype)
        self._decoder = decoder.to(device=context.device, dtype=context.dtype) if decoder else None
        self._about = about
        self.patch = model.patch
        self.family = model.family
        self.device = context.device

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
