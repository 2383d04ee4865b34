"""Where the weights of a CLIP model lie on this machine; fetched only when that is what was asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ovseg.encoders.clip.spec import ClipSpec
from ovseg.errors import UnknownName, UsageError, WeightsUnavailable

CONFIG = "open_clip_config.json"
WEIGHTS = (
    "open_clip_model.safetensors",
    "open_clip_pytorch_model.safetensors",
    "model.safetensors",
    "open_clip_pytorch_model.bin",
    "open_clip_pytorch_model.pth",
    "pytorch_model.bin",
    "model.pth",
)
"""Names of the weights beside a configuration, the best first."""


@dataclass(frozen=True)
class ClipFiles:
    """The files of one model.

    Attributes:
        weights: State dict: safetensors, or a PyTorch file of tensors only.
        config: ``open_clip_config.json`` beside it, or None where open_clip's tables know the architecture.
        table: The row of open_clip's table of a tag (mean, std, quick_gelu, …); empty without a tag.
    """

    weights: Path
    config: Path | None
    table: dict[str, Any]


def find_files(spec: ClipSpec) -> ClipFiles:
    """The files of a model that are on this machine. Asks no network.

    Raises:
        UnknownName: open_clip has no such architecture or tag.
        WeightsUnavailable: They are not here; the line gives the command that gets them.
    """
    table = tag_row(spec)
    if spec.path is not None and spec.architecture is None:
        return _in_folder(spec.path, spec)
    if spec.path is not None:
        if not spec.path.is_file():
            raise WeightsUnavailable(f"no file of weights {spec.path}: give the path of one that is there")
        return ClipFiles(spec.path, None, table)
    if spec.repository is not None:
        config = _cached(spec.repository, CONFIG, spec.revision)
        if config is None:
            raise _missing(spec)
        return _in_folder(config.parent, spec)
    found = _tagged(table)
    if found is None:
        raise _missing(spec)
    return ClipFiles(found, None, table)


def fetch_files(spec: ClipSpec) -> ClipFiles:
    """Download what is missing of a model into the libraries' own caches, then find it.

    Raises:
        UnknownName: open_clip has no such architecture or tag.
        WeightsUnavailable: The hub does not give them; the line says what it answered.
    """
    import open_clip.pretrained
    from huggingface_hub import snapshot_download

    table = tag_row(spec)
    try:
        if spec.repository is not None:
            wanted = [*WEIGHTS[:3], "*.json", "*.model", "*.txt"]
            folder = Path(snapshot_download(spec.repository, revision=spec.revision, allow_patterns=wanted))
            if not any((folder / name).is_file() for name in WEIGHTS):
                snapshot_download(spec.repository, revision=spec.revision, allow_patterns=list(WEIGHTS[3:]))
        elif spec.tag is not None:
            open_clip.pretrained.download_pretrained(table)
    # Whatever the network, the hub or the disk says is the answer to the user's request.
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WeightsUnavailable(f"cannot download {spec}: {reason}") from error
    return find_files(spec)


def tag_row(spec: ClipSpec) -> dict[str, Any]:
    """open_clip's table row of a tag; {} for files, folders and repositories.

    Raises:
        UnknownName: No such architecture, or it has no such tag; the nearest are named.
    """
    if spec.architecture is None:
        return {}
    import difflib

    import open_clip

    known = open_clip.list_models()
    if spec.architecture not in known:
        near = difflib.get_close_matches(spec.architecture, known, n=3, cutoff=0.4) or known[:3]
        raise UnknownName(
            f"open_clip has no architecture {spec.architecture!r}: did you mean {', '.join(near)}?"
        )
    if spec.tag is None:
        return {}
    row: dict[str, Any] = open_clip.get_pretrained_cfg(spec.architecture, spec.tag)
    if not row:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(spec.architecture)) or "none"
        raise UnknownName(
            f"open_clip has no weights {spec.tag!r} for {spec.architecture}: its tags are {tags}"
        )
    return row


def _in_folder(folder: Path, spec: ClipSpec) -> ClipFiles:
    if not folder.is_dir():
        raise WeightsUnavailable(f"no folder {folder}: give one with {CONFIG} and weights")
    if not (folder / CONFIG).is_file():
        raise UsageError(f"{folder} holds no {CONFIG}, by which open_clip would know the model")
    weights = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if weights is None:
        others = sorted(path for path in folder.glob("*.safetensors"))
        if len(others) != 1:
            if spec.repository:
                raise _missing(spec)
            names = ", ".join(WEIGHTS)
            raise WeightsUnavailable(f"{folder} holds no weights: expected {names}, or a single .safetensors")
        weights = others[0]
    return ClipFiles(weights, folder / CONFIG, {})


def _tagged(row: dict[str, Any]) -> Path | None:
    """Where the libraries' caches keep the weights of a table row."""
    if repository := row.get("hf_hub"):
        repository, _, file = repository.rpartition("/")
        names = [file] if file else ["open_clip_pytorch_model.bin"]
        # The same tensors as safetensors come first: nothing in them can run.
        stem = Path(names[0]).with_suffix(".safetensors").name
        alternatives = ["open_clip_model.safetensors"] if not file else []
        for name in (*alternatives, stem, *names):
            if found := _cached(repository, name, None):
                return found
    if url := row.get("url"):
        kept = Path("~/.cache/clip").expanduser() / os.path.basename(str(url))  # noqa: PTH119 (a URL)
        if kept.is_file():
            return kept
    return None


def _cached(repository: str, file: str, revision: str | None) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repository, file, revision=revision)
    return Path(str(found)) if isinstance(found, str) else None


def _missing(spec: ClipSpec) -> WeightsUnavailable:
    return WeightsUnavailable(
        f"weights of CLIP {spec} are not on this machine: run  ovseg models download {spec}"
    )
