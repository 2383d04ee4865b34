"""The one grammar for naming a model, whatever library reads it.

====================================  ================================================================
``ViT-B-16:openai``                   open_clip: an architecture and a tag of its table
``ViT-B-16:/path/model.safetensors``  open_clip: an architecture and a file of weights
``timm:vit_base_patch8_224.dino``     timm: an architecture and a tag
``timm:vit_base_patch8_224:/path``    timm: an architecture and a file of weights
``hf-hub:owner/repo@revision``        a repository of the Hugging Face hub; the revision may be left out
``local-dir:/path``                   a folder with a configuration and weights
``SCHEME:NAME?key=value&key=value``   a plug-in's encoder, with settings of its own (``docs/plugins.md``)
====================================  ================================================================

A name alone is the name of weights on record (``ovseg models list``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ovseg.errors import UnknownName, UsageError
from ovseg.fingerprint import WEIGHTS
from ovseg.plugin_settings import canonical_query
from ovseg.registry import registry_of

_MISTAKEN = {"hf": "hf-hub", "hf_hub": "hf-hub", "hub": "hf-hub", "dir": "local-dir", "local": "local-dir",
             "local_dir": "local-dir", "path": "local-dir", "file": "local-dir"}  # fmt: skip


@dataclass(frozen=True)
class ModelSpec:
    """A model as a user names it.

    Attributes:
        source: Name of the encoder in ``ovseg.encoders.schemes.ENCODERS`` that reads it; ``recorded`` for a
            name alone.
        name: An architecture, a name of timm, ``owner/repo``, or a path.
        tag: Tag of open_clip's table.
        revision: Revision of a repository.
        file: A file of weights for an architecture.
        options: Settings of a plug-in's encoder that are not at their defaults, ``key=value&key=value``.
    """

    source: str
    name: str
    tag: str | None = None
    revision: str | None = None
    file: Path | None = None
    options: str = ""

    def __str__(self) -> str:
        if self.source == "recorded":
            return self.name
        if self.source == "open_clip":
            return f"{self.name}:{self.tag or self.file}"
        return f"{self.source}:{self.name}" + (
            f"@{self.revision}"
            if self.revision
            else f":{self.file}"
            if self.file
            else f"?{self.options}"
            if self.options
            else ""
        )


def parse_spec(text: str) -> ModelSpec:
    """Read a spec; looks at no file and asks no library.

    Raises:
        UsageError: It is empty or misses a part.
        UnknownName: It has a prefix that there is not, or looks like a path and does not say which kind.
        ConfigError: Settings behind it that the encoder does not have, or that do not fit.
    """
    text = text.strip()
    prefix, colon, rest = text.partition(":")
    if not text or (colon and not (prefix and rest)):
        raise UsageError(
            f"model {text!r} is not complete: write ARCHITECTURE:TAG, timm:NAME, hf-hub:OWNER/REPO or"
            " local-dir:/PATH"
        )
    if colon and prefix.lower() in _MISTAKEN:
        raise UnknownName(f"unknown prefix in {text!r}: did you mean {_MISTAKEN[prefix.lower()]}:{rest}?")
    if prefix == "local-dir":
        return ModelSpec("local-dir", str(Path(rest).expanduser()))
    if prefix == "hf-hub":
        return _repository(text, rest)
    if prefix == "timm":
        name, _, file = rest.partition(":")
        return ModelSpec("timm", name, file=Path(file).expanduser() if file else None)
    if _is_path(prefix):
        raise UnknownName(
            f"model {text!r} may be a repository or a folder: write hf-hub:{text} or local-dir:{text}"
        )
    if not colon:
        return ModelSpec("recorded", text)
    if prefix in registry_of("encoder"):
        name, _, query = rest.partition("?")
        return ModelSpec(prefix, name, options=canonical_query("encoder", prefix, query))
    if _is_path(rest) or rest.endswith(WEIGHTS):
        return ModelSpec("open_clip", prefix, file=Path(rest).expanduser())
    return ModelSpec("open_clip", prefix, tag=rest)


def _repository(text: str, rest: str) -> ModelSpec:
    repo, at, revision = rest.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repo) or (at and not re.fullmatch(r"[\w./-]+", revision)):
        raise UsageError(f"cannot read {text!r}: write hf-hub:OWNER/REPO or hf-hub:OWNER/REPO@REVISION")
    return ModelSpec("hf-hub", repo, revision=revision or None)


def _is_path(text: str) -> bool:
    return "/" in text or "\\" in text or text.startswith((".", "~"))
