"""A BERT-style sentence encoder (mean pooling, unit length) on torch's own transformer layers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn


class SentenceEncoder(nn.Module):
    """all-MiniLM-L6-v2: six post-norm layers of width 384, mean over tokens, L2 (Reimers & Gurevych, 2019).

    Args:
        tokenizer: Path of the ``tokenizer.json``.
    """

    def __init__(self, tokenizer: Path, *, width: int = 384, layers: int = 6, heads: int = 12) -> None:
        super().__init__()
        from tokenizers import Tokenizer

        self.tokenizer: Any = Tokenizer.from_file(str(tokenizer))
        self.tokenizer.enable_truncation(max_length=256)
        self.tokenizer.enable_padding(pad_id=0)
        self.words = nn.Embedding(30522, width)
        self.positions = nn.Embedding(512, width)
        self.types = nn.Embedding(2, width)
        self.norm = nn.LayerNorm(width, eps=1e-12)
        layer = nn.TransformerEncoderLayer(
            width, heads, 4 * width, dropout=0.0, activation="gelu", layer_norm_eps=1e-12, batch_first=True
        )
        # Nested tensors are a prototype that warns; the speed-up is nothing at these lengths.
        self.layers = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)

    @torch.inference_mode()
    def forward(self, texts: Sequence[str], batch_size: int = 64) -> torch.Tensor:
        """(len(texts), 384) float32 sentence embeddings of unit length."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # like lengths together: less padding
        rows: list[torch.Tensor] = []
        for start in range(0, len(order), batch_size):
            rows.append(self._encode([texts[i] for i in order[start : start + batch_size]]))
        if not rows:
            return torch.empty(0, self.norm.normalized_shape[0], device=self.norm.weight.device)
        result = torch.empty_like(torch.cat(rows))
        result[torch.tensor(order, device=result.device)] = torch.cat(rows)
        return result

    def _encode(self, texts: list[str]) -> torch.Tensor:
        device = self.norm.weight.device
        tokens = self.tokenizer.encode_batch(texts)
        ids = torch.tensor([entry.ids for entry in tokens], device=device)
        mask = torch.tensor([entry.attention_mask for entry in tokens], device=device, dtype=torch.bool)
        places = torch.arange(ids.shape[1], device=device)
        x = self.words(ids) + self.positions(places)[None] + self.types.weight[0]
        x = self.layers(self.norm(x), src_key_padding_mask=~mask)
        weight = mask[..., None].to(x.dtype)
        return F.normalize((x * weight).sum(1) / weight.sum(1), dim=-1).float()


def minilm_state(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Rename a transformers BERT state dict to :class:`SentenceEncoder`'s names."""
    state = {
        "words.weight": tensors["embeddings.word_embeddings.weight"],
        "positions.weight": tensors["embeddings.position_embeddings.weight"],
        "types.weight": tensors["embeddings.token_type_embeddings.weight"],
        "norm.weight": tensors["embeddings.LayerNorm.weight"],
        "norm.bias": tensors["embeddings.LayerNorm.bias"],
    }
    depth = 1 + max(int(key.split(".")[2]) for key in tensors if key.startswith("encoder.layer."))
    for i in range(depth):
        old, new = f"encoder.layer.{i}", f"layers.layers.{i}"
        for kind in ("weight", "bias"):
            parts = [tensors[f"{old}.attention.self.{role}.{kind}"] for role in ("query", "key", "value")]
            state[f"{new}.self_attn.in_proj_{kind}"] = torch.cat(parts)
            state[f"{new}.self_attn.out_proj.{kind}"] = tensors[f"{old}.attention.output.dense.{kind}"]
            state[f"{new}.norm1.{kind}"] = tensors[f"{old}.attention.output.LayerNorm.{kind}"]
            state[f"{new}.linear1.{kind}"] = tensors[f"{old}.intermediate.dense.{kind}"]
            state[f"{new}.linear2.{kind}"] = tensors[f"{old}.output.dense.{kind}"]
            state[f"{new}.norm2.{kind}"] = tensors[f"{old}.output.LayerNorm.{kind}"]
    return state
