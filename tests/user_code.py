"""What a program that uses ovseg looks like to a type checker; never run (see ``test_api_types.py``)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, assert_type

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

import ovseg

photo = Path("x.jpg")
pixels = np.zeros((4, 5, 3), np.uint8)

assert_type(ovseg.segment("x.jpg", "cat"), ovseg.Segmentation)
assert_type(ovseg.segment(photo, ["cat", "dog"], background=False, refine="none"), ovseg.Segmentation)
assert_type(ovseg.segment(["a.jpg", "b.jpg"], "cat, dog"), list[ovseg.Segmentation])
assert_type(ovseg.segment([photo, photo], "cat, dog"), list[ovseg.Segmentation])
ovseg.segment(b"", "cat")
ovseg.segment(io.BytesIO(), "cat")
ovseg.segment(Image.new("RGB", (2, 2)), "cat")
ovseg.segment(pixels, ovseg.Vocabulary(("cat",)))
ovseg.segment(torch.zeros(3, 4, 5), [ovseg.ClassSpec("cat", kind="thing"), "dog"])

segmenter = ovseg.Segmenter("offline", refine="none")
result = segmenter(photo, "cat")
assert_type(result, ovseg.Segmentation)
assert_type(segmenter([pixels, pixels], "cat"), list[ovseg.Segmentation])
assert_type(result.mask("cat"), npt.NDArray[np.bool_])
assert_type(result.save("mask.png"), Path)
assert_type(result.overlay(photo), Image.Image)
assert_type(result.labels, npt.NDArray[Any])

summary = ovseg.segment_folder("photos", "cat", "out", background=False, refine="none")
assert_type(summary, ovseg.RunSummary)
assert_type(ovseg.discover("x.jpg"), ovseg.Discovery)
assert_type(ovseg.list_presets(), list[ovseg.PresetInfo])
assert_type(ovseg.build_bank("cat", "support", "pets.bank"), ovseg.PrototypeBank)
assert_type(ovseg.load_bank("pets.bank"), ovseg.PrototypeBank)
assert_type(ovseg.load_pool("my.pool"), ovseg.Pool)

ovseg.segment("x.jpg", 5)  # type: ignore[call-overload]
ovseg.segment(5, "cat")  # type: ignore[call-overload]
ovseg.segment("x.jpg", "cat", refin="none")  # type: ignore[call-overload]
ovseg.segmant("x.jpg", "cat")  # type: ignore[attr-defined]
