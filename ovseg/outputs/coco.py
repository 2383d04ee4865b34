"""Format ``coco``: connected components of each class as COCO instances with run lengths."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TextIO

from ovseg.outputs.base import OutputItem, RunContext, require_pycocotools, require_skimage
from ovseg.outputs.components import Component
from ovseg.outputs.fragments import Fragments, JsonListStream, open_text
from ovseg.outputs.runlengths import Placement, compress
from ovseg.version import __version__

__all__ = ["CocoWriter", "coco_file"]

INSTANCES = "coco.json"


@contextlib.contextmanager
def coco_file(path: Path, fragments: Iterable[Any]) -> Iterator[TextIO]:
    """Open a COCO file that has its head and its ``images``, numbered from 1; annotations come next.

    Args:
        path: The file.
        fragments: Per image a mapping with ``image``: file name and size.

    Raises:
        OutputError: The file cannot be written, or a fragment not read.
    """
    with open_text(path) as stream:
        stream.write(f'{{"info": {{"description": "made by ovseg {__version__}"}},\n')
        images = JsonListStream(stream, "images")
        for number, fragment in enumerate(fragments, start=1):
            images.append({"id": number, **fragment["image"]})
        images.close(",")
        yield stream


class CocoWriter:
    """``OUT/coco.json``, as pycocotools and annotation tools read it.

    Every piece is one annotation with run lengths and ``iscrowd`` 0 (evaluators ignore crowds); ids count
    from 1 in the order of the images; no licence is claimed for anybody's photos.
    """

    def __init__(self, context: RunContext) -> None:
        require_skimage("coco")
        require_pycocotools("coco")
        self._context = context
        self._fragments = Fragments(context.out, "coco")

    def write(self, item: OutputItem) -> None:
        """Keep one image and its annotations, ids apart."""
        placement = Placement(item.segmentation.labels.shape, item.size)
        annotations = [self._annotation(component, placement) for component in item.components]
        image = {"file_name": item.file_name, "height": item.size[0], "width": item.size[1]}
        self._fragments.write(item.stem, {"image": image, "annotations": annotations})

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        """Number and join what the images left."""
        path = self._context.out / INSTANCES
        with coco_file(path, self._fragments.read(stems)) as stream:
            annotations = JsonListStream(stream, "annotations")
            identifier = 0
            for number, fragment in enumerate(self._fragments.read(stems), start=1):
                for annotation in fragment["annotations"]:
                    identifier += 1
                    annotations.append({"id": identifier, "image_id": number, **annotation})
            annotations.close(",")
            categories = JsonListStream(stream, "categories")
            for label, spec in enumerate(self._context.vocabulary.classes, start=1):
                categories.append({"id": label, "name": spec.name})
            categories.close("}")
        return path

    def _annotation(self, component: Component, placement: Placement) -> dict[str, Any]:
        counts = placement.run_lengths(component.mask, component.box)
        annotation = {
            "category_id": component.label,
            "segmentation": compress(counts, placement.size),
            "area": int(counts[1::2].sum()),
            "bbox": list(placement.box(component.box)),
            "iscrowd": 0,
        }
        if self._context.has_confidence:
            annotation["score"] = round(component.score, 4)
        return annotation
