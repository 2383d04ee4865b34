"""Formats of object discovery: ``boxes``, ``objects`` (COCO JSON) and ``eigenvectors`` (pictures).

Objects may overlap and come with a score, which a label map cannot say. Where a segmentation brings its
regions along (``details["regions"]``, best first) these are written; otherwise its connected components are.
"""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.errors import UsageError
from ovseg.files import atomic_path
from ovseg.outputs.base import OutputItem, RunContext, output_path, require_pycocotools
from ovseg.outputs.coco import coco_file
from ovseg.outputs.fragments import Fragments, JsonListStream, open_text
from ovseg.outputs.runlengths import Placement, compress
from ovseg.types import Region

__all__ = ["DISCOVERY", "BoxesWriter", "EigenvectorWriter", "ObjectsWriter", "objects_of"]

DIGITS = 4
DISCOVERY = "discovery"
"""Source of the vocabulary of a run of ``ovseg discover``, whose classes are ranks of objects."""
EIGENVECTOR_SIDE = 480
"""Longer side of the pictures of eigenvectors, in pixels."""


def objects_of(item: OutputItem) -> list[Region]:
    """Objects of one image, best first, on the raster of its label map."""
    regions = item.segmentation.details.get("regions")
    if regions is not None:
        return list(regions)
    found = []
    for component in item.components:
        mask = np.zeros(item.segmentation.labels.shape, dtype=bool)
        x0, y0, x1, y1 = component.box
        mask[y0:y1, x0:x1] = component.mask
        found.append(Region(mask, component.score, component.box, component.area))
    return sorted(found, key=lambda region: -region.score)


class _ObjectFiles:
    """What both JSON formats keep of an image."""

    def __init__(self, context: RunContext, name: str) -> None:
        require_pycocotools(name)
        self._out = context.out
        self._fragments = Fragments(context.out, name)

    def write(self, item: OutputItem) -> None:
        """Keep the objects of one image, in pixels of its file."""
        placement = Placement(item.segmentation.labels.shape, item.size)
        objects = []
        for region in objects_of(item):
            x0, y0, x1, y1 = region.box
            counts = placement.run_lengths(region.mask[y0:y1, x0:x1], region.box)
            objects.append(
                {
                    "segmentation": compress(counts, item.size),
                    "area": int(counts[1::2].sum()),
                    "bbox": list(placement.box(region.box)),
                    "score": round(region.score, DIGITS),
                }
            )
        image = {"file_name": item.file_name, "height": item.size[0], "width": item.size[1]}
        self._fragments.write(item.stem, {"image": image, "objects": objects})


class BoxesWriter(_ObjectFiles):
    """``OUT/boxes.json``: relative path of a photo to its objects, best first.

    Each is ``{"box": [x0, y0, x1, y1], "score": …, "area": …}`` in pixels of the file, right and lower ends
    exclusive, area that of the mask. A photo in which nothing was found has an empty list.
    """

    def __init__(self, context: RunContext) -> None:
        super().__init__(context, "boxes")

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        """Join what the images left."""
        path = self._out / "boxes.json"
        with open_text(path) as stream:
            separator = "{\n"
            for fragment in self._fragments.read(stems):
                boxes = []
                for found in fragment["objects"]:
                    x, y, width, height = found["bbox"]
                    box = [x, y, x + width, y + height]
                    boxes.append({"box": box, "score": found["score"], "area": found["area"]})
                name = json.dumps(fragment["image"]["file_name"], ensure_ascii=False)
                stream.write(f"{separator}{name}: {json.dumps(boxes)}")
                separator = ",\n"
            stream.write("\n}\n")
        return path


class ObjectsWriter(_ObjectFiles):
    """``OUT/objects.json``: COCO instances of the one category ``object``, with scores; overlaps are kept."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(context, "objects")

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path:
        """Number and join what the images left."""
        path = self._out / "objects.json"
        with coco_file(path, self._fragments.read(stems)) as stream:
            annotations = JsonListStream(stream, "annotations")
            identifier = 0
            for number, fragment in enumerate(self._fragments.read(stems), start=1):
                for found in fragment["objects"]:
                    identifier += 1
                    entry = {"id": identifier, "image_id": number, "category_id": 1, "iscrowd": 0}
                    annotations.append(entry | found)
            annotations.close(",")
            categories = JsonListStream(stream, "categories")
            categories.append({"id": 1, "name": "object"})
            categories.close("}")
        return path


class EigenvectorWriter:
    """``OUT/eigenvectors/<stem>.png``: the eigenvector of every cut, side by side.

    Orange is the object's side, blue the other one, white the mean, at which it is cut.

    Raises:
        UsageError: The run cuts nothing: it is no run of discovery, or a conversion of its masks.
    """

    def __init__(self, context: RunContext) -> None:
        if context.vocabulary.source != DISCOVERY or not context.has_confidence:
            raise UsageError(
                "the format 'eigenvectors' needs the cuts themselves: run ovseg discover -f eigenvectors"
            )
        self._root = context.out / "eigenvectors"

    def write(self, item: OutputItem) -> None:
        """Draw one image's eigenvectors; nothing for an image without any."""
        vectors = item.segmentation.details.get("eigenvectors", ())
        if not vectors:
            return
        pictures = np.concatenate([_picture(vector) for vector in vectors], axis=1)
        with atomic_path(output_path(self._root, item.stem, ".png")) as temporary:
            Image.fromarray(pictures).save(temporary)

    def finish(self, stems: list[PurePosixPath], run: dict[str, Any]) -> Path | None:
        """Nothing is left to do."""
        return None


def _picture(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """(h, w) eigenvector as RGB, cells as squares."""
    centred = vector - vector.mean()
    share = np.clip(centred / max(float(np.abs(centred).max()), 1e-12), -1, 1)[..., None]
    warm, cold, white = (np.array(c, np.float32) for c in ((230, 97, 1), (33, 102, 172), (255, 255, 255)))
    colours = white + np.abs(share) * (np.where(share > 0, warm, cold) - white)
    factor = max(1, EIGENVECTOR_SIDE // max(vector.shape))
    return np.kron(colours.astype(np.uint8), np.ones((factor, factor, 1), np.uint8))
