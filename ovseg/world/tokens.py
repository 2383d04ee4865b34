"""The tokenizer of the world's models: CLIP's scheme, and a small vocabulary of whole words."""

from __future__ import annotations

import json
from pathlib import Path

from ovseg.files import write_text
from ovseg.world.captions import vocabulary_words

CONTEXT = 24
"""Tokens of a text, with its start and end."""

START, END = "<|startoftext|>", "<|endoftext|>"


def write_tokenizer(folder: Path) -> int:
    """Write ``vocab.json``, ``merges.txt`` and companions in CLIP's format; returns the vocabulary's size.

    Byte pairs are merged until each word of :func:`vocabulary_words` is one token; others fall to letters.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import CLIPTokenizer

    learner = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    learner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    learner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=10_000,
        min_frequency=1,
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        end_of_word_suffix="</w>",
    )
    learner.train_from_iterator(vocabulary_words(), trainer)
    merges = [
        tuple(merge) if isinstance(merge, list) else tuple(merge.split(" "))
        for merge in json.loads(learner.to_str())["model"]["merges"]
    ]
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    known = set(tokens)
    for left, right in merges:
        if left + right not in known:
            known.add(left + right)
            tokens.append(left + right)
    tokens += [START, END]
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "vocab.json", json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
    lines = ["#version: 0.2", *(f"{left} {right}" for left, right in merges)]
    write_text(folder / "merges.txt", "\n".join(lines) + "\n")
    tokenizer = CLIPTokenizer.from_pretrained(folder, model_max_length=CONTEXT)
    tokenizer.save_pretrained(folder)
    return len(tokens)
