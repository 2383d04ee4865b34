"""The published formulas written out one head and one image at a time, for open_clip's own transformer.

Nothing of ovseg is used: these are what the variants are held against.
"""

from __future__ import annotations

from typing import Any

import torch

Before = tuple[torch.Tensor, int, int]
"""(L, D) tokens that enter the last block, rows and columns of patches."""


def embedded(visual: Any, image: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    """(L, D) tokens that enter the first block, for one normalized (3, H, W) image."""
    patch = visual.conv1.kernel_size[0]
    rows, columns = image.shape[1] // patch, image.shape[2] // patch
    kernel = visual.conv1.weight.reshape(visual.conv1.weight.shape[0], -1)
    patches = []
    for row in range(rows):
        for column in range(columns):
            piece = image[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
            patches.append(kernel @ piece.reshape(-1))
    stored = visual.positional_embedding
    side = round((len(stored) - 1) ** 0.5)
    if (rows, columns) == (side, side):
        positions = stored
    else:
        # What open_clip does to the positions of a checkpoint for another image size.
        class Sized:
            grid_size = (rows, columns)

        class Model:
            visual = Sized()

        from open_clip.model import resize_pos_embed

        state = {"visual.positional_embedding": stored.clone()}
        resize_pos_embed(state, Model())
        positions = state["visual.positional_embedding"]
    tokens = torch.stack([visual.class_embedding, *patches]) + positions
    return visual.ln_pre(tokens), rows, columns


def before_last(visual: Any, image: torch.Tensor) -> tuple[torch.Tensor, int, int]:
    tokens, rows, columns = embedded(visual, image)
    for block in visual.transformer.resblocks[:-1]:
        tokens = block(tokens[None])[0]
    return tokens, rows, columns


def heads(block: Any, tokens: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
    """Queries, keys and values (L, d) of each head."""
    width, count = tokens.shape[1], block.attn.num_heads
    size = width // count
    weight, bias = block.attn.in_proj_weight, block.attn.in_proj_bias
    packed = block.ln_1(tokens) @ weight.T + bias
    query, key, value = packed[:, :width], packed[:, width : 2 * width], packed[:, 2 * width :]
    return [tuple(part[:, i * size : (i + 1) * size] for part in (query, key, value)) for i in range(count)]


def out(block: Any, parts: list[torch.Tensor]) -> torch.Tensor:
    return torch.cat(parts, dim=1) @ block.attn.out_proj.weight.T + block.attn.out_proj.bias


def to_words(visual: Any, tokens: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    return (visual.ln_post(tokens) @ visual.proj).reshape(rows, columns, -1)


def soft(logits: torch.Tensor) -> torch.Tensor:
    exponentials = torch.exp(logits - logits.max(dim=1, keepdim=True).values)
    return exponentials / exponentials.sum(dim=1, keepdim=True)


def with_feed_forward(block: Any, tokens: torch.Tensor) -> torch.Tensor:
    return tokens + block.mlp(block.ln_2(tokens))


def none(visual: Any, before: Before) -> torch.Tensor:
    tokens, rows, columns = before
    block = visual.transformer.resblocks[-1]
    parts = [soft(q @ k.T / q.shape[1] ** 0.5) @ v for q, k, v in heads(block, tokens)]
    result = with_feed_forward(block, tokens + out(block, parts))
    return to_words(visual, result[1:], rows, columns)


def value(visual: Any, before: Before) -> torch.Tensor:
    tokens, rows, columns = before
    block = visual.transformer.resblocks[-1]
    result = with_feed_forward(block, tokens + out(block, [v for _, _, v in heads(block, tokens)]))
    return to_words(visual, result[1:], rows, columns)


def sclip(visual: Any, before: Before) -> torch.Tensor:
    tokens, rows, columns = before
    block = visual.transformer.resblocks[-1]
    parts = []
    for q, k, v in heads(block, tokens):
        scale = q.shape[1] ** -0.5
        parts.append((soft(q @ q.T * scale) + soft(k @ k.T * scale)) @ v)
    result = with_feed_forward(block, tokens + out(block, parts))
    return to_words(visual, result[1:], rows, columns)


def clearclip(visual: Any, before: Before) -> torch.Tensor:
    tokens, rows, columns = before
    block = visual.transformer.resblocks[-1]
    parts = [soft(q @ q.T * q.shape[1] ** -0.5) @ v for q, _, v in heads(block, tokens)]
    return to_words(visual, out(block, parts)[1:], rows, columns)


def naclip(visual: Any, before: Before) -> torch.Tensor:
    tokens, rows, columns = before
    block = visual.transformer.resblocks[-1]
    places = torch.tensor([(r, c) for r in range(rows) for c in range(columns)], dtype=torch.float32)
    neighbourhood = torch.zeros(len(tokens), len(tokens))
    for i, here in enumerate(places):
        squared = ((places - here) ** 2).sum(dim=1)
        neighbourhood[i + 1, 1:] = torch.exp(-squared / (2 * 5.0**2))
    parts = [soft(k @ k.T * k.shape[1] ** -0.5 + neighbourhood) @ v for _, k, v in heads(block, tokens)]
    return to_words(visual, out(block, parts)[1:], rows, columns)


def on_grid(patches: torch.Tensor, old: tuple[int, int], new: tuple[int, int]) -> torch.Tensor:
    """(N, d) values, bilinear between centres of patches, on another grid."""

    def weights(length: int, wanted: int) -> torch.Tensor:
        matrix = torch.zeros(wanted, length)
        for i in range(wanted):
            place = min(max((i + 0.5) * length / wanted - 0.5, 0), length - 1)
            low = int(place)
            high = min(low + 1, length - 1)
            matrix[i, low] += 1 - (place - low)
            matrix[i, high] += place - low
        return matrix

    grid = patches.reshape(*old, -1)
    down, across = weights(old[0], new[0]), weights(old[1], new[1])
    return torch.einsum("ir,jc,rcd->ijd", down, across, grid).reshape(new[0] * new[1], -1)


def proxyclip(visual: Any, before: Before, guide: torch.Tensor) -> torch.Tensor:
    tokens, rows, columns = before
    block = visual.transformer.resblocks[-1]
    height, width = guide.shape[:2]
    features = guide.reshape(height * width, -1)
    unit = features / features.norm(dim=1, keepdim=True)
    similarity = unit @ unit.T
    similarity = (similarity - 1.2 * similarity.mean()) * 3.0
    similarity[similarity < 0] = -torch.inf
    attention = soft(similarity)
    parts = [attention @ on_grid(v[1:], (rows, columns), (height, width)) for _, _, v in heads(block, tokens)]
    return to_words(visual, out(block, parts), height, width)


def corrclip(visual: Any, image: torch.Tensor, guide: torch.Tensor, segments: torch.Tensor) -> torch.Tensor:
    """Its three branches; the segments' class tokens go through every block with the other tokens."""
    tokens, rows, columns = embedded(visual, image)
    height, width = guide.shape[:2]
    # Each patch of the tower has the segment of the guide's patch that its upper left corner lies in.
    down = [int(row * height / rows) for row in range(rows)]
    across = [int(column * width / columns) for column in range(columns)]
    coarse = segments[down][:, across]
    names = sorted({int(label) for label in coarse.reshape(-1)})
    count = len(names)
    allowed = torch.ones(count + len(tokens), count + len(tokens), dtype=torch.bool)
    allowed[:, :count] = False
    for i, name in enumerate(names):
        allowed[i, count + 1 :] = coarse.reshape(-1) == name
    mask = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
    state = torch.cat([tokens[:1].expand(count, -1), tokens])
    entered = []
    for block in visual.transformer.resblocks:
        entered.append(state[count:])
        state = block(state[None], attn_mask=mask)[0]
    depth = len(entered)
    used = {12: 5, 24: 12}.get(depth, 1)
    lower = sum(entered[depth - 1 - used : depth - 1]) / used

    block = visual.transformer.resblocks[-1]
    features = guide.reshape(height * width, -1)
    unit = features / features.norm(dim=1, keepdim=True)
    logits = 4.0 * (unit @ unit.T)
    labels = segments.reshape(-1)
    for i, label in enumerate(labels):
        logits[i, labels != label] = -torch.inf
    attention = soft(logits)
    total = torch.zeros(height, width, visual.proj.shape[1])
    for entering in (entered[-1], lower):
        parts = [
            attention @ on_grid(v[1:], (rows, columns), (height, width)) for _, _, v in heads(block, entering)
        ]
        total += to_words(visual, out(block, parts), height, width)
    semantic = visual.ln_post(state[:count]) @ visual.proj
    for row in range(height):
        for column in range(width):
            here = int(coarse[int(row * rows / height), int(column * columns / width)])
            total[row, column] += 0.5 * semantic[names.index(here)]
    return total
