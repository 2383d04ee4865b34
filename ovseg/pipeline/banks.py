"""The doors to banks in Python: build one, add classes to one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ovseg.device import resolve_device, resolve_dtype
from ovseg.encoders.presets import Encoders, choose_preset
from ovseg.errors import OutputError
from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.pipeline.bank_report import BankBuild
from ovseg.pipeline.bank_spec import BankBuildSpec
from ovseg.pipeline.sources import as_source
from ovseg.prototypes import PrototypeBank, check_fingerprints, load_bank, merge_banks, save_bank
from ovseg.support.base import SupportSource
from ovseg.support.config import BankConfig
from ovseg.support.filters import PhotoFilter
from ovseg.vocabulary import ClassNames, as_vocabulary

__all__ = ["add_classes", "build_bank"]


def build_bank(
    classes: ClassNames,
    source: SupportSource | str | Path,
    output: str | Path,
    *,
    preset: str = "auto",
    device: str = "auto",
    dtype: str = "auto",
    cache_dir: Path | None = None,
    encoders: Encoders | None = None,
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
        encoders: A loaded preset.
        config: How to build.
        photo_filter: Images to use or not to use.
        overwrite: Whether another bank at ``output`` may be replaced.
        on_message: Gets a line for each class that is done.

    Raises:
        OvsegError: See ``build_prototypes`` and ``choose_preset``.
    """
    vocabulary = as_vocabulary(classes)
    if encoders is None:
        place = resolve_device(device)
        encoders = choose_preset(preset).load(place, resolve_dtype(dtype, place), cache_dir)
    opened = as_source(source, encoders, vocabulary.classes)
    spec = BankBuildSpec(vocabulary, opened, encoders, config or BankConfig(), photo_filter or PhotoFilter())
    return build_prototypes(spec, Path(output), overwrite=overwrite, on_message=on_message).bank


def add_classes(
    base: Path,
    spec: BankBuildSpec,
    out: Path,
    *,
    overwrite: bool = False,
    on_message: Callable[[str], None] = lambda line: None,
) -> BankBuild:
    """Add classes, or support for classes, to a bank; a call that was stopped goes on, a finished one ends.

    What is new is built at ``OUT.added`` first (its sheets stay in ``OUT.added.sheets/``).

    Args:
        base: The bank; never changed unless ``out`` is the same file.
        spec: Of what is added: its vocabulary are the classes to add, its encoders those of the bank.
        out: Where the larger bank goes.
        overwrite: Whether another file at ``out`` may be replaced.
        on_message: Gets a line for each class that is done.

    Raises:
        BankMismatch: The bank was made by other encoders.
        OutputError: Another file is at ``out``, or it cannot be written.
    """
    bank = load_bank(base)
    encoders = spec.encoders.with_spaces(bank.tables)
    check_fingerprints(bank, encoders.fingerprints())
    if encoders is not spec.encoders:
        # What is added must lie where the rest does.
        spaces = tuple(space for space in encoders.spaces if space.name in bank.tables)
        spec = replace(spec, encoders=replace(encoders, spaces=spaces))
    if out.exists() and out.resolve() != base.resolve() and not overwrite:
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
