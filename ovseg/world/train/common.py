"""What every training script is asked for."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

WEIGHTS = Path(__file__).parent.parent / "weights"
"""Where the package keeps the world's models."""


def arguments(about: str, folder: str) -> argparse.ArgumentParser:
    """A parser with the flags that all scripts share."""
    parser = argparse.ArgumentParser(
        description=about, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("out/world"), help="pools and checkpoints")
    parser.add_argument("--out", type=Path, default=WEIGHTS / folder, help="folder of the finished model")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    parser.add_argument("--seed", type=int, default=0)
    return parser
