"""Encoded images on disk, for what goes over the same images more than once."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from ovseg.files import digest, write_bytes
from ovseg.matching.looks import Looks
from ovseg.pipeline.encode import EncodedImage

__all__ = ["EncodingStore"]

MOST_BYTES = 16 << 30
"""Encodings beyond this are not kept but made again; an image of 448 px takes about 8 MB."""


class EncodingStore:
    """A folder of encodings in half precision.

    What comes out is the same whether it was kept or has just been made: it is rounded either way.

    Args:
        folder: Made when something is kept; nothing else belongs there.
        identity: Whatever decides an encoding beside the image, JSON-able: encoders, spaces, settings.
        most_bytes: Limit of the folder.
    """

    def __init__(self, folder: Path, identity: object, most_bytes: int = MOST_BYTES) -> None:
        self.folder = folder
        self._identity = digest(identity)
        self._most = most_bytes
        self._bytes = sum(path.stat().st_size for path in folder.glob("*.safetensors"))

    def get(self, key: str, device: torch.device) -> EncodedImage | None:
        """The encoding of the image with that hash, or None; a damaged file counts as none."""
        path = self._path(key)
        if not path.is_file():
            return None
        try:
            return _unpacked(load(path.read_bytes()), device)
        except (SafetensorError, KeyError, RuntimeError):
            return None

    def put(self, key: str, encoded: EncodedImage) -> EncodedImage:
        """Keep an encoding, if there is room; returns it as :meth:`get` will."""
        data = save(_packed(encoded))
        if self._bytes + len(data) <= self._most:
            write_bytes(self._path(key), data)
            self._bytes += len(data)
        return _unpacked(load(data), encoded.text.device)

    def clear(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, key: str) -> Path:
        return self.folder / f"{digest([self._identity, key])}.safetensors"


def _packed(encoded: EncodedImage) -> dict[str, torch.Tensor]:
    tensors = {
        "grid": torch.tensor(encoded.grid),
        "text": encoded.text.half(),
        "whole": encoded.whole,
        "crops": encoded.crops,
        "tokens": encoded.tokens.half(),
        "colour": encoded.looks.colour,
        "place": encoded.looks.place,
        "texture": encoded.looks.texture,
    }
    if encoded.foreground is not None:
        tensors["foreground"] = encoded.foreground
    tensors |= {f"visual.{name}": values.half() for name, values in encoded.visual.items()}
    return {name: values.contiguous().cpu() for name, values in tensors.items()}


def _unpacked(tensors: dict[str, torch.Tensor], device: torch.device) -> EncodedImage:
    moved = {name: values.to(device) for name, values in tensors.items()}
    rows, columns = tensors["grid"].tolist()
    encoded = EncodedImage(
        grid=(int(rows), int(columns)),
        text=moved["text"].float(),
        whole=moved["whole"],
        crops=moved["crops"],
        foreground=moved.get("foreground"),
        looks=Looks(moved["colour"], moved["place"], moved["texture"]),
        tokens=moved["tokens"].float(),
    )
    visual = {name.partition(".")[2]: v.float() for name, v in moved.items() if name.startswith("visual.")}
    return replace(encoded, visual=visual)
