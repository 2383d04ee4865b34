"""Compose README's picture from a run of ``ovseg demo``: all its overlays, in a grid.

ovseg demo -o demo-out --preset offline
python scripts/readme_picture.py demo-out docs/demo.jpg
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

from PIL import Image

COLUMNS = 4
WIDTH, GAP = 380, 8
MAX_BYTES = 300_000


def grid(overlays: list[Path], columns: int = COLUMNS) -> Image.Image:
    """Return the overlays at one width, row by row in columns of equal width, on white."""
    pictures = []
    for path in overlays:
        with Image.open(path) as image:
            height = round(image.height * WIDTH / image.width)
            pictures.append(image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS))
    # Each picture goes below the shortest column, tallest first, so that columns end at about one height.
    tops = [0] * columns
    placed = []
    for picture in sorted(pictures, key=lambda image: -image.height):
        column = min(range(columns), key=lambda index: tops[index])
        placed.append((picture, (column * (WIDTH + GAP), tops[column])))
        tops[column] += picture.height + GAP
    sheet = Image.new("RGB", (columns * (WIDTH + GAP) - GAP, max(tops) - GAP), "white")
    for picture, place in placed:
        sheet.paste(picture, place)
    return sheet


def jpeg(image: Image.Image, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the image as JPEG of the highest quality that keeps it below ``max_bytes``."""
    for quality in range(92, 30, -4):
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=quality, optimize=True)
        if stream.tell() <= max_bytes:
            return stream.getvalue()
    raise SystemExit(f"the picture does not fit into {max_bytes} bytes")


def main() -> None:
    """Compose the picture of a run folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="output folder of ovseg demo")
    parser.add_argument("picture", type=Path, help="JPEG to write")
    arguments = parser.parse_args()
    overlays = sorted((arguments.run / "overlays").glob("*.jpg"))
    if not overlays:
        raise SystemExit(f"{arguments.run} has no overlays: run  ovseg demo -o {arguments.run}")
    data = jpeg(grid(overlays))
    arguments.picture.write_bytes(data)
    print(f"{arguments.picture}: {len(overlays)} overlays, {len(data)} bytes")


if __name__ == "__main__":
    main()
