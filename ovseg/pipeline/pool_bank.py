"""Banks made on the way: from the images that are being segmented, or from a pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.pipeline.bank_matching import BankMatcher
from ovseg.pipeline.bank_spec import BankBuildSpec
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.self_pool import SELF_BANK, SelfPool
from ovseg.pipeline.sources import open_source
from ovseg.vocabulary import Vocabulary

__all__ = ["SELF", "bank_beside", "bank_from_pool", "encodings_beside"]

SELF = "self"
"""The pool that is the images themselves."""


def bank_beside(out: Path) -> Path:
    """Where the bank of a run is: beside its folder."""
    return out.with_name(out.name + ".bank")


def encodings_beside(out: Path) -> Path:
    """Where the encodings of a run are that is its own pool: beside its folder."""
    return out.with_name(out.name + ".encoded")


def bank_from_pool(
    segmenter: Segmenter,
    pool: str,
    vocabulary: Vocabulary,
    paths: Sequence[Path],
    out: Path,
    *,
    on_message: Callable[[str], None] = lambda line: None,
    advance: Callable[[], None] = lambda: None,
) -> BankMatcher:
    """Build the bank of a run, or take the one that an earlier call built, and let the segmenter use it.

    With ``self`` every image is looked at twice: encodings are kept in ``OUT.encoded/`` in between.

    Args:
        segmenter: Without a bank.
        pool: ``self``, or a pool's file or folder.
        vocabulary: The classes.
        paths: All images of the run, whatever the shard.
        out: Its folder.
        on_message: Gets a line for each class.
        advance: Is told after each image of the first look.

    Raises:
        OvsegError: See ``build_prototypes``.
    """
    config = replace(SELF_BANK, image_size=segmenter.config.image_size)
    encoders, bank = segmenter.encoders, bank_beside(out)
    if pool == SELF:
        segmenter.keep_encodings(encodings_beside(out))
        classifier = segmenter.classifier_for(vocabulary)
        source = SelfPool(paths, vocabulary, classifier, segmenter.encode, segmenter.config, advance)
        spec = BankBuildSpec(vocabulary, source, encoders, config, encode=segmenter.encode, root=source.root)
    else:
        opened = open_source("retrieval", encoders, vocabulary.classes, pool=Path(pool))
        spec = BankBuildSpec(vocabulary, opened, encoders, config)
    build_prototypes(spec, bank, on_message=on_message)
    return segmenter.use_bank(bank)
