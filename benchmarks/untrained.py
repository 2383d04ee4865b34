"""Encoders with seeded random weights: real architectures, for measuring time where there are no weights."""

from __future__ import annotations

import torch

from ovseg.encoders.clip.encoder import ClipEncoder
from ovseg.encoders.clip.load import LoadedClip, quiet
from ovseg.encoders.sources import require_architecture
from ovseg.encoders.visual.timm_vit import build_timm
from ovseg.encoders.visual_encoder import VisualEncoder


def untrained_clip(architecture: str, seed: int = 0) -> LoadedClip:
    """An architecture of open_clip's as it is before training, on the CPU.

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


def untrained_shape(
    architecture: str, *, device: torch.device, dtype: torch.dtype = torch.float32, seed: int = 0
) -> VisualEncoder:
    """A vision transformer of timm's as it is before training.

    Raises:
        UnknownName: timm has no such architecture, or it is none that can be read at its patches.
    """
    torch.manual_seed(seed)
    vit = build_timm(architecture).requires_grad_(False)
    about = {"name": architecture, "what": f"{architecture}, untrained", "sha256": f"seed {seed}"}
    return VisualEncoder(vit, None, about, device=device, dtype=dtype)


def clip_pair(
    clip: LoadedClip, *, variant: str, device: torch.device, dtype: torch.dtype
) -> tuple[ClipEncoder, ClipEncoder]:
    """One model read as a variant says, and as it is: they share their weights."""
    read, plain = (
        ClipEncoder(clip, device=device, dtype=dtype, variant=name, templates="simple")
        for name in (variant, "none")
    )
    return read, plain
