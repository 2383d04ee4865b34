"""What a user writes for a CLIP model: the grammar, and nothing that needs torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ovseg.errors import UsageError

HUB, FOLDER = "hf-hub:", "local-dir:"


@dataclass(frozen=True)
class ClipSpec:
    """A CLIP model by name; ``str(spec)`` is the text it was read from.

    ========================  ==========================================================================
    ``ViT-B-16:openai``       an architecture and a tag of open_clip's tables
    ``ViT-B-16:/path/file``   an architecture and a file of weights (with a slash or a suffix of weights)
    ``hf-hub:owner/name``     a repository with ``open_clip_config.json``; ``@revision`` may follow
    ``local-dir:/path``       a folder with ``open_clip_config.json`` and weights
    ========================  ==========================================================================

    Attributes:
        text: As written.
        architecture: Of open_clip, or None: the repository or folder says it.
        tag: Of open_clip's table, or None.
        path: A file of weights or a folder, or None.
        repository: On the hub, or None.
        revision: Of the repository, or None: whichever is here.
    """

    text: str
    architecture: str | None = None
    tag: str | None = None
    path: Path | None = None
    repository: str | None = None
    revision: str | None = None

    @classmethod
    def parse(cls, text: str) -> ClipSpec:
        """Read a specification.

        Raises:
            UsageError: It is none of the forms above.
        """
        if text.startswith(HUB):
            name, _, revision = text.removeprefix(HUB).partition("@")
            if name.count("/") == 1 and all(name.split("/")):
                return cls(text, repository=name, revision=revision or None)
        elif text.startswith(FOLDER):
            if folder := text.removeprefix(FOLDER):
                return cls(text, path=Path(folder).expanduser())
        else:
            architecture, _, weights = text.partition(":")
            if architecture and weights and "/" not in architecture:
                if _is_path(weights):
                    return cls(text, architecture=architecture, path=Path(weights).expanduser())
                return cls(text, architecture=architecture, tag=weights)
        raise UsageError(
            f"cannot read {text!r} as a CLIP model: use ARCHITECTURE:TAG (ViT-B-16:openai),"
            " ARCHITECTURE:/path/to/weights, hf-hub:OWNER/NAME or local-dir:/path"
        )

    def __str__(self) -> str:
        return self.text


def _is_path(weights: str) -> bool:
    suffixes = (".safetensors", ".bin", ".pt", ".pth", ".npz")
    return "/" in weights or weights.startswith("~") or weights.endswith(suffixes)
