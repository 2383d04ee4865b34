"""What a run has come to."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Failure:
    """An image that could not be segmented.

    Attributes:
        path: The file.
        reason: One line that says why.
    """

    path: Path
    reason: str


@dataclass(frozen=True)
class RunSummary:
    """What a run has come to.

    Attributes:
        out: The run folder.
        images: Images that the call was about (after limit and shard).
        done: Images of these that now have outputs.
        skipped: Images of these that had them before the call.
        failures: Images of these that could not be segmented.
        seconds: Wall time of the call, without loading the models.
        outputs: Main file of each format that has one (``{"html": OUT/report.html}``).
    """

    out: Path
    images: int
    done: int
    skipped: int
    failures: tuple[Failure, ...]
    seconds: float
    outputs: dict[str, Path]

    @property
    def exit_code(self) -> int:
        """0: all done; 3: some images failed; 1: every image failed."""
        if not self.failures:
            return 0
        return 3 if self.done else 1

    def to_dict(self) -> dict[str, Any]:
        """The summary as JSON-able values, for programs that started the run."""
        return {
            "out": str(self.out),
            "images": self.images,
            "done": self.done,
            "skipped": self.skipped,
            "failed": len(self.failures),
            "failures": [{"path": str(f.path), "reason": f.reason} for f in self.failures],
            "seconds": round(self.seconds, 3),
            "outputs": {name: str(path) for name, path in self.outputs.items()},
            "exit_code": self.exit_code,
        }
