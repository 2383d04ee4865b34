"""Build a bank: support images of each class, its regions in them, prototypes, one file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.discovery.support import FoundRegion, SupportEvidence, find_support_regions
from ovseg.encoders.base import CosineEncoder
from ovseg.encoders.presets import TEXT_SPACE, Encoders
from ovseg.errors import InputError, OutputError, UsageError
from ovseg.file_locks import waiting_lock
from ovseg.files import digest
from ovseg.outputs.support_sheet import (
    SheetEntry,
    clear_sheets,
    drawn,
    small_picture,
    write_index,
    write_sheet,
)
from ovseg.pipeline.bank_matching import pixel_hash
from ovseg.pipeline.bank_report import BankBuild, ClassReport
from ovseg.pipeline.bank_spec import BankBuildSpec
from ovseg.pipeline.bank_work import BankWork
from ovseg.pipeline.support_encoder import EncodedSupport, SupportEncoder
from ovseg.pipeline.text_classifier import TextClassifier
from ovseg.prototypes import (
    PrototypeBank,
    SupportRecord,
    SupportView,
    class_bank,
    load_bank,
    merge_banks,
    text_table,
)
from ovseg.support.base import Origin
from ovseg.vocabulary import ClassSpec, Vocabulary

__all__ = ["build_prototypes", "sheets_folder"]

_MORE = 8
"""Times the wished images that a source is asked for where lists may drop some."""


@dataclass(frozen=True)
class _Looked:
    """A support image that was encoded; its pixels are let go but for the small picture and their hash."""

    origin: Origin
    size: tuple[int, int]
    picture: npt.NDArray[np.uint8]
    pixels: str
    seen: EncodedSupport
    evidence: SupportEvidence


@dataclass(frozen=True)
class _Double:
    """An image that came before."""

    origin: Origin
    picture: npt.NDArray[np.uint8]
    reason: str


def build_prototypes(
    build_spec: BankBuildSpec,
    out: Path,
    *,
    overwrite: bool = False,
    on_message: Callable[[str], None] = lambda line: None,
) -> BankBuild:
    """Build a bank and write it, with a preview sheet a class beside it; goes on where a call was stopped.

    Of several processes that build the same bank at once, one does and the others wait (``OUT.lock``).

    Args:
        build_spec: What the bank is made of.
        out: The bank's file; ``OUT.sheets/`` gets the sheets, ``OUT.work/`` holds what is done until then.
        overwrite: Whether a file of another bank at ``out`` may be replaced.
        on_message: Gets a line for each class that is done.

    Raises:
        UsageError: The preset cannot make prototypes.
        OutputError: Something else is at ``out``, or it cannot be written.
        InputError: No class got support, or a support image cannot be read.
    """
    if not build_spec.encoders.spaces:
        raise UsageError(
            f"the preset {build_spec.encoders.preset} has no features for prototypes: choose another preset"
        )
    plan = build_spec.plan()
    done = digest(plan)
    if out.exists() and not overwrite:
        return _built(out, done)
    lock = out.with_name(out.name + ".lock")
    with waiting_lock(lock, lambda: on_message(f"{out} is being built by another process: waiting for it")):
        if out.exists() and not overwrite:
            return _built(out, done)
        return _build(build_spec, out, plan, on_message)


def _build(
    build_spec: BankBuildSpec, out: Path, plan: dict[str, Any], on_message: Callable[[str], None]
) -> BankBuild:
    """Build the bank, or what is missing of it; nobody else does at the same time."""
    vocabulary, encoders, prototypes = (
        build_spec.vocabulary,
        build_spec.encoders,
        build_spec.config.prototypes,
    )
    work = BankWork(out, plan)
    classifier = TextClassifier.prepare(vocabulary, encoders.image_text)
    builder = _Builder(build_spec, classifier, sheets_folder(out))
    parts, reports, resumed = [], [], 0
    for index, spec in enumerate(vocabulary.classes):
        part = work.get(index)
        resumed += part is not None
        if part is None:
            part = builder.build(index, spec)
            work.put(index, part)
            on_message(
                f"[{index + 1}/{len(vocabulary)}] {ClassReport.from_json(part.metadata['report']).line()}"
            )
        parts.append(part)
        reports.append(ClassReport.from_json(part.metadata["report"]))
    if not any(report.used for report in reports):
        raise InputError("no class got any support image: look at the lines above, or take another source")
    if prototypes.text:
        parts.append(_texts(vocabulary, classifier, encoders))
    metadata = {**plan, "plan": digest(plan), "weights": encoders.describe()["weights"]}
    metadata |= {"report": [report.to_json() for report in reports]}
    metadata |= {} if build_spec.root is None else {"root": str(build_spec.root)}
    bank = merge_banks(parts, clean=prototypes.clean, metadata=metadata)
    write_index(sheets_folder(out), [(report.name, report.summary()) for report in reports])
    work.finish(bank, out)
    return BankBuild(bank, tuple(reports), resumed)


def sheets_folder(out: Path) -> Path:
    """Where the preview sheets of a bank are."""
    return out.with_name(out.name + ".sheets")


def _built(out: Path, plan: str) -> BankBuild:
    """The bank that is at ``out`` already, if it is the one that is wanted."""
    bank = load_bank(out)
    if bank.metadata.get("plan") != plan:
        raise OutputError(
            f"{out} is another bank: give another file, or overwrite=True", parameters=["overwrite"]
        )
    reports = tuple(ClassReport.from_json(entry) for entry in bank.metadata["report"])
    return BankBuild(bank, reports, len(reports))


def _texts(vocabulary: Vocabulary, classifier: TextClassifier, encoders: Encoders) -> PrototypeBank:
    """Names, synonyms and attributes of all classes, the lexicon's among them, as a bank."""

    def encode(texts: Sequence[str]) -> Any:
        names = encoders.image_text
        with torch.inference_mode():
            # Words meet pictures in templates, where the encoder has them.
            if isinstance(names, CosineEncoder):
                return names.encode_words(texts).float().cpu().numpy()
            return names.encode_text(texts).float().cpu().numpy()

    specs = classifier.table.groups[: len(vocabulary)]
    table = text_table(TEXT_SPACE, encoders.fingerprints()[TEXT_SPACE], specs, encode)
    return PrototypeBank(vocabulary.classes, {TEXT_SPACE: table})


