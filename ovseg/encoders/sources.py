"""Weights cards of model specs, and what folders of models hold."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from ovseg.encoders.schemes import ENCODERS
from ovseg.encoders.suggestions import suggest_names
from ovseg.errors import UnknownName, UsageError, WeightsUnavailable
from ovseg.weights.cards import CARDS, LICENCE_UNKNOWN, HubFiles, LocalFile, WeightCard
from ovseg.weights.hub import WEIGHT_NAMES
from ovseg.weights.spec import ModelSpec, parse_spec

FolderKind = Literal["diffusers", "open_clip", "timm", "transformers"]

_COMMERCIAL = {"mit": True, "apache-2.0": True, "bsd-3-clause": True, "cc-by-nc-4.0": False}
"""Whether licences, as timm calls them, allow commercial use; for others it is unknown."""


def card_for(spec: str | ModelSpec) -> WeightCard:
    """Return the weights card of a spec: the one on record, or one made from the library's tables.

    Raises:
        UsageError: The spec is malformed, or its weights are on no hub.
        UnknownName: There is no such model; the message suggests similar names.
        WeightsUnavailable: A local file or folder is missing.
    """
    spec = parse_spec(spec) if isinstance(spec, str) else spec
    for name, card in CARDS:
        if name == str(spec) or (card.spec and card.spec == str(spec)):
            return card
    if spec.source == "recorded":
        raise UnknownName(f"unknown model {spec.name!r}: {_bare_name_hint(spec.name)}")
    return ENCODERS.get(spec.source).card(spec)


def file_card(spec: ModelSpec) -> WeightCard:
    """Weights in a file or folder of the user's own.

    Raises:
        WeightsUnavailable: It is not there.
    """
    path = spec.file or weights_in(Path(spec.name))
    if not path.is_file():
        raise WeightsUnavailable(f"no weights at {path}: give the path of a file that is there")
    return WeightCard(
        name=str(spec), what=spec.name, at=LocalFile(path), licence="not on record: a file of your own",
        source=str(path), spec=str(spec),
    )  # fmt: skip


def hub_card(spec: ModelSpec) -> WeightCard:
    """Weights in a repository of the hub."""
    return _on_hub(spec, spec.name, HubFiles(spec.name, revision=spec.revision), None)


def timm_card(spec: ModelSpec) -> WeightCard:
    """Weights of timm's; raises as :func:`card_for` does."""
    return file_card(spec) if spec.file else _on_hub(spec, spec.name, *_timm(spec.name))


def open_clip_card(spec: ModelSpec) -> WeightCard:
    """Weights of open_clip's, likewise."""
    return file_card(spec) if spec.file else _on_hub(spec, f"CLIP {spec}", *_open_clip(spec))


def _on_hub(spec: ModelSpec, what: str, at: HubFiles, licence: str | None) -> WeightCard:
    return WeightCard(
        name=str(spec),
        what=what,
        at=at,
        licence=f"{licence} (timm)" if licence else LICENCE_UNKNOWN,
        source=f"https://huggingface.co/{at.repo}",
        commercial=_COMMERCIAL.get(licence or ""),
        spec=str(spec),
    )


def weights_in(folder: Path) -> Path:
    """Return the weights file of a folder: one of the usual names, or the only one.

    Raises:
        WeightsUnavailable: The folder is missing, or holds none or several such files.
    """
    if not folder.is_dir():
        raise WeightsUnavailable(f"no folder {folder}: local-dir: takes one with a configuration and weights")
    if (folder / "model_index.json").is_file():
        found = sorted(folder.glob("unet/*.safetensors"))
    else:
        found = [folder / name for name in WEIGHT_NAMES if (folder / name).is_file()][:1]
    if not found:
        found = sorted(
            path for end in ("safetensors", "bin", "pth", "pt") for path in folder.glob(f"*.{end}")
        )
    if len(found) != 1:
        have = ", ".join(path.name for path in found) or "none"
        raise WeightsUnavailable(f"{folder} must hold one file of weights ({WEIGHT_NAMES[1]}), it has {have}")
    return found[0]


