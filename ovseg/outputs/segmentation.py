"""The result of segmenting one image, with what users do with it: save, look at, hand on."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.errors import DependencyMissing, InputError, UsageError
from ovseg.images import ImageLike, as_image
from ovseg.outputs.base import OutputItem
from ovseg.outputs.legend import legend_entries, percent
from ovseg.outputs.masks import write_mask
from ovseg.outputs.overlay import draw_overlay, save_overlay
from ovseg.outputs.pages import data_url, render
from ovseg.outputs.palette import voc_palette
from ovseg.outputs.resampling import nearest_index, upscaled_bands
from ovseg.types import LabelMap

if TYPE_CHECKING:
    import supervision

__all__ = ["Segmentation"]

_BY_SUFFIX: dict[str, Literal["mask", "overlay"]] = {".png": "mask", ".jpg": "overlay", ".jpeg": "overlay"}
_THUMBNAIL = 320
"""Longer side in pixels of the label map that a notebook shows."""


@dataclass(frozen=True, repr=False, eq=False)
class Segmentation(LabelMap):
    """What every pixel of one image is.

    ``labels``, ``confidence``, ``names``, ``scores`` and ``details`` are those of :class:`LabelMap`, and so
    are ``mask(name)``, ``label(name)`` and ``shares()``.

    Attributes:
        source: The image file, where there was one.
    """

    source: Path | None = None

    def save(
        self,
        path: str | Path,
        format: Literal["mask", "overlay"] | None = None,
        *,
        image: ImageLike | None = None,
    ) -> Path:
        """Save the label map or the overlay, atomically, as ``ovseg segment`` writes them.

        Args:
            path: Where to; missing folders are made.
            format: ``mask``: indexed PNG with the VOC palette (16-bit grey from 255 classes on). ``overlay``:
                JPEG of the image with its classes and a legend. None: by the suffix, ``.png`` or ``.jpg``.
            image: The image that was segmented, for an overlay; None: ``source``.

        Returns:
            ``path``.

        Raises:
            UsageError: Neither ``format`` nor the suffix says what to save; or an overlay without an image.
            InputError: ``image`` is not the image that was segmented.
            OutputError: The file cannot be written.
        """
        path = Path(path)
        chosen = format or _BY_SUFFIX.get(path.suffix.lower())
        if chosen == "mask":
            write_mask(path, self.labels, self._size)
        elif chosen == "overlay":
            save_overlay(path, self.overlay(image))
        else:
            raise UsageError(
                f"cannot save {path} as {format or 'its suffix says'}: end its name with .png (mask) or .jpg"
                " (overlay), or pass format='mask' or format='overlay'"
            )
        return path

    def overlay(self, image: ImageLike | None = None) -> Image.Image:
        """Draw the image with its classes and a legend.

        Args:
            image: The image that was segmented; None: read again from ``source``.

        Returns:
            RGB image; its photo's longer side is 480 to 1280 pixels.

        Raises:
            UsageError: There is no ``source``, and no image is given.
            InputError: It is not the image that was segmented, or it cannot be read.
        """
        if image is None and self.source is None:
            raise UsageError("an overlay is drawn on the image: pass the one that was segmented, image=…")
        loaded = as_image(self.source if image is None else image)  # type: ignore[arg-type]
        if loaded.size != self._size:
            raise InputError(
                f"the image has {loaded.size[1]}x{loaded.size[0]} pixels, the result"
                f" {self._size[1]}x{self._size[0]}: pass the image that was segmented"
            )
        source = self.source or Path("image")
        item = OutputItem(PurePosixPath(source.stem), source, loaded.pixels, loaded.size, self)
        return draw_overlay(item)

    def to_supervision(self) -> supervision.Detections:
        """Convert to ``supervision.Detections``: one for each class that occurs, without background and void.

        ``class_id`` is the label, ``mask`` the mask of the class, ``confidence`` the mean confidence of its
        pixels, and ``data["class_name"]`` its name.

        Raises:
            DependencyMissing: supervision is not installed.
        """
        try:
            import supervision
        except ImportError as error:
            raise DependencyMissing(
                "to_supervision needs the package supervision: run  pip install supervision"
            ) from error
        labels = [label for label in self.shares() if label not in (0, self.void)]
        if not labels:
            return supervision.Detections.empty()
        masks = np.stack([self.labels == label for label in labels])
        confidence = [float(self.confidence[mask].mean(dtype=np.float64)) for mask in masks]
        return supervision.Detections(
            xyxy=supervision.mask_to_xyxy(masks),
            mask=masks,
            confidence=np.array(confidence, np.float32),
            class_id=np.array(labels),
            data={"class_name": np.array([self.names[label] for label in labels])},
        )

    def at_size(self, size: tuple[int, int]) -> Segmentation:
        """Return the same at (H, W), enlarged by nearest neighbour, as masks of large photos are."""
        if size == self._size:
            return self
        return replace(self, labels=_enlarged(self.labels, size), confidence=_enlarged(self.confidence, size))

    @property
    def _size(self) -> tuple[int, int]:
        return self.labels.shape[0], self.labels.shape[1]

    def _thumbnail(self) -> Image.Image:
        """Draw the label map alone in the colours of masks, at most 320 pixels long."""
        scale = min(1, _THUMBNAIL / max(self._size))
        rows, columns = (nearest_index(max(1, round(side * scale)), side) for side in self._size)
        small = self.labels[rows][:, columns]
        colours = voc_palette(self.void + 1) if small.dtype == np.uint16 else voc_palette()
        return Image.fromarray(colours[small])

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self._thumbnail().save(stream, "PNG")
        return stream.getvalue()

    def _repr_html_(self) -> str:
        values: dict[str, Any] = {
            "picture": data_url(self._thumbnail(), "PNG"),
            "size": self._size,
            "entries": [(entry.label, entry.name, percent(entry.share)) for entry in legend_entries(self)],
        }
        return "".join(render("segmentation.html", **values))


def _enlarged(values: npt.NDArray[Any], size: tuple[int, int]) -> npt.NDArray[Any]:
    return np.concatenate(list(upscaled_bands(values, size)))
