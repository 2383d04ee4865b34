"""Digests of the masks of thirty photos, to hold one version of ovseg against another, byte for byte.

    python scripts/mask_digests.py record DATA before.json     # DATA: a data set in VOC2012's layout
    python scripts/mask_digests.py record DATA after.json
    python scripts/mask_digests.py compare before.json after.json

``record`` segments thirty photos of DATA three times with the offline preset: by text only, with a bank of
supports cut from other photos of DATA, and with ``--pool self``. It writes the SHA-256 of every mask.
The version that runs is the one that ``ovseg`` on the PATH of this Python imports.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

PHOTOS = 30
SHOTS = 2
CLASSES = ("person", "dog", "cat", "car", "bus", "horse", "bicycle", "chair")


def chosen(data: Path) -> list[str]:
    """Names of the thirty photos: those whose hashed names come first, so that the choice is fixed."""
    names = sorted(path.stem for path in (data / "JPEGImages").glob("*.jpg"))
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:PHOTOS]


def write_support(data: Path, folder: Path, left_out: set[str]) -> None:
    """Write ``SHOTS`` photos a class with a mask beside each, the largest objects first."""
    names = (data / "classes.txt").read_text("utf-8").split("\n")
    areas: dict[str, list[tuple[int, str]]] = {name: [] for name in CLASSES}
    for path in sorted((data / "SegmentationClass").glob("*.png")):
        if path.stem in left_out:
            continue
        labels = np.array(Image.open(path))
        for name in CLASSES:
            areas[name].append((-int((labels == names.index(name)).sum()), path.stem))
    for name in CLASSES:
        place = folder / name
        place.mkdir(parents=True)
        for _, stem in sorted(areas[name])[:SHOTS]:
            labels = np.array(Image.open(data / "SegmentationClass" / f"{stem}.png"))
            Image.fromarray(((labels == names.index(name)) * 255).astype(np.uint8)).save(
                place / f"{stem}.mask.png"
            )
            (place / f"{stem}.jpg").write_bytes((data / "JPEGImages" / f"{stem}.jpg").read_bytes())


def record(data: Path) -> dict[str, dict[str, str]]:
    """SHA-256 of each mask by kind of run and photo."""
    photos = chosen(data)
    found: dict[str, dict[str, str]] = {}
    with tempfile.TemporaryDirectory() as work:
        place = Path(work)
        write_support(data, place / "support", set(photos))
        (place / "photos").mkdir()
        for name in photos:
            (place / "photos" / f"{name}.jpg").symlink_to((data / "JPEGImages" / f"{name}.jpg").resolve())
        classes = ["-c", ", ".join(CLASSES)]
        ovseg = [sys.executable, "-m", "ovseg"]
        quiet = ["--preset", "offline", "--device", "cpu", "-q"]
        bank = str(place / "pets.bank")
        support = ["--source", "folder", "--support", str(place / "support"), "-o", bank]
        subprocess.run([*ovseg, "bank", "build", *classes, *support, *quiet], check=True)
        runs = {"text": classes, "bank": ["--bank", bank], "self": [*classes, "--pool", "self"]}
        for kind, arguments in runs.items():
            out = place / kind
            segment = ["segment", str(place / "photos"), *arguments, "-o", str(out), "-f", "png", *quiet]
            subprocess.run([*ovseg, *segment], check=True)
            found[kind] = {
                path.stem: hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted((out / "masks").rglob("*.png"))
            }
    return found


def main() -> int:
    """Parse, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recording = commands.add_parser("record")
    recording.add_argument("data", type=Path)
    recording.add_argument("output", type=Path)
    comparing = commands.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.command == "record":
        given.output.write_text(json.dumps(record(given.data), indent=1) + "\n", "utf-8")
        return 0
    before, after = (json.loads(path.read_text("utf-8")) for path in (given.before, given.after))
    differing = 0
    for kind in before:
        photos = before[kind].keys() | after[kind].keys()
        unlike = sorted(name for name in photos if before[kind].get(name) != after[kind].get(name))
        differing += len(unlike)
        print(f"{kind}: {len(photos) - len(unlike)} of {len(photos)} masks are the same bytes", *unlike)
    return int(differing > 0)


if __name__ == "__main__":
    sys.exit(main())
