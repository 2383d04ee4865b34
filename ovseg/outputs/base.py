"""What a writer is given and what it must do; the table of output formats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ovseg.errors import DependencyMissing
from ovseg.outputs.components import Component, connected_components
from ovseg.registry import Registry, registry_of
from ovseg.types import LabelMap
from ovseg.vocabulary import Vocabulary

__all__ = [
    "FORMATS",
    "OutputItem",
    "RunContext",
    "Writer",
    "WriterFactory",
    "make_writers",
    "output_path",
    "require_pycocotools",
    "require_skimage",
]


@dataclass(frozen=True)
class RunContext:
    """What all writers of one run share.

    Attributes:
        out: The run folder.
        vocabulary: Classes in label order (label ``i + 1`` is ``vocabulary.classes[i]``).
        save_scores: Whether segmentations carry their scores.
        has_confidence: Whether their confidence is known; it is not where masks are read back from a run
            folder. Writers then leave scores out and never make one up.
    """

    out: Path
    vocabulary: Vocabulary
    save_scores: bool = False
    has_confidence: bool = True


@dataclass(frozen=True)
class OutputItem:
    """One segmented image on its way to disk.

    Attributes:
        stem: Where its outputs go below each format's folder, without suffix (the input's relative path).
        source: The image file.
        image: (H', W', 3) uint8 RGB, EXIF orientation applied; scaled down where the file is very large.
        size: (H, W) of the image file after EXIF orientation; masks are written at this size.
        segmentation: Its labels are (H', W').
        index: Place of the image among the inputs of the run, from 0.
    """

    stem: PurePosixPath
    source: Path
    image: npt.NDArray[np.uint8]
    size: tuple[int, int]
    segmentation: LabelMap
    index: int = 0

    @cached_property
    def components(self) -> list[Component]:
        """Connected components of the classes; found once, however many formats ask (see ``components``)."""
        return connected_components(self.segmentation)

    @property
    def file_name(self) -> str:
        """Relative POSIX path of the photo, with its suffix."""
        return (self.stem.parent / self.source.name).as_posix()


def output_path(root: Path, stem: PurePosixPath, suffix: str) -> Path:
    """Path of one image's file below ``root``; a dot inside the stem's own name is no suffix and stays."""
    return root.joinpath(*stem.parent.parts, stem.name + suffix)


class Writer(Protocol):
    """One output format of one run.

    ``write`` is called once an image, from a worker thread, in any order; it writes files of that image only,
    atomically, so that a run can be killed at any moment and resumed. Formats of one file for the whole run
    keep a fragment an image below ``OUT/.parts/<format>/`` and join them in ``finish``.
    """

    def write(self, item: OutputItem) -> None:
        """Write what belongs to one image."""
        ...

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path | None:
        """Join fragments (in the order of ``stems``, all images done); return the main file, if there is one.

        ``run`` is the content of run.json.
        """
        ...


WriterFactory = Callable[..., Writer]
"""Makes the writer of a format for one run of a ``RunContext`` and, where the format declares settings, an
instance of them; raises ``DependencyMissing`` before the first image."""

FORMATS: Registry[WriterFactory] = registry_of("format")
"""Output formats by the name that ``--format`` takes. Tags: ``mask-only`` (needs no photo), ``scores`` (needs
the scores of all classes), ``objects`` (of discovery alone)."""


def make_writers(
    names: Iterable[str], context: RunContext, options: Mapping[str, Any] | None = None
) -> dict[str, Writer]:
    """The writers of one run, by format.

    Args:
        names: Formats.
        context: What they share.
        options: Settings by format, instances of what the formats declare; defaults elsewhere.

    Raises:
        UnknownName, DependencyMissing, UsageError: For a format.
    """
    writers = {}
    for name in names:
        factory, declared = FORMATS.get(name), FORMATS.about(name).settings
        own = () if declared is None else ((options or {}).get(name) or declared(),)
        writers[name] = factory(context, *own)
    return writers


def require_skimage(name: str) -> None:
    """Make sure, before the first image, that scikit-image is there.

    Args:
        name: The format that needs it.

    Raises:
        DependencyMissing: It is not.
    """
    _require(name, "skimage.measure", "scikit-image")


def require_pycocotools(name: str) -> None:
    """The same for pycocotools."""
    _require(name, "pycocotools.mask", "pycocotools")


def _require(name: str, module: str, package: str) -> None:
    try:
        import_module(module)
    except ImportError as error:
        raise DependencyMissing(
            f"the output format {name!r} needs {package}: pip install {package}"
        ) from error
