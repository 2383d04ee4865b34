"""Where a U-Net drew a word: cross-attention maps (DAAM, Tang et al., ACL 2023, section 3)."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import torch
import torch.nn.functional as F

__all__ = ["AttentionRecorder", "cross_attention", "name_tokens"]

_LARGEST = 2**26
"""Attention probabilities that are held at a time, at most (256 MB in float32)."""


def name_tokens(tokenizer: Any, text: str, start: int, end: int) -> tuple[int, ...]:
    """Positions, in a tokenized prompt, of the tokens of ``text[start:end]``.

    Works for tokenizers that never merge what a space separates; of a prompt that is too long for the
    model, only what is left of the name counts.

    Returns:
        Positions counted with the special tokens; empty where the name cannot be told from the rest.
    """
    before, through = (tokenizer(text[:i], add_special_tokens=False).input_ids for i in (start, end))
    whole = tokenizer(text, add_special_tokens=False).input_ids
    if whole[: len(through)] != through or through[: len(before)] != before:
        return ()
    limit = tokenizer.model_max_length
    given = tokenizer(text, truncation=True, max_length=limit).input_ids
    # One token may stand in front (the start of the text), and one behind.
    first = next((i for i in (0, 1) if given[i : i + 1] == whole[:1]), None)
    if first is None:
        return ()
    kept = sum(1 for a, b in zip(given[first:], whole, strict=False) if a == b)
    return tuple(first + i for i in range(len(before), min(len(through), kept)))


def cross_attention(
    query: torch.Tensor, key: torch.Tensor, weights: torch.Tensor, mask: torch.Tensor | None = None
) -> torch.Tensor:
    """How much of each query's attention goes to weighted keys, summed over heads.

    Args:
        query: (B, heads, N, d).
        key: (B, heads, T, d).
        weights: (B, T) weight of each key.
        mask: Added to the (B, heads, N, T) logits, or None.

    Returns:
        (B, N) float32.
    """
    # Scaled before the product, which half precision may not hold otherwise.
    logits = (query * query.shape[-1] ** -0.5) @ key.transpose(-1, -2)
    if mask is not None:
        logits = logits + mask
    attention = torch.softmax(logits, dim=-1, dtype=torch.float32)
    return torch.einsum("bhnt,bt->bn", attention, weights)


class AttentionRecorder:
    """Adds up the cross-attention of chosen tokens over the heads, layers and steps of a U-Net.

    Only the conditional half of a batch counts. The attention processors that the network has do their work
    as before; each is wrapped in one that looks on, so the picture stays what it was. Sums are held for each
    resolution, which bicubic interpolation, being linear, allows; memory does not grow with the steps.

    Use it as a context manager around one call of the pipeline.

    Args:
        unet: A ``UNet2DConditionModel``.
        tokens: For each picture of the batch the positions of the tokens that count.
    """

    def __init__(self, unet: Any, tokens: Sequence[Sequence[int]]) -> None:
        self._unet = unet
        self._tokens = [list(positions) for positions in tokens]
        self._sums: dict[int, torch.Tensor] = {}
        self._latent: tuple[int, int] | None = None
        self._weights: torch.Tensor | None = None
        self._before: dict[str, Any] = {}
        self._hook: Any = None

    @staticmethod
    def fits(network: Any) -> bool:
        """Whether a network has cross-attention of the kind that is recorded."""
        return _cross_attention_names(network) != []

    def __enter__(self) -> AttentionRecorder:
        self._before = dict(self._unet.attn_processors)
        watched = set(_cross_attention_names(self._unet))
        self._unet.set_attn_processor(
            {
                name: _Onlooker(processor, self) if name in watched else processor
                for name, processor in self._before.items()
            }
        )
        self._hook = self._unet.register_forward_pre_hook(self._see_latent, with_kwargs=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._hook.remove()
        self._unet.set_attn_processor(dict(self._before))

    def _see_latent(self, unet: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        sample = args[0] if args else kwargs["sample"]
        self._latent = (int(sample.shape[-2]), int(sample.shape[-1]))

    def add(
        self, attn: Any, hidden: torch.Tensor, context: torch.Tensor, mask: torch.Tensor | None = None
    ) -> None:
        """Add what one layer attends to in one step.

        Args:
            attn: The attention module.
            hidden: (B or 2 B, N, C) what asks; the conditional half comes last.
            context: (B or 2 B, T, E) what is asked: the encoded prompt.
            mask: (B or 2 B, 1, T) bias, or None.
        """
        count = len(self._tokens)
        if len(hidden) not in (count, 2 * count):
            raise ValueError(f"recording {count} pictures, but the network was given {len(hidden)}")
        hidden, context = hidden[-count:], context[-count:]
        if attn.norm_cross:
            context = attn.norm_encoder_hidden_states(context)
        query, key = (_heads(x, attn.heads) for x in (attn.to_q(hidden), attn.to_k(context)))
        if attn.norm_q is not None:
            query = attn.norm_q(query)
        if attn.norm_k is not None:
            key = attn.norm_k(key)
        if attn.upcast_attention:
            query, key = query.float(), key.float()
        if mask is not None:
            mask = mask[-count:, None]  # (B, 1, 1, T)
        weights = self._token_weights(key)
        at_once = max(1, _LARGEST // (attn.heads * query.shape[2] * key.shape[2]))
        parts = [
            cross_attention(
                query[i : i + at_once],
                key[i : i + at_once],
                weights[i : i + at_once],
                None if mask is None else mask[i : i + at_once],
            )
            for i in range(0, count, at_once)
        ]
        found = torch.cat(parts)
        patches = found.shape[1]
        self._sums[patches] = self._sums[patches] + found if patches in self._sums else found

    def _token_weights(self, key: torch.Tensor) -> torch.Tensor:
        """(B, T): each token of a name counts alike."""
        if self._weights is None or self._weights.shape[1] != key.shape[2]:
            self._weights = torch.zeros(len(self._tokens), key.shape[2], device=key.device)
            for row, positions in enumerate(self._tokens):
                if positions:
                    self._weights[row, positions] = 1 / len(positions)
        return self._weights

    def maps(self) -> torch.Tensor:
        """Attribution of each picture.

        Returns:
            (B, h, w) float32 in [0, 1] at the largest resolution that was recorded; all zero for a picture
            of whose map nothing stands out.

        Raises:
            ValueError: Nothing was recorded.
        """
        if not self._sums or self._latent is None:
            raise ValueError("no cross-attention was recorded")
        size = _size_of(max(self._sums), self._latent)
        total = torch.zeros(len(self._tokens), 1, *size, device=self._sums[max(self._sums)].device)
        for patches in sorted(self._sums):
            grid = self._sums[patches].reshape(-1, 1, *_size_of(patches, self._latent))
            total += F.interpolate(grid, size=size, mode="bicubic", align_corners=False)
        low, high = (op(total, dim=(-2, -1), keepdim=True) for op in (torch.amin, torch.amax))
        return ((total - low) / (high - low).clamp(min=1e-12))[:, 0]


class _Onlooker:
    """An attention processor that records, and leaves the work to another."""

    def __init__(self, inner: Any, recorder: AttentionRecorder) -> None:
        self._inner = inner
        self._recorder = recorder

    def __call__(
        self,
        attn: Any,
        hidden_states: torch.Tensor,
        encoder_hidden_states: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        temb: torch.Tensor | None = None,
    ) -> Any:
        if encoder_hidden_states is not None:
            self._recorder.add(attn, hidden_states, encoder_hidden_states, attention_mask)
        return self._inner(
            attn,
            hidden_states,
            encoder_hidden_states=encoder_hidden_states,
            attention_mask=attention_mask,
            temb=temb,
        )


def _cross_attention_names(network: Any) -> list[str]:
    """Names of the processors whose queries are pixels and whose keys are words, and nothing else."""
    # By name: to import the class here would cost seconds where no pipeline is in use.
    if not any(kind.__name__ == "UNet2DConditionModel" for kind in type(network).__mro__):
        return []
    modules = dict(network.named_modules())
    return [
        name
        for name in network.attn_processors
        # Added keys are of the picture itself (DeepFloyd IF): another kind of attention.
        if name.endswith("attn2.processor")
        and getattr(modules[name.removesuffix(".processor")], "added_kv_proj_dim", None) is None
    ]


def _heads(values: torch.Tensor, heads: int) -> torch.Tensor:
    """(B, N, heads * d) to (B, heads, N, d)."""
    return values.reshape(len(values), values.shape[1], heads, -1).transpose(1, 2)


def _size_of(patches: int, latent: tuple[int, int]) -> tuple[int, int]:
    """(h, w) of a layer with so many patches: the latent size halved, rounded up, until it fits."""
    height, width = latent
    while height * width > patches:
        height, width = (height + 1) // 2, (width + 1) // 2
    if height * width != patches:
        raise ValueError(f"{patches} cells are no halved {latent[0]} x {latent[1]}")
    return height, width
