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
from ovseg.encoders.presets import TEXT_SPACE, Preset
from ovseg.errors import InputError, OutputError, UsageError
from ovseg.file_locks import waiting_lock
from ovseg.files import digest
from ovseg.matching.prompts import TextClassifier
from ovseg.outputs.support_sheet import (
    SheetEntry,
    clear_sheets,
    drawn,
    small_picture,
    write_index,
    write_sheet,
)
from ovseg.pipeline.bank_build import BankBuild, BankBuildSpec, ClassReport
from ovseg.pipeline.bank_matching import pixel_hash
from ovseg.pipeline.bank_work import BankWork
from ovseg.pipeline.support_encoder import EncodedSupport, SupportEncoder
from ovseg.pipeline.text_classifier import text_classifier
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

_OVERSAMPLING = 8
"""Times the shots that a source is asked for where allow or deny lists may drop some."""


@dataclass(frozen=True)
class _Candidate:
    """An encoded support image; of its pixels only a small picture and their hash are kept."""

    origin: Origin
    size: tuple[int, int]
    picture: npt.NDArray[np.uint8]
    pixels: str
    encoded: EncodedSupport
    evidence: SupportEvidence


@dataclass(frozen=True)
class _Duplicate:
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
            f"the preset {build_spec.encoders.name} has no features for prototypes: choose another preset"
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
    """Build the bank, or what is missing of it, while holding its lock."""
    vocabulary, encoders, config = build_spec.vocabulary, build_spec.encoders, build_spec.config
    work = BankWork(out, plan)
    classifier = text_classifier(vocabulary, encoders.image_text, config.fusion)
    builder = _Builder(build_spec, classifier, sheets_folder(out))
    banks, reports, resumed = [], [], 0
    for index, spec in enumerate(vocabulary.classes):
        bank = work.get(index)
        resumed += bank is not None
        if bank is None:
            bank = builder.build(index, spec)
            work.put(index, bank)
            on_message(
                f"[{index + 1}/{len(vocabulary)}] {ClassReport.from_json(bank.metadata['report']).line()}"
            )
        banks.append(bank)
        reports.append(ClassReport.from_json(bank.metadata["report"]))
    if not any(report.used for report in reports):
        raise InputError("no class got any support image: look at the lines above, or take another source")
    if config.prototypes.text:
        banks.append(_texts(vocabulary, classifier, encoders))
    metadata = {**plan, "plan": digest(plan), "weights": encoders.describe()["weights"]}
    metadata |= {"report": [report.to_json() for report in reports]}
    metadata |= {} if build_spec.root is None else {"root": str(build_spec.root)}
    bank = merge_banks(banks, clean=config.prototypes.clean, metadata=metadata)
    write_index(sheets_folder(out), [(report.name, report.summary()) for report in reports])
    work.finish(bank, out)
    return BankBuild(replace(bank, path=out), tuple(reports), resumed)


def sheets_folder(out: Path) -> Path:
    """Return where the preview sheets of a bank are."""
    return out.with_name(out.name + ".sheets")


def _built(out: Path, plan: str) -> BankBuild:
    """Return the bank that is at ``out`` already, if it has the plan."""
    bank = load_bank(out)
    if bank.metadata.get("plan") != plan:
        raise OutputError(
            f"{out} is another bank: give another file, or overwrite=True", parameters=["overwrite"]
        )
    reports = tuple(ClassReport.from_json(entry) for entry in bank.metadata["report"])
    return BankBuild(bank, reports, len(reports))


def _texts(vocabulary: Vocabulary, classifier: TextClassifier, encoders: Preset) -> PrototypeBank:
    """Return names, synonyms and attributes of all classes, the lexicon's among them, as a bank."""

    def encode(texts: Sequence[str]) -> Any:
        image_text = encoders.image_text
        with torch.inference_mode():
            # Words meet pictures in templates, where the encoder has them.
            if isinstance(image_text, CosineEncoder):
                return image_text.encode_words(texts).float().cpu().numpy()
            return image_text.encode_text(texts).float().cpu().numpy()

    specs = classifier.table.groups[: len(vocabulary)]
    table = text_table(TEXT_SPACE, encoders.fingerprints()[TEXT_SPACE], specs, encode)
    return PrototypeBank(vocabulary.classes, {TEXT_SPACE: table})


