"""Builds a bank with the encoders of colours, as a program that can be killed.

Usage: ``bank_program.py SUPPORT OUT SECONDS``, where SECONDS is the time that each image takes.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from fake_encoders import fake_encoders

from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.prototypes import PrototypeConfig
from ovseg.support.config import BankConfig
from ovseg.support.folder import FolderSource
from ovseg.vocabulary import ClassSpec, Vocabulary

CLASSES = Vocabulary(tuple(ClassSpec(name, kind="thing") for name in ("tomato", "frog", "whale")))


def main(support: str, out: str, seconds: str) -> None:
    encoders = fake_encoders()
    encode = encoders.shape.encode

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(float(seconds))
        return encode(*arguments, **options)

    encoders.shape.encode = slowly  # type: ignore[method-assign]
    config = BankConfig(image_size=64, prototypes=PrototypeConfig(parts=4))
    source = FolderSource(Path(support), CLASSES.classes)
    build_prototypes(CLASSES, source, encoders, Path(out), config)


if __name__ == "__main__":
    main(*sys.argv[1:])
