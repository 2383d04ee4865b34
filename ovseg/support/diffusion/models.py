"""Text-to-image pipelines: found on this machine, looked over before they are loaded, never downloaded."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from ovseg.errors import ConfigError, DependencyMissing, InputError, WeightsUnavailable, reason
from ovseg.files import digest, file_sha256
from ovseg.quiet import quiet
from ovseg.support.diffusion.config import DiffusionConfig

__all__ = ["LICENCES", "ModelRecord", "find_model", "load_pipeline", "require_diffusers"]

LICENCES = {"stable-diffusion-v1-5/stable-diffusion-v1-5": "CreativeML OpenRAIL-M"}
"""Licences of models on the hub, as their cards state them."""

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_LIBRARIES = ("diffusers", "transformers", "stable_diffusion")
"""Where classes of a pipeline may come from; ``stable_diffusion`` is the home of the safety checker."""


@dataclass(frozen=True)
class ModelRecord:
    """Which model it is, for every picture made with it.

    Attributes:
        name: Name on the hub, or of the folder or file.
        kind: How it was given.
        path: Where its files are; not part of what is recorded.
        identity: Commit of a hub model; SHA-256 over the files of a folder; of a single file its own.
        licence: As far as it is known, else ``unknown``.
    """

    name: str
    kind: Literal["hub", "folder", "file"]
    path: Path
    identity: str
    licence: str

    def to_dict(self) -> dict[str, Any]:
        """What stands beside the pictures."""
        fields = asdict(self)
        del fields["path"]
        return fields


def require_diffusers() -> Any:
    """The diffusers package.

    Raises:
        DependencyMissing: It, or transformers, is not installed.
    """
    try:
        with quiet():
            import diffusers
            import transformers  # noqa: F401 (text encoders need it)
    except ImportError as error:
        raise DependencyMissing(
            "generated support images need diffusers and transformers: run  pip install 'ovseg[diffusion]'"
        ) from error
    return diffusers


def find_model(config: DiffusionConfig) -> ModelRecord:
    """Find a model's files and say which they are; reads them once, for their hash.

    Raises:
        WeightsUnavailable: A hub model is not on this machine; the line gives the command that gets it.
        InputError: Neither a folder with a pipeline, nor a safetensors file, nor a name on the hub.
    """
    path = Path(config.model).expanduser()
    if path.is_dir():
        _look_over(path)
        identity = _folder_identity(path)
        licence = config.licence or _licence_in(path) or "unknown"
        return ModelRecord(path.resolve().name, "folder", path, identity, licence)
    if path.is_file():
        if path.suffix != ".safetensors":
            raise InputError(
                f"{path} is no .safetensors file: pickled weights are not read; convert it first"
            )
        return ModelRecord(path.name, "file", path, file_sha256(path), config.licence or "unknown")
    if not _HUB_NAME.fullmatch(config.model):
        raise InputError(
            f"no model {config.model!r}: give a pipeline's folder, a .safetensors file, or a name on the hub"
        )
    snapshot = _snapshot(config.model, config.revision)
    _look_over(snapshot)
    licence = config.licence or LICENCES.get(config.model) or _licence_in(snapshot) or "unknown"
    return ModelRecord(config.model, "hub", snapshot, snapshot.name, licence)


def load_pipeline(
    record: ModelRecord, config: DiffusionConfig, device: torch.device, dtype: torch.dtype
) -> Any:
    """Load a pipeline with its scheduler, silent and ready on a device.

    Raises:
        InputError: The files are damaged, or it is not a text-to-image pipeline.
        ConfigError: The scheduler asked for does not fit the model.
        WeightsUnavailable: A single file has no layout to go with.
        DependencyMissing: diffusers is not installed.
    """
    diffusers = require_diffusers()
    try:
        with quiet():
            if record.kind == "file":
                pipe = _load_file(diffusers, record.path, config, dtype)
            else:
                pipe = diffusers.DiffusionPipeline.from_pretrained(
                    str(record.path), torch_dtype=dtype, use_safetensors=True, local_files_only=True
                )
    except (OSError, ValueError, KeyError, RuntimeError, TypeError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(f"cannot load the pipeline {record.path}: {reason}") from error
    _check_call(pipe, record)
    pipe.scheduler = _scheduler(diffusers, pipe.scheduler, config.scheduler)
    pipe.set_progress_bar_config(disable=True)
    return pipe.to(device)


def _snapshot(name: str, revision: str | None) -> Path:
    """Folder of a hub model in the hub's own cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=True))
    except HFValidationError as error:
        raise InputError(f"no model {name!r}: {error}") from error
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        raise WeightsUnavailable(_how_to_get(name, revision)) from error
    if not (folder / "model_index.json").is_file():
        raise WeightsUnavailable(_how_to_get(name, revision))
    return folder


