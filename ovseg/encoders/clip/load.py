"""Build an open_clip model from local files, with the normalization of its weights."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ovseg.encoders.sources import card_for, folder_kind, require_architecture
from ovseg.encoders.text_parts import CONFIG, model_config, tokenizer_card, tower_card
from ovseg.errors import DependencyMissing, UsageError, WeightsUnavailable
from ovseg.registry import load_plugins
from ovseg.weights.cards import HubFiles, WeightCard
from ovseg.weights.hub import snapshot_folder
from ovseg.weights.locate import about_weights, require_checked, require_described
from ovseg.weights.readers import UNREADABLE
from ovseg.weights.spec import ModelSpec, parse_spec

_OF_ANOTHER_KIND = (KeyError, ValueError, AssertionError, AttributeError)
"""What open_clip's converters raise for weights of another model."""

Tokenizer = Callable[[list[str]], torch.Tensor]
"""Texts to (T, context) int64 tokens."""


@dataclass(frozen=True)
class LoadedClip:
    """An open_clip model in eval mode, with what belongs to it.

    Attributes:
        model: ``CLIP`` or ``CustomTextCLIP``.
        tokenize: Its tokenizer.
        mean: Of its training images, per channel in [0, 1].
        std: Likewise.
        about: What it is, for run.json; ``sha256`` of the weights file among it.
    """

    model: Any
    tokenize: Tokenizer
    mean: tuple[float, ...]
    std: tuple[float, ...]
    about: dict[str, Any]


def load_model(spec: str) -> LoadedClip:
    """Load a model on the CPU in float32. Downloads nothing.

    Args:
        spec: See :mod:`ovseg.weights.spec`.

    Raises:
        UnknownName: There is no such architecture or tag.
        UsageError: The spec is malformed or no CLIP model's, or the configuration none of open_clip's.
        WeightsUnavailable: Weights or tokenizer are not here, or are not of this model.
    """
    card = card_for(spec)
    path = require_checked(card)
    model_spec = parse_spec(card.spec or spec)
    folder = snapshot_folder(path) if isinstance(card.at, HubFiles) else path.parent
    own = model_spec.source == "open_clip"
    if not own and (model_spec.source == "timm" or folder_kind(folder) != "open_clip"):
        raise UsageError(
            f"{spec} is no CLIP model: take one such as ViT-B-16:openai or a folder with {CONFIG}"
        )
    if own:
        require_architecture(model_spec.name)
    config = model_config(model_spec, folder)
    tower = tower_card(card, config)
    described = require_described(tower) if tower else None
    model = _from_table(model_spec, config, described) if own else _from_folder(folder, config, described)
    try:
        _load_weights(model, path)
    except (*UNREADABLE, *_OF_ANOTHER_KIND) as error:
        raise WeightsUnavailable(
            f"{path} does not hold the weights of CLIP {spec}: {_line(error)}"
        ) from error
    preprocess = model.visual.preprocess_cfg
    return LoadedClip(
        model=model.eval().requires_grad_(False),
        tokenize=_tokenizer(card, config, folder),
        mean=tuple(map(float, preprocess["mean"])),
        std=tuple(map(float, preprocess["std"])),
        about=about_weights(card, str(model_spec), path),
    )


def _from_table(spec: ModelSpec, config: dict[str, Any], tower: Path | None) -> Any:
    """Build an architecture of open_clip with the normalization of the tag, or of all its tags.

    A tag also decides on QuickGELU; for a file of weights the architecture's name decides
    (``ViT-B-16-quickgelu:/path``).
    """
    import open_clip

    row = open_clip.get_pretrained_cfg(spec.name, spec.tag) if spec.tag else _common_row(spec.name)
    with quiet():
        return open_clip.create_model(
            spec.name,
            load_weights=False,
            pretrained_text=False,
            force_quick_gelu=bool(row.get("quick_gelu", False)),
            force_preprocess_cfg={key: row[key] for key in ("mean", "std")},
            **_text_options(config, tower),
        )


def _text_options(config: dict[str, Any], tower: Path | None) -> dict[str, Any]:
    """Return options that build a text tower of the hub from a local folder, without network."""
    if tower is None:
        return {}
    return {"text_cfg": config["text_cfg"] | {"hf_model_name": str(tower), "hf_model_pretrained": False}}


def _common_row(architecture: str) -> dict[str, Any]:
    """Return the normalization that all tags of an architecture share, for a file of weights."""
    import open_clip

    tags = open_clip.list_pretrained_tags_by_model(architecture)
    rows = [open_clip.get_pretrained_cfg(architecture, tag) for tag in tags]
    kinds = {(tuple(row["mean"]), tuple(row["std"])) for row in rows}
    if len(kinds) > 1:
        raise UsageError(
            f"weights for {architecture} come with different normalizations: put the file into a folder with"
            f" {CONFIG} and give local-dir:FOLDER"
        )
    mean, std = kinds.pop() if kinds else (open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD)
    return {"mean": mean, "std": std}


def _from_folder(folder: Path, config: dict[str, Any], tower: Path | None) -> Any:
    """Build the model that a folder's configuration describes."""
    import open_clip

    load_plugins()  # they may file the architecture with timm
    try:
        with quiet():
            return open_clip.create_model(
                f"local-dir:{folder}",
                load_weights=False,
                pretrained_text=False,
                **_text_options(config, tower),
            )
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise UsageError(
            f"open_clip cannot build what {folder / CONFIG} describes: {_line(error)}"
        ) from error


def _load_weights(model: Any, path: Path) -> None:
    from open_clip.factory import load_checkpoint

    with quiet():
        load_checkpoint(model, str(path), strict=True, weights_only=True)


def _tokenizer(card: WeightCard, config: dict[str, Any], folder: Path) -> Tokenizer:
    """Return the model's tokenizer: open_clip's own, or the hub's from beside the weights or the cache."""
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer

    text = config["text_cfg"]
    context = text.get("context_length", DEFAULT_CONTEXT_LENGTH)
    options = dict(text.get("tokenizer_kwargs") or {})
    if not text.get("hf_tokenizer_name"):
        simple: Tokenizer = SimpleTokenizer(context_length=context, **options)
        return simple
    elsewhere = tokenizer_card(card, config, folder)
    place = require_described(elsewhere) if elsewhere else folder
    try:
        hub: Tokenizer = HFTokenizer(
            str(place),
            context_length=context,
            tokenizer_mode=text.get("tokenizer_mode"),
            local_files_only=True,
            **options,
        )
    except ImportError as error:
        raise DependencyMissing(
            f"CLIP {card.name} needs transformers: run  pip install transformers"
        ) from error
    # For a damaged file the readers of tokenizers raise whatever they stumble over, bare Exceptions among it.
    except Exception as error:
        raise WeightsUnavailable(
            f"{place} holds no tokenizer for CLIP {card.name} ({_line(error)}): run  {card.install}"
        ) from error
    return hub


def _line(error: Exception) -> str:
    """Return the first informative line of an error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Error(s) in loading" not in line]
    line = (telling or lines or [type(error).__name__])[0]
    return line if len(line) <= 200 else f"{line[:200]}…"


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Suppress open_clip's warnings of the root logger, and its set-up of that logger."""
    root, handler, level = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
        root.removeHandler(handler)
