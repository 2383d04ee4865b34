"""What every training script is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from learned_world.train.loop import LoopConfig

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Where the package keeps the world's models."""


def arguments(about: str, folder: str, *, steps: int, batch: int, rate: float) -> argparse.ArgumentParser:
    """A parser with the flags that all scripts share, and their defaults where each has its own."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("out/world"), help="pools and checkpoints")
    parser.add_argument("--out", type=Path, default=WEIGHTS / folder, help="folder of the finished model")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--workers", type=int, default=0, help="further processes, which draw pictures")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--rate", type=float, default=rate)
    return parser


def loop_config(targets: argparse.Namespace, **settings: Any) -> LoopConfig:
    """How a script trains: what was asked for, and what the script settles itself."""
    torch.set_num_threads(targets.threads)
    torch.set_float32_matmul_precision("high")  # TensorFloat-32, where a GPU has it
    return LoopConfig(
        steps=targets.steps, batch=targets.batch, rate=targets.rate, seed=targets.seed, **settings
    )