def _how_to_get(name: str, revision: str | None) -> str:
    patterns = (
        "*.json",
        "*.txt",
        "*/model.safetensors",
        "*/diffusion_pytorch_model.safetensors",
        "README.md",
    )
    command = f"hf download {name}" + (f" --revision {revision}" if revision else "")
    command += "".join(f" --include '{pattern}'" for pattern in patterns)
    licence = LICENCES.get(name)
    terms = f"licence {licence}" if licence else "read its licence first"
    return f"model {name} is not on this machine ({terms}): run  {command}"


def _look_over(folder: Path) -> dict[str, Any]:
    """Check that a folder's index names classes of known libraries only, and that its weights are safe.

    A pipeline may bring code of its own; none of it is run.
    """
    path = folder / "model_index.json"
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"{folder} holds no pipeline of diffusers (no model_index.json)") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise InputError(f"{path} does not name a pipeline class of diffusers")
    for name, value in index.items():
        if not isinstance(value, list):
            continue  # settings, not components
        if value in ([None, None], []):
            continue
        if len(value) != 2 or value[0] not in _LIBRARIES or not isinstance(value[1], str):
            raise InputError(f"{path}: component {name!r} is not of diffusers or transformers; it is not run")
        parts = folder / name
        if not re.fullmatch(r"\w+", name) or not parts.is_dir():
            raise WeightsUnavailable(f"the pipeline {folder} is not complete: it has no {name}/")
        pickled = any(parts.glob("*.bin")) or any(parts.glob("*.ckpt")) or any(parts.glob("*.pt"))
        if pickled and not any(parts.glob("*.safetensors")):
            raise WeightsUnavailable(f"{parts} has pickled weights only, which are not read: get safetensors")
    return index


def _folder_identity(folder: Path) -> str:
    """SHA-256 over the names and hashes of a pipeline's files."""
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8"))
    parts = [folder / "model_index.json"]
    for name, value in index.items():
        if isinstance(value, list) and value and value[0]:
            parts += [
                path
                for path in (folder / name).iterdir()
                if path.suffix in (".safetensors", ".json", ".txt", ".model")
            ]
    return digest({path.relative_to(folder).as_posix(): file_sha256(path) for path in sorted(parts)})


def _licence_in(folder: Path) -> str | None:
    """What the model card of a folder says in its header."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8", errors="replace")[:20_000]
    except OSError:
        return None
    header = re.match(r"---\n(.*?)\n---", text, flags=re.DOTALL)
    found = (
        re.search(r"^license(?:_name)?:\s*([\w. +-]{1,60})$", header[1], flags=re.MULTILINE)
        if header
        else None
    )
    return found[1].strip() if found else None


def _load_file(diffusers: Any, path: Path, config: DiffusionConfig, dtype: torch.dtype) -> Any:
    if config.layout is None:
        raise WeightsUnavailable(
            f"{path} holds weights only: name the folder of a pipeline of the same architecture, for its "
            "configuration and tokenizer (layout=)",
            parameters=["layout"],
        )
    layout = Path(config.layout).expanduser()
    kind = getattr(diffusers, _look_over(layout)["_class_name"], None)
    if kind is None or not hasattr(kind, "from_single_file"):
        raise InputError(f"the pipeline in {layout} cannot be loaded from a single file")
    return kind.from_single_file(
        str(path), config=str(layout), torch_dtype=dtype, local_files_only=True, use_safetensors=True
    )


def _check_call(pipe: Any, record: ModelRecord) -> None:
    """Refuse pipelines that want more than a prompt, or a picture to begin with."""
    import inspect

    parameters = inspect.signature(pipe.__call__).parameters
    needed = [name for name, p in parameters.items() if p.default is p.empty and p.kind is not p.VAR_KEYWORD]
    if "prompt" not in parameters or set(needed) - {"prompt"} or {"image", "video"} & set(parameters):
        raise InputError(f"{record.name} ({type(pipe).__name__}) is not a text-to-image pipeline")


def _scheduler(diffusers: Any, own: Any, wanted: str) -> Any:
    """The scheduler asked for, set up as the model was trained."""
    kinds = {
        "dpmsolver++": diffusers.DPMSolverMultistepScheduler,
        "ddim": diffusers.DDIMScheduler,
    }
    fitting = [kind.__name__ for kind in getattr(own, "compatibles", [])]
    if wanted == "native":
        return own
    kind = kinds["dpmsolver++" if wanted == "auto" else wanted]
    if kind.__name__ in fitting:
        with quiet():
            return kind.from_config(own.config)
    if wanted == "auto":
        return own
    raise ConfigError(
        f"the scheduler {wanted} does not fit {type(own).__name__} of this model: use auto or native"
    )
