"""Encoded images on disk, so that one encoding serves many questions, also after a break."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from ovseg.container import container_bytes, read_container
from ovseg.errors import BankMismatch
from ovseg.files import digest, write_bytes
from ovseg.matching.affinity import PatchAffinity
from ovseg.matching.appearance import PatchAppearance
from ovseg.matching.encoded_image import EncodedImage

__all__ = ["EncodingStore"]

MOST_BYTES = 16 << 30
"""Encodings beyond this are not kept but made again; an image of 448 px takes about 8 MB."""
_KIND, _VERSION = "encoded image", 3
_ASPECTS = tuple(field.name for field in fields(PatchAppearance))

Arrays = dict[str, npt.NDArray[Any]]


class EncodingStore:
    """A folder of encodings, features of the patches in half precision.

    What comes out is the same whether it was kept or has just been made: it is rounded either way.

    Args:
        folder: Made when something is kept; nothing else belongs there.
        identity: Whatever decides an encoding beside the image, JSON-able: encoders, spaces, settings.
        affinity_scale: With which encodings were made; affinities are computed again from their tokens.
        most_bytes: Limit of the folder.
    """

    def __init__(
        self, folder: Path, identity: object, affinity_scale: float, most_bytes: int = MOST_BYTES
    ) -> None:
        self.folder = folder
        self._affinity_scale = affinity_scale
        self._identity = digest(identity)
        self._most = most_bytes
        self._bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))

    def get(self, key: str, device: torch.device) -> EncodedImage | None:
        """Return the encoding of the image with that hash, or None; a damaged file counts as none."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            _, about, arrays = read_container(path, _KIND, _VERSION)
        except BankMismatch:
            return None
        return self._unpacked(arrays, device) if about == self._about(key) else None

    def put(self, key: str, encoded: EncodedImage) -> EncodedImage:
        """Keep an encoding, if there is room; returns it as :meth:`get` will."""
        arrays = _packed(encoded)
        data = container_bytes(_KIND, _VERSION, self._about(key), arrays)
        path = self._path(key)
        there = path.stat().st_size if path.is_file() else 0
        if self._bytes - there + len(data) <= self._most:
            write_bytes(path, data)
            self._bytes += len(data) - there
        return self._unpacked(arrays, encoded.tokens.device)

    def _path(self, key: str) -> Path:
        return self.folder / f"{digest([self._identity, key])}.safetensors"

    def _about(self, key: str) -> dict[str, str]:
        return {"identity": self._identity, "image": key}

    def _unpacked(self, arrays: Arrays, device: torch.device) -> EncodedImage:
        tensors = {
            name: torch.from_numpy(values.astype(np.float32)).to(device)
            for name, values in arrays.items()
            if name != "grid"
        }
        rows, columns = arrays["grid"].tolist()
        return EncodedImage(
            grid=(rows, columns),
            text_features=tensors["text_features"],
            image_features=tensors["image_features"],
            foreground=tensors.get("foreground"),
            appearance=PatchAppearance(**{name: tensors[f"appearance/{name}"] for name in _ASPECTS}),
            tokens=tensors["tokens"],
            affinity=PatchAffinity(tensors["tokens"], self._affinity_scale),
            prototype_features={
                name.removeprefix("prototype_features/"): values
                for name, values in tensors.items()
                if name.startswith("prototype_features/")
            },
            crop_features=tensors["crop_features"],
        )


def _packed(encoded: EncodedImage) -> Arrays:
    half = {"text_features": encoded.text_features, "tokens": encoded.tokens}
    half |= {f"prototype_features/{name}": values for name, values in encoded.prototype_features.items()}
    single = {f"appearance/{name}": getattr(encoded.appearance, name) for name in _ASPECTS}
    single |= {"image_features": encoded.image_features, "crop_features": encoded.crop_features}
    if encoded.foreground is not None:
        single["foreground"] = encoded.foreground
    return (
        {"grid": np.array(encoded.grid, np.int32)}
        | {name: values.cpu().numpy().astype(np.float16) for name, values in half.items()}
        | {name: values.cpu().numpy().astype(np.float32) for name, values in single.items()}
    )
