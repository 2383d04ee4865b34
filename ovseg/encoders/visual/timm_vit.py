"""Vision transformers of timm: plain (DINO, DINOv2, with and without registers) and rotary (DINOv3, EVA)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ovseg.encoders.suggestions import suggest_names
from ovseg.encoders.visual.state_dict import load_strict
from ovseg.encoders.vit import IMAGENET_MEAN, IMAGENET_STD, DenseViT, family_of
from ovseg.errors import UnknownName
from ovseg.registry import load_plugins
from ovseg.weights.readers import read_state

_READABLE = ("Block", "EvaBlock")
"""Blocks of the form x + f(norm1(x)), then x + g(norm2(x)); others have queries and keys elsewhere."""


def build_timm(name: str, config: Mapping[str, Any] | None = None) -> DenseViT:
    """A transformer of timm with random weights, in eval mode on the CPU.

    Args:
        name: Architecture, with or without a tag: both say how it was trained.
        config: ``config.json`` of a hub repository: ``pretrained_cfg`` and ``model_args`` count.

    Raises:
        UnknownName: timm has no such architecture, or it is none that can be read at its patches.
    """
    import timm

    load_plugins()  # they may file architectures with timm
    architecture = name.partition(".")[0]
    if not timm.is_model(architecture):
        near = suggest_names(architecture, timm.list_models())
        raise UnknownName(f"timm has no model {architecture!r}: {near}")
    given = dict(config or {})
    try:
        model = timm.create_model(
            architecture, num_classes=0, dynamic_img_size=True, **_arguments(given.get("model_args") or {})
        )
    except (TypeError, ValueError, RuntimeError, AssertionError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise UnknownName(f"timm cannot build {name} as a vision transformer: {reason}") from error
    blocks = getattr(model, "blocks", None)
    kinds = {type(block).__name__ for block in blocks} if blocks is not None else set()
    if not kinds or not kinds <= set(_READABLE):
        raise UnknownName(
            f"timm:{name} is no plain vision transformer ({type(model).__name__}), whose layers could be read"
            " at their patches: take one such as timm:vit_small_patch14_dinov2.lvd142m"
        )
    # Names of folders may have tags that timm knows nothing of.
    known = timm.models.get_pretrained_cfg(name if timm.is_model_pretrained(name) else architecture)
    statistics = given.get("pretrained_cfg") or (known.to_dict() if known else {})
    return DenseViT(
        model,
        mean=statistics.get("mean", IMAGENET_MEAN),
        std=statistics.get("std", IMAGENET_STD),
        antialias=not _published_without_antialias(name, model),
        family=family_of(name),
    ).eval()


def load_timm(name: str, weights: Path, config: Mapping[str, Any] | None = None) -> DenseViT:
    """A transformer of timm with the weights of a file: timm's own, or the authors' where timm reads them.

    Raises:
        UnknownName: timm has no such architecture.
        WeightsUnavailable: The file is unreadable, or has the weights of another model.
    """
    from timm.models import eva, vision_transformer

    dense = build_timm(name, config)
    state: dict[str, Any] = read_state(weights)
    family = eva if isinstance(dense.vit, eva.Eva) else vision_transformer
    # timm keeps heads and mask tokens that features have no use for.
    state = family.checkpoint_filter_fn(state, dense.vit)
    load_strict(dense.vit, state, weights, unused=("head.", "head_dist.", "fc_norm.", "mask_token"))
    return dense


def _arguments(given: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration's arguments for the architecture; not those that would load something."""
    loading = ("pretrained", "checkpoint", "cache", "scriptable", "num_classes", "dynamic_img_size")
    return {key: value for key, value in given.items() if not key.startswith(loading)}


def _published_without_antialias(name: str, model: Any) -> bool:
    return "dino" in name and model.reg_token is None
