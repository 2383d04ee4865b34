"""Encoders with seeded random weights: real architectures, for measuring time where there are no weights."""

from __future__ import annotations

import torch

from ovseg.encoders.clip.encoder import ClipConfig, ClipEncoder
from ovseg.encoders.clip.load import LoadedClip, quiet
from ovseg.encoders.context import LoadContext
from ovseg.encoders.sources import require_architecture
from ovseg.encoders.visual.timm_vit import build_timm
from ovseg.encoders.visual_encoder import VisualEncoder


def untrained_clip(architecture: str, seed: int = 0) -> LoadedClip:
    """Return an untrained open_clip model on the CPU.

    Raises:
        UnknownName: open_clip has no such architecture.
    """
    import open_clip

    require_architecture(architecture)
    torch.manual_seed(seed)
    with quiet():
        model = open_clip.create_model(architecture, load_weights=False, pretrained_text=False)
    return LoadedClip(
        model=model.eval().requires_grad_(False),
        tokenize=open_clip.get_tokenizer(architecture),
        mean=open_clip.OPENAI_DATASET_MEAN,
        std=open_clip.OPENAI_DATASET_STD,
        about={"name": architecture, "what": f"CLIP {architecture}, untrained", "sha256": f"seed {seed}"},
    )


def untrained_backbone(architecture: str, context: LoadContext, seed: int = 0) -> VisualEncoder:
    """Return an untrained vision transformer of timm as a backbone.

    Raises:
        UnknownName: timm has no such architecture, or it gives no patch features.
    """
    torch.manual_seed(seed)
    vit = build_timm(architecture).requires_grad_(False)
    about = {"name": architecture, "what": f"{architecture}, untrained", "sha256": f"seed {seed}"}
    return VisualEncoder(vit, None, about, context)


def clip_pair(clip: LoadedClip, variant: str, context: LoadContext) -> tuple[ClipEncoder, ClipEncoder]:
    """Return a model with a dense variant and without one; they share their weights."""
    configs = (ClipConfig(variant=name, templates="simple") for name in (variant, "none"))
    dense, plain = (ClipEncoder(clip, context, config) for config in configs)
    return dense, plain
