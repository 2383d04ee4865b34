"""Text embeddings of CLIP: templates, batches of similar length, and a cache on disk."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ovseg.encoders.clip.load import LoadedClip
from ovseg.encoders.context import LoadContext
from ovseg.files import atomic_path, digest
from ovseg.prompts import read_lines

AS_IT_IS = "as-it-is"
"""Name of the template set that leaves a text alone."""

BATCH = 256


def template_set(name: str) -> tuple[str, ...]:
    """Return the templates of a set (``imagenet80``, ``imagenet7``, ``simple``); ``("{}",)`` for as-it-is.

    Raises:
        OvsegError: There is no such set.
    """
    return ("{}",) if name == AS_IT_IS else tuple(read_lines("templates", f"{name}.txt"))


class ClipText:
    """The text encoder of a CLIP model.

    Args:
        clip: A loaded model, on its device.
        context: That device; embeddings are kept below ``texts/`` in its cache folder, if it has one.
    """

    def __init__(self, clip: LoadedClip, context: LoadContext) -> None:
        self._model = clip.model
        self._tokenize = clip.tokenize
        self._device = context.device
        self._sha256 = clip.about["sha256"]
        self._folder = context.cache_dir / "texts" if context.cache_dir else None
        self._known: dict[str, dict[str, torch.Tensor]] = {}

    def encode(self, words: Sequence[str], templates: str = AS_IT_IS) -> torch.Tensor:
        """Embed words: every template filled in, each text at unit length, their mean at unit length.

        This is CLIP's prompt ensemble (Radford et al., ICML 2021, section 3.1.4).

        Args:
            words: T names.
            templates: Name of a template set.

        Returns:
            (T, E) float32 on the CPU, rows of unit length.
        """
        patterns = template_set(templates)
        key = digest({"weights": self._sha256, "templates": patterns})
        known = self._known.setdefault(key, self._read(key))
        missing = [word for word in dict.fromkeys(words) if word not in known]
        if missing:
            texts = [pattern.replace("{}", word) for word in missing for pattern in patterns]
            embedded = F.normalize(self._embed(texts), dim=-1)
            means = embedded.reshape(len(missing), len(patterns), -1).mean(1)
            known.update(zip(missing, F.normalize(means, dim=-1), strict=True))
            self._write(key, known)
        return torch.stack([known[word] for word in words])

    @torch.inference_mode()
    def _embed(self, texts: list[str]) -> torch.Tensor:
        """(T, E) float32 on the CPU; texts of like length share a batch, so that little is padding."""
        tokens = self._tokenize(texts)
        lengths = self._lengths(tokens)
        order = lengths.argsort(stable=True)
        found: torch.Tensor | None = None
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            width = int(lengths[batch].max())
            part = encode_tokens(self._model, tokens[batch, :width].to(self._device)).float().cpu()
            if found is None:
                found = part.new_empty(len(order), part.shape[-1])
            found[batch] = part
        if found is None:
            raise ValueError("no texts to embed")
        return found

    def _lengths(self, tokens: torch.Tensor) -> torch.Tensor:
        """(T,) number of tokens of each text; the whole context where the model uses its padding too."""
        if not is_causal(self._model):
            return torch.full((len(tokens),), tokens.shape[1])
        return tokens.argmax(dim=-1) + 1

    def _read(self, key: str) -> dict[str, torch.Tensor]:
        """Read kept embeddings of a model and template set; none where the file is missing or damaged."""
        path = self._path(key)
        if path is None or not path.is_file():
            return {}
        try:
            with safe_open(path, framework="pt") as stream:
                about = stream.metadata() or {}
                rows = stream.get_tensor("embeddings")
            words = json.loads(about["words"])
            intact = about["sha256"] == _hash(rows, words) and len(words) == len(rows)
        except (SafetensorError, OSError, KeyError, ValueError, TypeError):
            return {}
        return dict(zip(words, rows, strict=True)) if intact else {}

    def _write(self, key: str, known: dict[str, torch.Tensor]) -> None:
        path = self._path(key)
        if path is None:
            return
        words, rows = list(known), torch.stack(list(known.values()))
        about = {"format": "ovseg texts 1", "words": json.dumps(words), "sha256": _hash(rows, words)}
        with atomic_path(path) as temporary:
            save_file({"embeddings": rows}, temporary, metadata=about)

    def _path(self, key: str) -> Path | None:
        return self._folder / f"clip-{key[:16]}.safetensors" if self._folder else None


def is_causal(model: Any) -> bool:
    """Return whether embeddings are those of the end token under a causal mask, so that padding is unused."""
    text = getattr(model, "text", None)
    if text is None:
        return bool(model.text_pool_type == "argmax" and model.attn_mask is not None)
    plain = type(text).__name__ == "TextTransformer" and text.cls_emb is None and not text.use_pad_mask
    return bool(plain and text.pool_type == "argmax" and text.attn_mask is not None)


def encode_tokens(model: Any, tokens: torch.Tensor) -> torch.Tensor:
    """(T, L) tokens to (T, E), as ``model.encode_text``, which wants L to be the whole context."""
    if tokens.shape[1] == model.context_length:
        whole: torch.Tensor = model.encode_text(tokens)
        return whole
    own = model if getattr(model, "text", None) is None else model.text
    length = tokens.shape[1]
    dtype = own.transformer.get_cast_dtype()
    x = own.token_embedding(tokens).to(dtype) + own.positional_embedding[:length].to(dtype)
    x = own.ln_final(own.transformer(x, attn_mask=own.attn_mask[:length, :length]))
    ends = x[torch.arange(len(x), device=x.device), tokens.argmax(dim=-1)]
    project = own.text_projection
    if project is None:
        return ends  # type: ignore[no-any-return]
    words: torch.Tensor = project(ends) if isinstance(project, torch.nn.Linear) else ends @ project
    return words


def _hash(rows: torch.Tensor, words: list[str]) -> str:
    content = hashlib.sha256(rows.contiguous().numpy().tobytes())
    content.update(json.dumps(words).encode())
    return content.hexdigest()
