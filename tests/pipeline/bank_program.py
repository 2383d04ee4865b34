"""Builds banks with the encoders of colours in processes that are killed at random moments.

Usage: ``bank_program.py SUPPORT SECONDS KILLS OUT…``. Each OUT is built by a child that takes SECONDS an
image and is killed KILLS times, and then by one that is left alone. The children are forks of this process,
which has imported everything once.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from fake_encoders import fake_encoders

from ovseg.config import EncodingConfig
from ovseg.pipeline.bank_build import BankBuildSpec
from ovseg.pipeline.bank_builder import build_prototypes
from ovseg.prototypes import PrototypeConfig
from ovseg.support.config import BankConfig
from ovseg.support.folder import FolderSource
from ovseg.vocabulary import ClassSpec, Vocabulary

CLASSES = Vocabulary(tuple(ClassSpec(name, kind="thing") for name in ("tomato", "frog", "whale")))
IMAGES = 9


def build(support: Path, out: Path, seconds: float) -> None:
    encoders = fake_encoders()
    encode = encoders.backbone.encode

    def slowly(*arguments: Any, **options: Any) -> Any:
        time.sleep(seconds)
        return encode(*arguments, **options)

    encoders.backbone.encode = slowly  # type: ignore[method-assign]
    config = BankConfig(encoding=EncodingConfig(image_size=64), prototypes=PrototypeConfig(parts=4))
    build_prototypes(BankBuildSpec(CLASSES, FolderSource(support, CLASSES.classes), encoders, config), out)


def start(support: Path, out: Path, seconds: float) -> int:
    """Build in a child; return its number."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        build(support, out, seconds)
        code = 0
    finally:
        os._exit(code)


def kill(child: int, out: Path, longest: float) -> None:
    """Kill a child at a moment between the first file that it writes and the end."""
    while not out.with_name(f"{out.name}.work").exists():
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return  # it had ended by itself
        time.sleep(0.005)
    time.sleep(float(np.random.default_rng().uniform(0, longest)))
    os.kill(child, signal.SIGKILL)  # until it is waited for, its number is nobody else's
    os.waitpid(child, 0)


def main(support: str, seconds: str, kills: str, *outs: str) -> None:
    torch.set_num_threads(1)
    for out in map(Path, outs):
        for _ in range(int(kills)):
            kill(start(Path(support), out, float(seconds)), out, 1.5 * IMAGES * float(seconds))
        _, status = os.waitpid(start(Path(support), out, 0), 0)
        if status:
            sys.exit(f"the last build of {out} ended with {status}")


if __name__ == "__main__":
    main(*sys.argv[1:])
