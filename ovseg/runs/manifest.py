"""``run.json``: what was run, with what, and what came of it."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ovseg.files import digest
from ovseg.images import ImageLimits
from ovseg.memory import peak_bytes
from ovseg.version import __version__
from ovseg.vocabulary import Vocabulary

__all__ = ["RunTimer", "differences", "library_versions", "manifest_entry", "run_config_entry"]

_LIBRARIES = (
    *("torch", "numpy", "scipy", "pillow", "scikit-image", "scikit-learn"),
    *("open_clip_torch", "timm", "tokenizers", "safetensors", "pycocotools"),
)


def run_config_entry(
    segmenter: Mapping[str, Any], vocabulary: Vocabulary, limits: ImageLimits
) -> dict[str, Any]:
    """Everything that the outputs of an image depend on, beside the image: the ``config`` of run.json.

    Runs whose entries are equal may share a folder; the digest of the entry is the ``config_hash``.

    Args:
        segmenter: What the segmenter says of itself. Its ``note``, and the setting ``keep_scores``, which
            adds a format and changes no other, do not count.
        vocabulary: The classes.
        limits: Of which the working size counts.
    """
    described = {key: value for key, value in segmenter.items() if key != "note"}
    settings = described.get("config", {})
    described["config"] = {key: value for key, value in settings.items() if key != "keep_scores"}
    # The limit beyond which files are refused decides which images have outputs, not what is in them.
    images = {"working_pixels": limits.working_pixels}
    entry = asdict(vocabulary)
    del entry["source"]
    return {"ovseg": __version__, "segmenter": described, "vocabulary": entry, "images": images}


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """Dotted names of the parts in which two configurations differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        found: list[str] = []
        for key in dict.fromkeys((*old, *new)):
            inner = f"{where}.{key}" if where else str(key)
            if key in old and key in new:
                found += differences(old[key], new[key], inner)
            else:
                found.append(inner)
        return found
    return [] if digest(old) == digest(new) else [where]


def library_versions() -> dict[str, str]:
    """Versions of Python and of the libraries that a result can depend on."""
    versions = {"ovseg": __version__, "python": platform.python_version(), "platform": platform.platform()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


class RunTimer:
    """Times of one call of the engine.

    Args:
        encoder_seconds: What the segmenter's clock shows at the start.
    """

    def __init__(self, encoder_seconds: float) -> None:
        self._started = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._encoder_seconds = encoder_seconds

    @property
    def seconds(self) -> float:
        """Wall time since the start."""
        return time.perf_counter() - self._clock

    def entry(self, images: int, encoder_seconds: float) -> dict[str, Any]:
        """The ``timings`` of run.json, after ``images`` images were segmented.

        Wall time runs from the first decoded byte to the last joined output, without loading the models.
        """
        seconds = self.seconds
        peak = peak_bytes()
        return {
            "started": self._started.isoformat(timespec="seconds"),
            "images": images,
            "seconds": round(seconds, 3),
            "seconds_per_image": round(seconds / images, 4) if images else None,
            "encoder_seconds": round(encoder_seconds - self._encoder_seconds, 3),
            "peak_memory_mib": None if peak is None else round(peak / 2**20, 1),
        }


def manifest_entry(
    lines: Iterable[Mapping[str, Any]],
    *,
    status: str,
    note: str,
    config: Mapping[str, Any],
    vocabulary: Vocabulary,
    run: Mapping[str, Any],
    timings: Mapping[str, Any],
    files: Iterable[str],
) -> dict[str, Any]:
    """The content of run.json.

    Args:
        lines: The lines of images.jsonl.
        status: ``finished``, ``interrupted`` or ``failed`` (``running`` is written before the first image).
        note: The segmenter's line on which preset was taken.
        config: From ``run_config_entry``.
        vocabulary: The classes.
        run: ``RunConfig`` as JSON-able values.
        timings: From ``RunTimer.entry``.
        files: Files of the whole run (not of single images) so far, relative to the folder.
    """
    failures = []
    done = 0
    for line in lines:
        if line["status"] == "ok":
            done += 1
        else:
            failures.append({"path": line["path"], "reason": line["error"]})
    return {
        "ovseg": __version__,
        "status": status,
        "note": note,
        "config_hash": digest(config),
        "config": dict(config),
        "vocabulary": vocabulary.source,
        "run": dict(run),
        "versions": library_versions(),
        "counts": {"images": done + len(failures), "ok": done, "failed": len(failures)},
        "failures": failures,
        "outputs": {},
        "files": sorted(files),
        "timings": dict(timings),
    }
