"""Banks for users: build one, add classes to one, make one for a run out of its images or of a pool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ovseg.encoders.presets import LoadContext, Preset, open_preset
from ovseg.errors import OutputError
from ovseg.pipeline.bank_build import BankBuild, BankBuildSpec
from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.pipeline.bank_matching import BankMatcher
from ovseg.pipeline.segmenter import Segmenter
from ovseg.pipeline.self_pool import SELF_BANK, SelfPool
from ovseg.pipeline.sources import as_source, open_source
from ovseg.prototypes import PrototypeBank, check_fingerprints, merge_banks, save_bank
from ovseg.support.base import SupportSource
from ovseg.support.config import BankConfig
from ovseg.support.filters import PhotoFilter
from ovseg.vocabulary import ClassNames, Vocabulary, as_vocabulary

__all__ = [
    "SELF",
    "RunImages",
    "add_classes",
    "bank_beside",
    "bank_from_pool",
    "build_bank",
    "encodings_beside",
]

SELF = "self"
"""The pool that is the images themselves."""


def build_bank(
    classes: ClassNames,
    source: SupportSource | str | Path,
    output: str | Path,
    *,
    preset: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    cache_dir: str | Path | None = None,
    encoders: Preset | None = None,
    config: BankConfig | None = None,
    photo_filter: PhotoFilter | None = None,
    overwrite: bool = False,
    on_message: Callable[[str], None] = lambda line: None,
) -> PrototypeBank:
    """Build a bank of prototypes: ``ovseg bank build`` in Python.

    Example::

        import ovseg

        bank = ovseg.build_bank(["cat", "dog"], "support/", "pets.bank")
        len(bank.tables["text"])  # one for each name, synonym and attribute

    Args:
        classes: Names (``"cat, dog"``, ``["cat", "sofa=sofa,couch"]``) or a vocabulary.
        source: A source of support images, or a folder with a folder of photos for each class.
        output: The bank's file; see ``build_prototypes`` for what is written beside it.
        preset: Which encoders, unless ``encoders`` are given.
        device: Where they compute.
        dtype: In which precision.
        cache_dir: Where converted weights are kept.
        encoders: A preset that is open.
        config: How to build.
        photo_filter: Images to use or not to use.
        overwrite: Whether another bank at ``output`` may be replaced.
        on_message: Gets a line for each class that is done.

    Raises:
        OvsegError: See ``build_prototypes`` and ``open_preset``.
    """
    vocabulary = as_vocabulary(classes)
    if encoders is None:
        encoders = open_preset(preset, LoadContext.resolve(device, dtype, cache_dir)).load()
    opened = as_source(source, encoders, vocabulary.classes)
    spec = BankBuildSpec(vocabulary, opened, encoders, config or BankConfig(), photo_filter or PhotoFilter())
    return build_prototypes(spec, Path(output), overwrite=overwrite, on_message=on_message).bank


def add_classes(
    base: PrototypeBank,
    spec: BankBuildSpec,
    out: Path,
    *,
    overwrite: bool = False,
    on_message: Callable[[str], None] = lambda line: None,
) -> BankBuild:
    """Add classes, or support for classes, to a bank; a call that was stopped goes on, a finished one ends.

    What is new is built at ``OUT.added`` first (its sheets stay in ``OUT.added.sheets/``).

    Args:
        base: The bank, as ``load_bank`` gives it; its file is never changed unless ``out`` is the same.
        spec: Of what is added: its vocabulary are the classes to add, its encoders those of the bank.
        out: Where the larger bank goes.
        overwrite: Whether another file at ``out`` may be replaced.
        on_message: Gets a line for each class that is done.

    Raises:
        BankMismatch: The bank was made by other encoders.
        OutputError: Another file is at ``out``, or it cannot be written.
    """
    bank = base
    encoders = spec.encoders.with_spaces(bank.tables)
    check_fingerprints(bank, encoders.fingerprints())
    if encoders is not spec.encoders:
        # What is added must lie where the rest does.
        spec = replace(spec, encoders=encoders.only_spaces(bank.tables))
    own = base.path is not None and out.resolve() == base.path.resolve()
    if out.exists() and not own and not overwrite:
        raise OutputError(
            f"{out} is there already: give another file, or overwrite=True", parameters=["overwrite"]
        )
    part = out.with_name(out.name + ".added")
    built = build_prototypes(spec, part, overwrite=True, on_message=on_message)
    added = list(bank.metadata.get("added", []))
    # Once only: a call that was killed between the last two steps must not add everything twice.
    if built.bank.metadata["plan"] not in [entry.get("plan") for entry in added]:
        metadata = dict(bank.metadata) | {"added": [*added, dict(built.bank.metadata)]}
        bank = merge_banks([bank, built.bank], clean=spec.config.prototypes.clean, metadata=metadata)
    save_bank(bank, out)
    part.unlink(missing_ok=True)
    return replace(built, bank=bank)


@dataclass(frozen=True)
class RunImages:
    """What a run's own bank is made of and where it lies.

    Attributes:
        paths: All images of the run, whatever the shard.
        out: Its folder.
    """

    paths: Sequence[Path]
    out: Path


def bank_beside(out: Path) -> Path:
    """Return where the bank of a run is: beside its folder."""
    return out.with_name(out.name + ".bank")


def encodings_beside(out: Path) -> Path:
    """Return where the encodings of a run are that is its own pool: beside its folder."""
    return out.with_name(out.name + ".encoded")


def bank_from_pool(
    segmenter: Segmenter,
    pool: str,
    vocabulary: Vocabulary,
    run: RunImages,
    *,
    on_message: Callable[[str], None] = lambda line: None,
    advance: Callable[[], None] = lambda: None,
) -> BankMatcher:
    """Build the bank of a run, or take the one that an earlier call built, and let the segmenter use it.

    Support is encoded and scored with the segmenter's own settings. With ``self`` every image is encoded
    once for two passes: encodings are kept in ``OUT.encoded/`` in between.

    Args:
        segmenter: Without a bank.
        pool: ``self``, or a pool's file or folder.
        vocabulary: The classes.
        run: The images and the folder of the run.
        on_message: Gets a line for each class.
        advance: Called after each image of the first pass.

    Raises:
        OvsegError: See ``build_prototypes``.
    """
    settings = segmenter.config
    config = replace(SELF_BANK, encoding=settings.encoding, fusion=settings.fusion)
    encoders, out = segmenter.encoders, bank_beside(run.out)
    if pool == SELF:
        segmenter.keep_encodings(encodings_beside(run.out))
        classifier = segmenter.classifier_for(vocabulary)
        source = SelfPool(run.paths, classifier, segmenter.encode, settings.fusion, advance)
        spec = BankBuildSpec(vocabulary, source, encoders, config, encode=segmenter.encode, root=source.root)
    else:
        opened = open_source("retrieval", encoders, vocabulary.classes, pool=Path(pool))
        spec = BankBuildSpec(vocabulary, opened, encoders, config)
    return segmenter.use_bank(build_prototypes(spec, out, on_message=on_message).bank)