class _Builder:
    """Makes the bank of one class after the other."""

    def __init__(self, build_spec: BankBuildSpec, classifier: TextClassifier, sheets: Path) -> None:
        self._build_spec, self._named, self._sheets = build_spec, classifier, sheets
        self._viewer = SupportEncoder(
            build_spec.encoders, classifier, build_spec.config.encoding, build_spec.encode
        )
        clear_sheets(sheets, [spec.name for spec in classifier.vocabulary.classes])

    def build(self, index: int, spec: ClassSpec) -> PrototypeBank:
        """The bank of one class, with its report; its sheet is written before."""
        config, encoders = self._build_spec.config, self._build_spec.encoders
        stuff = bool(self._named.is_stuff[index])
        looked, doubles = self._look(index, spec)
        regions = find_support_regions([one.evidence for one in looked], config.support, stuff=stuff)
        pairs = list(zip(looked, regions, strict=True))
        views = [_view(one, region) for one, region in pairs if region.rejected is None]
        fingerprints = {space.name: encoders.fingerprint(space) for space in encoders.spaces}
        bank = class_bank(spec, views, fingerprints, config.prototypes, stuff=stuff)
        rejected = [
            (one.origin.name, region.rejected) for one, region in pairs if region.rejected is not None
        ]
        rejected += [(double.origin.name, double.reason) for double in doubles]
        count = sum(len(table) for table in bank.tables.values())
        report = ClassReport(spec.name, len(views), tuple(rejected), count)
        write_sheet(self._sheets, index, spec.name, report.summary(), list(_entries(pairs, doubles)))
        return replace(bank, metadata={"report": report.to_json()})

    def _look(self, index: int, spec: ClassSpec) -> tuple[list[_Looked], list[_Double]]:
        """Encode the images of a class; of a picture that comes twice only the first counts."""
        looked: list[_Looked] = []
        doubles: list[_Double] = []
        known: dict[str, str] = {}
        shots, photo_filter = self._build_spec.config.shots, self._build_spec.photo_filter
        lists = bool(photo_filter.allow or photo_filter.deny)
        for image in self._build_spec.source.images(spec, shots * _MORE if lists else shots):
            origin, picture = image.origin, small_picture(image.pixels)
            if not photo_filter.accepts(origin):
                continue
            if origin.sha256 in known:
                doubles.append(_Double(origin, picture, f"the same picture as {known[origin.sha256]}"))
                continue
            known[origin.sha256] = origin.name
            seen = self._viewer.see(image)
            size = (int(image.pixels.shape[0]), int(image.pixels.shape[1]))
            evidence = self._viewer.evidence(seen, image, index)
            looked.append(_Looked(origin, size, picture, pixel_hash(image.pixels), seen, evidence))
            if len(looked) == shots:
                break
        return looked, doubles


def _view(one: _Looked, region: FoundRegion) -> SupportView:
    origin = asdict(one.origin)
    origin["details"] |= {"score": round(region.score, 6), "pixels": one.pixels}
    features = {name: values.numpy() for name, values in one.seen.features.items()}
    record = SupportRecord(0, origin, one.size, one.seen.grid)
    return SupportView(record, region.foreground, region.background, features, one.seen.tokens.numpy())


def _entries(
    pairs: Sequence[tuple[_Looked, FoundRegion]], doubles: Sequence[_Double]
) -> Iterator[SheetEntry]:
    for one, region in pairs:
        origin = one.origin
        yield SheetEntry(
            picture=drawn(one.picture, region.foreground, region.background),
            name=origin.name,
            metadata={"source": origin.source, "licence": origin.licence, **origin.details},
            score=region.score,
            rejected=region.rejected,
        )
    for double in doubles:
        yield SheetEntry(drawn(double.picture), double.origin.name, {}, 0.0, double.reason)
