"""The tokenizer of the world's models: CLIP's scheme, and a small vocabulary of whole words."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from learned_world.captions import vocabulary_words
from ovseg.files import write_text

CONTEXT = 24
"""Tokens of a text, with its start and end."""

START, END = "<|startoftext|>", "<|endoftext|>"

WORD_END = "</w>"
"""What the last piece of a word ends with."""


def word_merges(words: Sequence[str]) -> list[tuple[str, str]]:
    """Merges of byte pairs, in their order, that make each word one token.

    What is left of a word by the merges of those before it is joined from its beginning. A merge that is
    added later comes after all that an earlier word needs, and so does not change it.

    Args:
        words: Of ASCII letters and digits.

    Returns:
        Pairs (left, right), none twice.
    """
    ranks: dict[tuple[str, str], int] = {}
    for word in words:
        pieces = [*word[:-1], word[-1] + WORD_END]
        while len(pieces) > 1:
            pairs = list(itertools.pairwise(pieces))
            best = min(range(len(pairs)), key=lambda at: ranks.get(pairs[at], len(ranks)))
            ranks.setdefault(pairs[best], len(ranks))
            pieces[best : best + 2] = [pieces[best] + pieces[best + 1]]
    return list(ranks)


def write_tokenizer(folder: Path) -> int:
    """Write ``vocab.json``, ``merges.txt`` and companions in CLIP's format; returns the vocabulary's size.

    Each word of :func:`vocabulary_words` is one token; others fall to pieces. The same bytes every time:
    pairs are merged word by word, and not by counts, which a learner orders as it likes where they are equal.
    """
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    merges = word_merges(vocabulary_words())
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}{WORD_END}" for letter in letters)]
    tokens += dict.fromkeys(left + right for left, right in merges)
    tokens += [START, END]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "vocab.json", json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    write_text(folder / "merges.txt", "\n".join(lines) + "\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=CONTEXT)
    tokenizer.save_pretrained(folder)
    return len(tokens)
