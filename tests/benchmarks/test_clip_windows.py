"""The benchmark of a protocol on a small untrained tower."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from clip_models import MEAN, STD, TINY, tiny_model
from typer.testing import CliRunner

from benchmarks.clip_windows import time_protocol, voc_words
from benchmarks.commands import app
from benchmarks.untrained import clip_pair, untrained_backbone, untrained_clip
from ovseg.encoders.clip.load import LoadedClip
from ovseg.encoders.context import LoadContext
from ovseg.errors import UnknownName
from ovseg.evaluation.protocols import protocol_for

CPU = torch.device("cpu")


class CountingShape:
    """Any backbone, with a record of the batches that it was given."""

    def __init__(self):
        self.own = untrained_backbone("vit_tiny_patch16_224", LoadContext())
        self.patch = self.own.patch
        self.batches = []

    def __getattr__(self, name):
        return getattr(self.own, name)

    def encode(self, images, wanted=((-1, "token"),)):
        self.batches.append(tuple(images.shape))
        return self.own.encode(images, wanted)


def test_whole_and_bare_see_the_same_windows():
    from open_clip.tokenizer import SimpleTokenizer

    tokenize = SimpleTokenizer(context_length=TINY["text_cfg"]["context_length"])
    clip = LoadedClip(tiny_model(), tokenize, MEAN, STD, {"sha256": "seed 0"})
    names, plain = clip_pair(clip, "proxyclip", LoadContext(cache_dir=None))
    assert names._model is plain._model
    protocol = protocol_for("sclip", "voc21", background=True)
    words, dataset = voc_words(protocol)
    assert (len(words), len(words.background), len(dataset.classes)) == (20, 26, 21)
    shape = CountingShape()
    photos = [np.full((75, 100, 3), 90, np.uint8)]
    ticks = []
    timing = time_protocol(
        names, plain, shape, photos, words, dataset, protocol, repeats=2, tick=lambda: ticks.append(1)
    )
    # 75 by 100 becomes 336 by 448: two windows, seen at recording, at warming up, and twice in each repeat.
    assert (timing.images, timing.windows, len(ticks)) == (1, 2, 2)
    assert shape.batches == [(2, 3, 336, 336)] * 6
    assert timing.bare > 0
    assert 0 < timing.share < 1
    assert timing.total > 0


def test_unknown_architectures_are_refused_with_near_ones():
    with pytest.raises(UnknownName, match="ViT-B-16"):
        untrained_clip("ViT-B16")
    with pytest.raises(UnknownName, match="vit_base_patch8_224"):
        untrained_backbone("vit_base_patch8_244", LoadContext())


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--protocol", "ovseg"], "no windows"),
        (["--size", "10"], "500x375"),
        (["--image-text-encoder", "ViT-B16"], "ViT-B-16"),
    ],
)
def test_the_command_refuses_what_it_cannot_measure(arguments, told):
    result = CliRunner().invoke(app, ["clip", *arguments])
    assert result.exit_code == 2
    assert told in result.stderr
