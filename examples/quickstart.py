"""Segment one photo by names and save its mask: python examples/quickstart.py photo.jpg cat dog."""

import sys
from pathlib import Path

from ovseg import Segmenter
from ovseg.outputs.masks import write_mask


def main(photo: str, names: list[str]) -> None:
    segmenter = Segmenter("auto")
    result = segmenter.segment(photo, names)
    for label, share in result.shares().items():
        print(f"{result.names[label]:20} {100 * share:5.1f} %")
    write_mask(Path("mask.png"), result.labels, result.labels.shape[:2])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:] or ["cat", "dog"])
