"""Generated pictures on disk: each is kept at once, with all that is needed to make it again."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.files import digest, write_bytes, write_json
from ovseg.support.diffusion.sampler import Request, Sample

__all__ = ["Entry", "SampleStore"]

_FORMAT = "ovseg generated image"
_VERSION = 1
_DEEP = 65535
"""Attribution is kept as 16-bit grey."""
_LARGEST_SIDECAR = 1 << 20
_LARGEST_SIDE = 8192
_THREADS = 8


@dataclass(frozen=True)
class Entry:
    """A picture as it is kept.

    Attributes:
        sample: Pixels, attribution as 16 bits hold it, flaw.
        name: Path of its PNG below the sample store, POSIX.
        sha256: Of the PNG.
        record: Its sidecar: prompt, seed, settings, model, licence.
    """

    sample: Sample
    name: str
    sha256: str
    record: dict[str, Any]


class SampleStore:
    """A folder of generated pictures, by model and settings, by prompt, by seed.

    Per picture ``SEED.png``, ``SEED.attribution.png`` (16-bit grey, where there is one) and ``SEED.json``,
    which is written last and holds the hashes of both: a picture without a sidecar that fits does not count.

    Args:
        root: The folder; made when the first picture comes.
        settings: What decides the pictures besides prompt and seed (``Sampler.describe()``).
    """

    def __init__(self, root: Path, settings: dict[str, Any]) -> None:
        self.root = root
        self.settings = settings
        model = settings["model"]
        self._folder = f"{_slug(str(model['name']))}-{digest(settings)[:12]}"

    def stem(self, request: Request) -> str:
        """Path of a picture below the root, without its ending."""
        prompt = request.prompt
        key = digest([prompt.text, prompt.negative, prompt.start, prompt.end])[:12]
        return f"{self._folder}/{_slug(prompt.word)}-{key}/{request.seed:010d}"

    def get(self, request: Request) -> Entry | None:
        """A picture that is here, whole and made as asked; else None."""
        stem = self.stem(request)
        path = self.root / f"{stem}.json"
        try:
            if path.stat().st_size > _LARGEST_SIDECAR:
                return None
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        wanted = self._wanted(request)
        if not isinstance(record, dict) or {key: record.get(key) for key in wanted} != wanted:
            return None
        png = _checked(self.root / f"{stem}.png", record.get("sha256"))
        pixels = None if png is None else _decoded(png, "RGB")
        attribution = None
        if record.get("attribution_sha256") is not None:
            data = _checked(self.root / f"{stem}.attribution.png", record["attribution_sha256"])
            grey = None if data is None else _decoded(data, "I;16")
            if grey is None:
                return None
            attribution = _unit(grey)
        if pixels is None:
            return None
        sample = Sample(pixels, attribution, record.get("flaw"))
        return Entry(sample, f"{stem}.png", record["sha256"], record)

    def put(self, request: Request, sample: Sample, metadata: dict[str, Any]) -> Entry:
        """Keep a picture.

        Args:
            request: What was asked for.
            sample: What came.
            metadata: With what it was made (``Sampler.facts()``).

        Raises:
            OutputError: The folder cannot be written.
        """
        stem = self.stem(request)
        png = _png(Image.fromarray(sample.pixels))
        record = self._wanted(request) | {
            "word": request.prompt.word,
            "height": sample.pixels.shape[0],
            "width": sample.pixels.shape[1],
            "made_with": metadata,
            "flaw": sample.flaw,
            "sha256": hashlib.sha256(png).hexdigest(),
            "attribution_sha256": None,
        }
        if sample.attribution is not None:
            grey = _png(Image.fromarray(_deep(sample.attribution)))
            record["attribution_sha256"] = hashlib.sha256(grey).hexdigest()
            write_bytes(self.root / f"{stem}.attribution.png", grey)
            sample = Sample(sample.pixels, _unit(_deep(sample.attribution)), sample.flaw)
        write_bytes(self.root / f"{stem}.png", png)
        write_json(self.root / f"{stem}.json", record)
        return Entry(sample, f"{stem}.png", record["sha256"], record)

    def put_all(
        self, requests: Sequence[Request], samples: Sequence[Sample], metadata: dict[str, Any]
    ) -> list[Entry]:
        """Keep a batch, in threads: packing PNG files would keep a GPU waiting. Arguments as for ``put``."""
        with ThreadPoolExecutor(min(_THREADS, len(requests))) as executor:
            return list(executor.map(self.put, requests, samples, repeat(metadata)))

    def _wanted(self, request: Request) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "prompt": request.prompt.text,
            "negative_prompt": request.prompt.negative,
            "name_at": [request.prompt.start, request.prompt.end],
            "seed": request.seed,
            "settings": self.settings,
        }


def _slug(text: str) -> str:
    """Letters and digits of a text, for a file name; what is lost is in the hash beside it."""
    return re.sub(r"[^a-z0-9]+", "-", text.casefold()).strip("-")[:40] or "x"


def _checked(path: Path, sha256: Any) -> bytes | None:
    try:
        data = path.read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == sha256 else None


def _png(image: Image.Image) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _deep(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """[0, 1] as 16-bit grey."""
    return np.round(values.clip(0, 1) * _DEEP).astype(np.uint16)


def _unit(grey: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """16-bit grey as [0, 1]."""
    values: npt.NDArray[np.float32] = grey.astype(np.float32) / np.float32(_DEEP)
    return values


def _decoded(data: bytes, mode: str) -> npt.NDArray[Any] | None:
    """Pixels of a PNG of that mode and of a size that pictures here may have."""
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as image:
            if image.mode != mode or max(image.size) > _LARGEST_SIDE:
                return None
            return np.array(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
