"""The presets on record, and how one of them is chosen; ``auto`` takes the best whose weights are here."""

from __future__ import annotations

from pathlib import Path

from ovseg.encoders.context import LoadContext
from ovseg.encoders.offline import OFFLINE
from ovseg.encoders.preset import TEXT_SPACE, Preset
from ovseg.encoders.preset_card import EncoderSource, PresetCard
from ovseg.encoders.preset_folder import read_preset
from ovseg.encoders.roles import ROLE_TITLES, ModelChoice, Role, split_flags
from ovseg.errors import WeightsUnavailable
from ovseg.registry import Registry, registry_of
from ovseg.weights.cards import WeightCard
from ovseg.weights.hub_cards import CLIP_B16, CLIP_L14, DINO_B8, DINO_S16, DINOV2_L14

__all__ = [
    "OFFLINE",
    "PRESETS",
    "TEXT_SPACE",
    "EncoderSource",
    "LoadContext",
    "Preset",
    "PresetCard",
    "choose_preset",
    "open_preset",
    "preset_note",
]

PRESETS: Registry[PresetCard] = registry_of("preset")
"""Presets from the best to the least, then those of plug-ins: ``auto`` takes the first that is present."""


def _proxyclip(name: str, clip: WeightCard, backbone: WeightCard, summary: str) -> PresetCard:
    return PresetCard(name, summary, ModelChoice(clip.spec, backbone.spec, dense_variant="proxyclip"))


BEST = _proxyclip(
    "best", CLIP_L14, DINOV2_L14, "CLIP ViT-L/14, read by ProxyCLIP with DINOv2 ViT-L/14; wants a GPU"
)
DEFAULT = _proxyclip(
    "default", CLIP_B16, DINO_B8, "CLIP ViT-B/16, read by ProxyCLIP with DINO ViT-B/8, its authors' choice"
)
FAST = _proxyclip("fast", CLIP_B16, DINO_S16, "CLIP ViT-B/16, read by ProxyCLIP with DINO ViT-S/16")


def choose_preset(
    name: str = "auto",
    models: ModelChoice = ModelChoice(),  # noqa: B008 (frozen)
    *,
    role: Role | None = None,
) -> PresetCard:
    """Return the preset of that name; for ``auto`` the best one whose weights are all here. Never downloads.

    Args:
        name: A name on record, ``local-dir:`` and a folder with a ``preset.json``, or ``auto``; flags may
            follow (``"default --backbone dino-vits16"``), as they do in what runs and banks record.
        models: Models that replace the preset's own; ``auto`` with an image-text encoder and a backbone needs
            no preset at all.
        role: The only role that is used: only its weights have to be here. ``auto`` goes by those of the
            backbone; for the image-text encoder it prefers a preset that is here as a whole, which all
            commands take.

    Raises:
        UsageError: A spec is malformed, or the preset has no encoder for the role.
        UnknownName: There is no preset or model of that name.
        WeightsUnavailable: Weights are missing; the line gives the command that gets them.
    """
    name, flags = split_flags(name)
    models = models.over(flags)
    if name in ("auto", "custom"):
        if not (models.image_text_encoder and models.backbone):
            return _best(models, role)
        chosen = PresetCard("custom", "the models that were named").with_models(models)
    elif name.startswith("local-dir:"):
        chosen = read_preset(Path(name.removeprefix("local-dir:")).expanduser()).with_models(models)
    else:
        chosen = PRESETS.get(name).with_models(models)
    needed: tuple[Role, ...] = ("image_text", "backbone") if role is None else (role,)
    for one in needed:
        chosen.source(one)
    missing = chosen.missing(role)
    if missing:
        whole = role is None and not models.given and name in PRESETS
        wants = "weights" if role is None else f"weights for its {ROLE_TITLES[role]}"
        raise WeightsUnavailable(
            f"preset {chosen.name} needs {wants} that are not on this machine "
            f"({', '.join(w.name for w in missing)}): run  {chosen.install if whole else missing[0].install}"
        )
    return chosen


def _best(models: ModelChoice, role: Role | None) -> PresetCard:
    """Return what ``auto`` takes."""
    for wanted in (None, role) if role == "image_text" else (role,):
        for _, card in PRESETS:
            if card.auto and not card.missing(wanted):
                chosen = card.with_models(models)
                if not chosen.missing(wanted):
                    return chosen
    missing = PresetCard("custom", "", models, weights=models.cards()).missing()
    if missing:
        names = ", ".join(card.name for card in missing)
        raise WeightsUnavailable(f"weights {names} are not on this machine: run  {missing[0].install}")
    wants = "its weights" if role is None else f"the weights of its {ROLE_TITLES[role]}"
    raise WeightsUnavailable(f"no preset has {wants} on this machine: run  {OFFLINE.install}")


def open_preset(
    name: str = "auto",
    context: LoadContext | None = None,
    models: ModelChoice = ModelChoice(),  # noqa: B008 (frozen)
    *,
    role: Role | None = None,
) -> Preset:
    """Choose a preset (see :func:`choose_preset`); its encoders are loaded when they are first asked for.

    Args:
        name: As ``choose_preset`` takes it.
        context: Where encoders compute; None: on the CPU in float32.
        models: As ``choose_preset`` takes them.
        role: Likewise.
    """
    return Preset(choose_preset(name, models, role=role), context or LoadContext())


def preset_note(requested: str, card: PresetCard, role: Role | None = None) -> str:
    """Return one line for the user: the preset and role that were taken, and how to get a better one."""
    what = card.summary
    if role is not None:
        what = f"{ROLE_TITLES[role]} alone, {', '.join(weights.what for weights in card.cards(role))}"
    if requested != "auto" or card.name.startswith("custom"):
        return f"preset {card.name}: {what}"
    better = next(preset for _, preset in PRESETS)
    if card.name.partition(" ")[0] == better.name:
        return f"preset {card.name} (the best of those on record, chosen by auto): {what}"
    install = better.install if role is None else better.cards(role)[0].install
    return f"preset {card.name}, chosen by auto: {what}; better: {install}"
