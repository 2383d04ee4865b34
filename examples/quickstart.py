"""Segment one photo, save its mask and overlay: python examples/quickstart.py photo.jpg "cat, dog"."""

import sys

import ovseg


def main(photo: str, names: str) -> None:
    result = ovseg.segment(photo, names)
    for label, share in result.shares().items():
        if label != result.void:
            print(f"{result.names[label]:20} {100 * share:5.1f} %")
    result.save("mask.png")
    result.save("overlay.jpg")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "cat, dog")
