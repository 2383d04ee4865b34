"""Build an open_clip model from files that are here, with the right normalization, or refuse by name."""

from __future__ import annotations

import contextlib
import json
import logging
import pickle
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from ovseg.encoders.clip.files import CONFIG, ClipFiles, find_files
from ovseg.encoders.clip.spec import ClipSpec
from ovseg.errors import DependencyMissing, UsageError, WeightsUnavailable
from ovseg.files import file_sha256

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
        files: What it was read from.
        sha256: Of the weights file.
    """

    model: Any
    tokenize: Tokenizer
    mean: tuple[float, ...]
    std: tuple[float, ...]
    files: ClipFiles
    sha256: str


def load_model(spec: ClipSpec) -> LoadedClip:
    """Load a model on the CPU in float32. Downloads nothing.

    Raises:
        UnknownName: open_clip has no such architecture or tag.
        UsageError: The configuration is no configuration of open_clip's.
        WeightsUnavailable: Weights or tokenizer are not here, or are not of this model.
    """
    files = find_files(spec)
    build = _from_folder if files.config else _from_table
    model, config = build(spec, files)
    try:
        _load_weights(model, files.weights)
    # What open_clip's readers and converters raise for a file of another kind is not of one family.
    except (RuntimeError, KeyError, ValueError, AssertionError, AttributeError, OSError, EOFError) as error:
        raise _wrong_weights(files.weights, spec, error) from error
    except (SafetensorError, pickle.UnpicklingError) as error:
        raise _wrong_weights(files.weights, spec, error) from error
    preprocess = model.visual.preprocess_cfg
    return LoadedClip(
        model=model.eval().requires_grad_(False),
        tokenize=_tokenizer(spec, config, files),
        mean=tuple(map(float, preprocess["mean"])),
        std=tuple(map(float, preprocess["std"])),
        files=files,
        sha256=file_sha256(files.weights),
    )


def _from_table(spec: ClipSpec, files: ClipFiles) -> tuple[Any, dict[str, Any]]:
    """An architecture of open_clip's, with the normalization of the tag or of all its tags."""
    import open_clip

    architecture = str(spec.architecture)
    row = files.table or _common_row(architecture)
    with _quiet():
        model = open_clip.create_model(
            architecture,
            load_weights=False,
            pretrained_text=False,
            force_quick_gelu=bool(files.table.get("quick_gelu", False)),
            force_preprocess_cfg={key: row[key] for key in ("mean", "std") if key in row},
        )
    return model, open_clip.get_model_config(architecture)


def _common_row(architecture: str) -> dict[str, Any]:
    """Normalization that all of an architecture's tags share, for weights that come as a bare file."""
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


def _from_folder(spec: ClipSpec, files: ClipFiles) -> tuple[Any, dict[str, Any]]:
    """The model that a folder's configuration describes."""
    import open_clip

    path = files.weights.parent / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))["model_cfg"]
        hub_text = config["text_cfg"].get("hf_model_name")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UsageError(
            f"{path} is no configuration of open_clip's: it wants model_cfg with text_cfg"
        ) from error
    if hub_text:
        _require_cached(hub_text, "config.json", spec)
    try:
        with _quiet():
            model = open_clip.create_model(
                f"local-dir:{path.parent}", load_weights=False, pretrained_text=False
            )
    except (TypeError, ValueError, KeyError, RuntimeError, AssertionError) as error:
        raise UsageError(f"open_clip cannot build what {path} describes: {_line(error)}") from error
    return model, config


def _load_weights(model: Any, path: Path) -> None:
    from open_clip.factory import load_checkpoint

    with _quiet():
        load_checkpoint(model, str(path), strict=True, weights_only=True)


def _tokenizer(spec: ClipSpec, config: dict[str, Any], files: ClipFiles) -> Tokenizer:
    """The model's tokenizer, from its own folder or the hub's cache."""
    from open_clip.tokenizer import DEFAULT_CONTEXT_LENGTH, HFTokenizer, SimpleTokenizer

    text = config.get("text_cfg", {})
    context = text.get("context_length", DEFAULT_CONTEXT_LENGTH)
    options = dict(text.get("tokenizer_kwargs") or {})
    name = text.get("hf_tokenizer_name")
    if not name:
        simple: Tokenizer = SimpleTokenizer(context_length=context, **options)
        return simple
    beside = files.config.parent if files.config else None
    own = beside is not None and any(
        (beside / f).is_file() for f in ("tokenizer.json", "tokenizer_config.json")
    )
    try:
        hub: Tokenizer = HFTokenizer(
            str(beside) if own else name,
            context_length=context,
            tokenizer_mode=text.get("tokenizer_mode"),
            local_files_only=True,
            **options,
        )
    except ImportError as error:
        raise DependencyMissing(f"CLIP {spec} needs transformers: run  pip install transformers") from error
    except (OSError, ValueError) as error:
        raise WeightsUnavailable(
            f"the tokenizer {name} of CLIP {spec} is not on this machine: run  ovseg models download {spec}"
        ) from error
    return hub


def _require_cached(repository: str, file: str, spec: ClipSpec) -> None:
    from huggingface_hub import try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(repository, file), str):
        raise WeightsUnavailable(
            f"{repository}, which CLIP {spec} takes its text tower from, is not on this machine:"
            f" run  ovseg models download {spec}"
        )


def _wrong_weights(path: Path, spec: ClipSpec, error: Exception) -> WeightsUnavailable:
    return WeightsUnavailable(f"{path} does not hold the weights of CLIP {spec}: {_line(error)}")


def _line(error: Exception) -> str:
    """The first telling line of an error that may have hundreds."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = [line for line in lines if "Error(s) in loading" not in line]
    line = (told or lines or [type(error).__name__])[0]
    return line if len(line) <= 200 else f"{line[:200]}…"


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """open_clip reports what it does as warnings of the root logger, which it also sets up; neither here."""
    root, handler, level = logging.getLogger(), logging.NullHandler(), logging.root.manager.disable
    root.addHandler(handler)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(level)
        root.removeHandler(handler)
