"""Format ``panoptic``: COCO panoptic, a picture of segment numbers an image and one JSON for the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from ovseg.outputs.base import OutputItem, RunContext, output_path, require_skimage
from ovseg.outputs.coco import coco_file
from ovseg.outputs.components import Component
from ovseg.outputs.fragments import Fragments, JsonListStream
from ovseg.outputs.palette import voc_palette
from ovseg.outputs.pngstream import Colour, write_png
from ovseg.outputs.resampling import upscaled_bands
from ovseg.outputs.runlengths import Placement
from ovseg.vocabulary import Vocabulary

__all__ = ["PanopticWriter", "segments"]

PANOPTIC = "panoptic"


def segments(components: list[Component], vocabulary: Vocabulary) -> list[list[Component]]:
    """Pieces by segment: each piece of a thing is one, all pieces of any other class together are one.

    A class of unknown kind counts as stuff: its pieces may be parts of one object, so none is claimed to be.
    """
    whole: dict[int, list[Component]] = {}
    found: list[list[Component]] = []
    for component in components:
        if vocabulary.classes[component.label - 1].kind == "thing":
            found.append([component])
        elif component.label in whole:
            whole[component.label].append(component)
        else:
            whole[component.label] = [component]
            found.append(whole[component.label])
    return found


class PanopticWriter:
    """``OUT/panoptic/<stem>.png`` (id = R + 256 G + 256² B) and ``OUT/panoptic.json``.

    Id 0 is what has no segment: background, and pixels without an answer.
    """

    def __init__(self, context: RunContext) -> None:
        require_skimage("panoptic")
        self._context = context
        self._fragments = Fragments(context.out, PANOPTIC)

    def write(self, item: OutputItem) -> None:
        """Write the picture of one image and keep what its segments are."""
        shape = item.segmentation.labels.shape
        placement = Placement(shape, item.size)
        numbers = np.zeros(shape, np.uint32)
        found = segments(item.components, self._context.vocabulary)
        for number, pieces in enumerate(found, start=1):
            for piece in pieces:
                x0, y0, x1, y1 = piece.box
                numbers[y0:y1, x0:x1][piece.mask] = number
        areas = np.bincount(numbers.ravel(), weights=placement.areas().ravel())
        infos = [
            {
                "id": number,
                "category_id": pieces[0].label,
                "area": int(areas[number]),
                "bbox": list(placement.box(_union(pieces))),
                "iscrowd": 0,
            }
            for number, pieces in enumerate(found, start=1)
        ]
        path = output_path(self._context.out / PANOPTIC, item.stem, ".png")
        write_png(path, item.size, _coloured(upscaled_bands(numbers, item.size)), Colour.RGB)
        picture = {"file_name": item.file_name, "height": item.size[0], "width": item.size[1]}
        annotation = {"file_name": item.stem.as_posix() + ".png", "segments_info": infos}
        self._fragments.write(item.stem, {"image": picture, "annotation": annotation})

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        """Number and join what the images left."""
        path = self._context.out / f"{PANOPTIC}.json"
        with coco_file(path, self._fragments.read(stems)) as stream:
            annotations = JsonListStream(stream, "annotations")
            for number, fragment in enumerate(self._fragments.read(stems), start=1):
                annotations.append({"image_id": number, **fragment["annotation"]})
            annotations.close(",")
            categories = JsonListStream(stream, "categories")
            colours = voc_palette(len(self._context.vocabulary) + 1).tolist()
            for label, spec in enumerate(self._context.vocabulary.classes, start=1):
                thing = int(spec.kind == "thing")
                categories.append({"id": label, "name": spec.name, "isthing": thing, "color": colours[label]})
            categories.close("}")
        return path


def _union(pieces: list[Component]) -> tuple[int, int, int, int]:
    boxes = np.array([piece.box for piece in pieces])
    (x0, y0), (x1, y1) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    return int(x0), int(y0), int(x1), int(y1)


def _coloured(bands: Iterator[npt.NDArray[Any]]) -> Iterator[npt.NDArray[np.uint8]]:
    for band in bands:
        yield np.stack((band & 255, band >> 8 & 255, band >> 16 & 255), axis=-1).astype(np.uint8)
