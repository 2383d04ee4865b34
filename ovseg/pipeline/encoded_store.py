"""Encoded images on disk, so that one encoding serves many questions, also after a break."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.config import SegmentConfig
from ovseg.encoders.base import Space
from ovseg.encoders.presets import Encoders
from ovseg.errors import BankMismatch
from ovseg.files import digest
from ovseg.matching.looks import Looks
from ovseg.pipeline.encode import EncodedImage, encode_image
from ovseg.pipeline.stopwatch import Stopwatch
from ovseg.sealed import read_sealed, write_sealed
from ovseg.version import __version__

__all__ = ["EncodedStore"]

_KIND, _VERSION = "encoded image", 1
_LOOKS = tuple(field.name for field in fields(Looks))


class EncodedStore:
    """Encodes images, and keeps what comes out in a folder; per-cell features in half precision.

    Args:
        folder: Where; files of other encoders, settings or pixels are made anew.
        encoders: A loaded preset.
        config: How images are encoded.
        spaces: Of prototypes.
    """

    def __init__(
        self, folder: Path, encoders: Encoders, config: SegmentConfig, spaces: Sequence[Space] = ()
    ) -> None:
        self.folder = folder
        self._encoders, self._config, self._spaces = encoders, config, tuple(spaces)
        self._watch = Stopwatch(encoders.device)
        self._identity = digest(
            {
                "ovseg": __version__,
                "names": encoders.names.describe(),
                "shape": encoders.shape.describe(),
                "spaces": sorted((encoders.identity(space) for space in self._spaces), key=digest),
                "settings": config.encoding,
            }
        )

    @torch.inference_mode()
    def get(self, name: str, pixels: npt.NDArray[np.uint8]) -> EncodedImage:
        """The encoding of an image, made now unless it is kept.

        Args:
            name: Of the image, unlike that of any other; its file's name follows from it.
            pixels: (H, W, 3) uint8 RGB.
        """
        path = self.folder / f"{digest(name)[:32]}.safetensors"
        size = list(pixels.shape[:2])
        about = {
            "identity": self._identity,
            "pixels": hashlib.sha256(pixels.tobytes()).hexdigest(),
            "size": size,
        }
        kept = _read(path, about, self._encoders.device)
        if kept is None:
            made = encode_image(pixels, self._encoders, self._config, self._watch, spaces=self._spaces)
            write_sealed(path, _KIND, _VERSION, about, _arrays(made))
            kept = _read(path, about, self._encoders.device)
            if kept is None:
                raise BankMismatch(f"cannot read {path} that was just written: is the disk sound?")
        return kept


def _arrays(encoded: EncodedImage) -> dict[str, npt.NDArray[Any]]:
    half = {"text": encoded.text, "tokens": encoded.tokens}
    half |= {f"visual/{name}": values for name, values in encoded.visual.items()}
    single = {f"looks/{name}": getattr(encoded.looks, name) for name in _LOOKS}
    single |= {"whole": encoded.whole, "crops": encoded.crops}
    if encoded.foreground is not None:
        single["foreground"] = encoded.foreground
    return (
        {"grid": np.array(encoded.grid, np.int32)}
        | {name: values.cpu().numpy().astype(np.float16) for name, values in half.items()}
        | {name: values.cpu().numpy().astype(np.float32) for name, values in single.items()}
    )


def _read(path: Path, about: dict[str, Any], device: torch.device) -> EncodedImage | None:
    """What is kept, or None where nothing is that fits and is whole."""
    if not path.is_file():
        return None
    try:
        _, found, arrays = read_sealed(path, _KIND, _VERSION)
    except BankMismatch:
        return None
    if found != about:
        return None
    tensors = {name: torch.from_numpy(values.astype(np.float32)) for name, values in arrays.items()}
    tensors = {name: values.to(device) for name, values in tensors.items() if name != "grid"}
    rows, columns = arrays["grid"].tolist()
    return EncodedImage(
        grid=(rows, columns),
        text=tensors["text"],
        whole=tensors["whole"],
        crops=tensors["crops"],
        foreground=tensors.get("foreground"),
        looks=Looks(**{name: tensors[f"looks/{name}"] for name in _LOOKS}),
        tokens=tensors["tokens"],
        visual={name[7:]: values for name, values in tensors.items() if name.startswith("visual/")},
    )
