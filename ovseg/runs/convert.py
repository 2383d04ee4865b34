"""Other formats from the masks of a run, without segmenting anything again."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.errors import InputError, OutputError, reason
from ovseg.images import ImageLimits, load_image, working_size
from ovseg.outputs import FORMATS, OutputItem, RunContext, make_writers
from ovseg.outputs.fragments import PARTS
from ovseg.progress import Progress, Silent
from ovseg.runs.journal import Line, read_journal
from ovseg.runs.summary import Failure, RunSummary
from ovseg.types import LabelMap, void_index
from ovseg.vocabulary import ClassSpec, Vocabulary

__all__ = ["CONVERTED", "convert_run"]

CONVERTED = "converted"
"""Folder inside a run folder where conversions go if no other is named."""


def convert_run(
    run: Path,
    formats: Sequence[str],
    out: Path | None = None,
    progress: Progress | None = None,
    options: Mapping[str, Any] | None = None,
) -> RunSummary:
    """Write the masks of a finished run in other formats.

    The writers are those of ``run_segmentation``. Masks hold no confidence, so that none is written: COCO
    annotations have no ``score``, the report shows shares only. The run itself is not changed.

    Args:
        run: A run folder with masks (format ``png``).
        formats: Formats by name; all but ``scores``.
        out: Where to; default ``RUN/converted``.
        progress: Is told how far it is.
        options: Settings by format, instances of what the formats declare; defaults elsewhere.

    Returns:
        What has come of it. An image whose mask, or whose photo where a format draws it, cannot be read is a
        failure in it.

    Raises:
        InputError: ``run`` is no run folder, or has no masks.
        UnknownName, DependencyMissing, UsageError: For a format; before anything is written.
        OutputError: ``out`` cannot be written, or is itself a run folder.
    """
    started = time.perf_counter()
    progress = progress or Silent()
    out = out or run / CONVERTED
    manifest = _manifest(run)
    vocabulary = _vocabulary(run, manifest)
    lines = [line for line in read_journal(run / "images.jsonl").values() if "png" in line.get("files", {})]
    if not lines:
        raise InputError(f"{run} has no masks: run  ovseg segment --format png  first")
    if (out / "run.json").exists():
        raise OutputError(f"{out} is a run folder: give another folder, what belongs to a run stays as it is")
    context = RunContext(out=out, vocabulary=vocabulary, has_confidence=False)
    writers = make_writers(formats, context, options)
    with_photo = any("mask-only" not in FORMATS.about(name).tags for name in formats)
    limit = manifest["config"].get("images", {}).get("working_pixels", ImageLimits.working_pixels)

    progress.start(len(lines), 0)
    done: list[PurePosixPath] = []
    failures: list[Failure] = []
    for index, line in enumerate(lines):
        try:
            item = _item(run, line, index, vocabulary, limit, with_photo=with_photo)
        except InputError as error:
            failures.append(Failure(Path(line["path"]), str(error)))
            progress.advance(str(error))
            continue
        for writer in writers.values():
            writer.write(item)
        done.append(item.stem)
        progress.advance()
    paths = {name: writer.finish(done, manifest) for name, writer in writers.items()} if done else {}
    # A conversion starts anew each time, so that its fragments are of no more use.
    shutil.rmtree(out / PARTS, ignore_errors=True)
    return RunSummary(
        out=out,
        images=len(lines),
        done=len(done),
        skipped=0,
        failures=tuple(failures),
        seconds=time.perf_counter() - started,
        outputs={name: path for name, path in paths.items() if path is not None},
    )


def _manifest(run: Path) -> dict[str, Any]:
    path = run / "run.json"
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{run} is no run folder: it has no run.json") from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    if not isinstance(content, dict) or not isinstance(content.get("config"), dict):
        raise InputError(f"cannot read {path}: it is not a run.json of ovseg")
    return content


def _vocabulary(run: Path, manifest: Mapping[str, Any]) -> Vocabulary:
    """The classes of the run, with what is known about them."""
    known = {field.name for field in fields(ClassSpec)}
    try:
        table = manifest["config"]["vocabulary"]
        return Vocabulary(
            classes=tuple(
                ClassSpec(**{key: _frozen(value) for key, value in entry.items() if key in known})
                for entry in table["classes"]
            ),
            background=tuple(table["background"]),
            has_background=bool(table["has_background"]),
            source=str(manifest.get("vocabulary", "run")),  # a run that was killed has not said it yet
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"cannot read {run / 'run.json'}: its vocabulary is damaged ({error!r})") from error


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _item(
    run: Path, line: Line, index: int, vocabulary: Vocabulary, limit: int, *, with_photo: bool
) -> OutputItem:
    """One image as the run had it, confidence apart."""
    source, size = Path(line["path"]), (int(line["size"][0]), int(line["size"][1]))
    width, height = working_size(size[1], size[0], limit)
    # The mask was enlarged by nearest neighbour; the same rule backwards gives the labels that were enlarged.
    labels = _labels(run / line["files"]["png"][0], size, (height, width), vocabulary)
    image: npt.NDArray[np.uint8] = np.broadcast_to(np.uint8(0), (height, width, 3))
    if with_photo:
        loaded = load_image(source, working_pixels=limit)
        if loaded.size != size:
            raise InputError(f"{source} is not the photo that was segmented: its size has changed")
        image = loaded.pixels
    return OutputItem(
        stem=PurePosixPath(line["stem"]),
        source=source,
        image=image,
        size=size,
        segmentation=LabelMap(labels, np.zeros(labels.shape, np.float16), vocabulary.names),
        index=index,
    )


def _labels(
    path: Path, size: tuple[int, int], shape: tuple[int, int], vocabulary: Vocabulary
) -> npt.NDArray[Any]:
    """Labels of a mask file at ``shape``, checked: it may have been edited since."""
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path, formats=["PNG"]) as mask:
            if (mask.height, mask.width) != size:
                raise InputError(f"cannot read {path}: it has not the size of its photo")
            fitted = mask if size == shape else mask.resize(shape[::-1], Image.Resampling.NEAREST)
            labels = np.asarray(fitted)
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"cannot read {path}: {reason(error)}") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit
    void = void_index(len(vocabulary))
    labels = labels.astype(np.uint8 if void == void_index(0) else np.uint16)
    if ((labels > len(vocabulary)) & (labels != void)).any():
        raise InputError(f"cannot read {path}: it has labels that classes.json has not")
    return labels