class _Builder:
    """Makes the bank of one class after the other."""

    def __init__(self, build_spec: BankBuildSpec, classifier: TextClassifier, sheets: Path) -> None:
        self._build_spec, self._classifier, self._sheets = build_spec, classifier, sheets
        config = build_spec.config
        self._encoder = SupportEncoder(
            build_spec.encoders, classifier, config.encoding, config.fusion, build_spec.encode
        )
        clear_sheets(sheets, [spec.name for spec in classifier.vocabulary.classes])

    def build(self, index: int, spec: ClassSpec) -> PrototypeBank:
        """Return the bank of one class, with its report; its sheet is written before."""
        config, encoders = self._build_spec.config, self._build_spec.encoders
        stuff = bool(self._classifier.is_stuff[index])
        candidates, duplicates = self._candidates(index, spec)
        regions = find_support_regions(
            [candidate.evidence for candidate in candidates], config.support, stuff=stuff
        )
        pairs = list(zip(candidates, regions, strict=True))
        views = [_view(candidate, region) for candidate, region in pairs if region.rejected is None]
        known = encoders.fingerprints()
        fingerprints = {space.name: known[space.name] for space in encoders.spaces}
        bank = class_bank(spec, views, fingerprints, config.prototypes, stuff=stuff)
        rejected = [
            (candidate.origin.name, region.rejected)
            for candidate, region in pairs
            if region.rejected is not None
        ]
        rejected += [(duplicate.origin.name, duplicate.reason) for duplicate in duplicates]
        count = sum(len(table) for table in bank.tables.values())
        report = ClassReport(spec.name, len(views), tuple(rejected), count)
        write_sheet(self._sheets, index, spec.name, report.summary(), list(_entries(pairs, duplicates)))
        return replace(bank, metadata={"report": report.to_json()})

    def _candidates(self, index: int, spec: ClassSpec) -> tuple[list[_Candidate], list[_Duplicate]]:
        """Encode the images of a class; of a picture that comes twice only the first counts."""
        candidates: list[_Candidate] = []
        duplicates: list[_Duplicate] = []
        known: dict[str, str] = {}
        shots, photo_filter = self._build_spec.config.shots, self._build_spec.photo_filter
        lists = bool(photo_filter.allow or photo_filter.deny)
        for image in self._build_spec.source.images(spec, shots * _OVERSAMPLING if lists else shots):
            origin, picture = image.origin, small_picture(image.pixels)
            if not photo_filter.accepts(origin):
                continue
            if origin.sha256 in known:
                duplicates.append(_Duplicate(origin, picture, f"the same picture as {known[origin.sha256]}"))
                continue
            known[origin.sha256] = origin.name
            encoded = self._encoder.encode(image)
            size = (int(image.pixels.shape[0]), int(image.pixels.shape[1]))
            evidence = self._encoder.evidence(encoded, image, index)
            pixels = pixel_hash(image.pixels)
            candidates.append(_Candidate(origin, size, picture, pixels, encoded, evidence))
            if len(candidates) == shots:
                break
        return candidates, duplicates


def _view(candidate: _Candidate, region: FoundRegion) -> SupportView:
    origin, encoded = asdict(candidate.origin), candidate.encoded
    origin["details"] |= {"score": round(region.score, 6), "pixels": candidate.pixels}
    features = {name: values.numpy() for name, values in encoded.features.items()}
    record = SupportRecord(0, origin, candidate.size, encoded.grid)
    return SupportView(record, region.foreground, region.background, features, encoded.tokens.numpy())


def _entries(
    pairs: Sequence[tuple[_Candidate, FoundRegion]], duplicates: Sequence[_Duplicate]
) -> Iterator[SheetEntry]:
    for candidate, region in pairs:
        origin = candidate.origin
        yield SheetEntry(
            picture=drawn(candidate.picture, region.foreground, region.background),
            name=origin.name,
            metadata={"source": origin.source, "licence": origin.licence, **origin.details},
            score=region.score,
            rejected=region.rejected,
        )
    for duplicate in duplicates:
        yield SheetEntry(drawn(duplicate.picture), duplicate.origin.name, {}, 0.0, duplicate.reason)