def folder_kind(folder: Path) -> FolderKind:
    """Return the library whose model a folder holds, by its configuration.

    Raises:
        WeightsUnavailable: It holds no known configuration.
    """
    import json

    if (folder / "model_index.json").is_file():
        return "diffusers"
    if (folder / "open_clip_config.json").is_file():
        return "open_clip"
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise WeightsUnavailable(
            f"{folder} has no config.json, open_clip_config.json or model_index.json that can be read"
        ) from error
    if "architecture" in config:
        return "timm"
    if "model_type" in config:
        return "transformers"
    raise WeightsUnavailable(
        f"{folder}/config.json says neither architecture (timm) nor model_type (transformers)"
    )


def _timm(name: str) -> tuple[HubFiles, str | None]:
    """Return the files of a timm model, and its licence in timm's table."""
    import timm

    architecture, _, tag = name.partition(".")
    tagged = [entry for entry in timm.list_pretrained() if entry.partition(".")[0] == architecture]
    if not timm.is_model(architecture):
        raise UnknownName(
            f"timm has no model {architecture!r}: "
            f"{suggest_names(name, timm.list_pretrained(), prefix='timm:')}"
        )
    if not tag and len(tagged) == 1:
        tag = tagged[0].partition(".")[2]
    if f"{architecture}.{tag}" not in tagged:
        known = ", ".join(f"timm:{entry}" for entry in tagged[:6]) or "none"
        raise UnknownName(f"timm has no weights {name!r}: for this architecture it has {known}")
    config = timm.models.get_pretrained_cfg(f"{architecture}.{tag}")
    if not config.hf_hub_id:
        raise UsageError(
            f"timm:{name} has no copy on the hub: download it yourself and write timm:{architecture}:/PATH"
        )
    file = config.hf_hub_filename or "model.safetensors"
    return HubFiles(config.hf_hub_id, (file,)), config.license


def require_architecture(name: str) -> None:
    """Check that open_clip has an architecture of that name.

    Raises:
        UnknownName: It has not; the message suggests similar names.
    """
    import open_clip

    known = open_clip.list_models()
    if name not in known:
        raise UnknownName(f"open_clip has no architecture {name!r}: {suggest_names(name, known)}")


def _open_clip(spec: ModelSpec) -> tuple[HubFiles, str | None]:
    """Return the files of an open_clip model, and its licence where timm's table has it."""
    import open_clip

    require_architecture(spec.name)
    row = open_clip.get_pretrained_cfg(spec.name, str(spec.tag))
    if not row:
        tags = ", ".join(
            f"{spec.name}:{tag}" for tag in open_clip.list_pretrained_tags_by_model(spec.name)[:8]
        )
        raise UnknownName(f"open_clip has no weights {spec.tag!r} for {spec.name}: it has {tags or 'none'}")
    repo, _, file = str(row.get("hf_hub") or "").rpartition("/")
    if not repo:
        raise UsageError(f"{spec} has no copy on the hub: download it yourself and write {spec.name}:/PATH")
    return HubFiles(repo, (file,) if file else ()), _licence_in_timm(spec, repo)


def _licence_in_timm(spec: ModelSpec, repo: str) -> str | None:
    """Return the licence of the same repository, or of the image tower from timm (SigLIP); None: unknown.

    open_clip's table has no licences.
    """
    import open_clip
    import timm

    tower = open_clip.get_model_config(spec.name)["vision_cfg"].get("timm_model_name")
    found = set()
    for name in timm.list_pretrained():
        config = timm.models.get_pretrained_cfg(name)
        architecture, _, tag = name.partition(".")
        if config.hf_hub_id == repo or (architecture == tower and str(spec.tag) in tag):
            found.add(config.license)
    return found.pop() if len(found) == 1 else None


def _bare_name_hint(name: str) -> str:
    import timm

    architecture = name.partition(".")[0]
    if timm.is_model(architecture):
        return f"did you mean timm:{name}?"
    import open_clip

    if name in open_clip.list_models():
        tags = open_clip.list_pretrained_tags_by_model(name)
        return f"write it with a tag, as {name}:{tags[0] if tags else '/PATH'}"
    return suggest_names(name, [*CARDS.names(), *open_clip.list_models(), *timm.list_pretrained()])
