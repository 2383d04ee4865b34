"""Make ``learned_world/data/outlines.json`` from the icon sets.

The sets come from npm, and the SVG renderer from PyPI; neither is needed to use the package. In
``examples/learned_world``::

    npm install --ignore-scripts @phosphor-icons/core@2.1.1 @tabler/icons@3.52.0 @mdi/svg@7.4.47 \
        lucide-static@1.62.0 ionicons@8.1.0 bootstrap-icons@1.13.2 @fluentui/svg-icons@1.1.343 \
        @iconify-json/fluent-emoji-high-contrast@1.2.6
    npm install --ignore-scripts $(python scripts/outlines.py --packages)
    pip install resvg-py==0.5.0
    python scripts/outlines.py node_modules

The first five sets and the held-out ones are listed here; of the further sets for training, which Iconify
packs, ``icons.json`` says which icons show what. Each icon is drawn black on nothing at 512 px, its
ink traced at half opacity, simplified to a third of a unit on a grid of 256 (to one unit in the further
sets), and written as closed polygons for an even-odd fill. Of icons in colours the ink is what is darker,
and a rim.

A further drawing for training that is the same as a held-out one (:data:`SAME`) is left out.
"""

from __future__ import annotations

import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from skimage.filters import threshold_otsu
from skimage.measure import approximate_polygon, find_contours

from learned_world.names import HELD_OUT_STYLES

Ink = np.ndarray[Any, np.dtype[np.uint8]]

SIDE = 512
GRID = 256
TOLERANCE = 0.35
COARSE = 1.0

RIM = 14
"""Width in pixels, at :data:`SIDE`, of the rim of icons in colours."""

SAME = 0.9
"""Intersection over union of two drawings' ink above which they are the same drawing."""

PACKED = {
    "akar-icons": "1.2.7",
    "carbon": "1.2.29",
    "clarity": "1.2.4",
    "emojione-monotone": "1.2.1",
    "f7": "1.2.2",
    "fa6-solid": "1.2.4",
    "fontisto": "1.2.1",
    "fxemoji": "1.2.2",
    "game-icons": "1.2.4",
    "healthicons": "1.2.13",
    "hugeicons": "1.2.35",
    "icon-park-outline": "1.2.4",
    "icon-park-solid": "1.2.4",
    "iconoir": "1.2.11",
    "majesticons": "1.2.5",
    "maki": "1.2.5",
    "material-symbols": "1.2.98",
    "mingcute": "1.2.8",
    "noto": "1.2.9",
    "pixelarticons": "1.2.9",
    "proicons": "1.2.20",
    "solar": "1.2.13",
    "streamline": "1.2.5",
    "tdesign": "1.2.19",
    "teenyicons": "1.2.2",
    "temaki": "1.2.6",
    "twemoji": "1.2.5",
    "uil": "1.2.3",
}
"""Sets that Iconify packs (``@iconify-json/NAME``), with their versions."""

COLOURED = ("fxemoji", "noto", "twemoji")

ICONS: dict[str, dict[str, str]] = json.loads((Path(__file__).parent / "icons.json").read_text())
"""name of the object: packed set -> names of its icons."""

# style: (npm package, version, licence, copyright, path of an icon by its name)
STYLES = {
    "phosphor-line": (
        "@phosphor-icons/core",
        "2.1.1",
        "MIT",
        "Copyright (c) 2023 Phosphor Icons",
        "assets/regular/{}.svg",
    ),
    "phosphor-fill": (
        "@phosphor-icons/core",
        "2.1.1",
        "MIT",
        "Copyright (c) 2023 Phosphor Icons",
        "assets/fill/{}-fill.svg",
    ),
    "tabler-line": (
        "@tabler/icons",
        "3.52.0",
        "MIT",
        "Copyright (c) 2020-2026 Paweł Kuna",
        "icons/outline/{}.svg",
    ),
    "tabler-fill": (
        "@tabler/icons",
        "3.52.0",
        "MIT",
        "Copyright (c) 2020-2026 Paweł Kuna",
        "icons/filled/{}.svg",
    ),
    "mdi": ("@mdi/svg", "7.4.47", "Apache-2.0", "Pictogrammers contributors", "svg/{}.svg"),
    "lucide": (
        "lucide-static",
        "1.62.0",
        "ISC",
        "Copyright (c) 2026 Lucide Icons and Contributors",
        "icons/{}.svg",
    ),
    "ionicons": (
        "ionicons",
        "8.1.0",
        "MIT",
        "Copyright (c) 2015-present Ionic (http://ionic.io/)",
        "dist/svg/{}.svg",
    ),
    "bootstrap": (
        "bootstrap-icons",
        "1.13.2",
        "MIT",
        "Copyright (c) 2019-2024 The Bootstrap Authors",
        "icons/{}.svg",
    ),
    "fluent": (
        "@fluentui/svg-icons",
        "1.1.343",
        "MIT",
        "Copyright (c) Microsoft Corporation",
        "icons/{}_24_filled.svg",
    ),
    "emoji": (
        "@iconify-json/fluent-emoji-high-contrast",
        "1.2.6",
        "MIT",
        "Copyright (c) Microsoft Corporation",
        "icons.json",
    ),
}

# name of the object: style -> name of the icon in that set; a space separates several drawings
OBJECTS: dict[str, dict[str, str]] = {
    "airplane": {
        "phosphor": "airplane",
        "tabler": "plane",
        "mdi": "airplane",
        "lucide": "plane",
        "ionicons": "airplane",
        "bootstrap": "airplane-fill",
        "fluent": "airplane",
        "emoji": "airplane",
    },
    "anchor": {
        "phosphor": "anchor",
        "tabler": "anchor",
        "mdi": "anchor",
        "lucide": "anchor",
        "emoji": "anchor",
    },
    "bell": {
        "phosphor": "bell",
        "tabler": "bell",
        "mdi": "bell bell-outline",
        "lucide": "bell",
        "ionicons": "notifications",
        "bootstrap": "bell bell-fill",
        "fluent": "alert",
        "emoji": "bell",
    },
    "bicycle": {
        "phosphor": "bicycle",
        "tabler": "bike",
        "mdi": "bicycle bike",
        "lucide": "bike",
        "ionicons": "bicycle",
        "bootstrap": "bicycle",
        "fluent": "vehicle_bicycle",
        "emoji": "bicycle",
    },
    "bird": {"phosphor": "bird", "mdi": "bird", "lucide": "bird", "emoji": "bird dove"},
    "boat": {
        "phosphor": "sailboat",
        "tabler": "sailboat",
        "mdi": "sail-boat",
        "lucide": "sailboat",
        "emoji": "sailboat",
    },
    "butterfly": {
        "phosphor": "butterfly",
        "tabler": "butterfly",
        "mdi": "butterfly butterfly-outline",
        "emoji": "butterfly",
    },
    "cactus": {"phosphor": "cactus", "tabler": "cactus", "mdi": "cactus", "emoji": "cactus"},
    "camera": {
        "phosphor": "camera",
        "tabler": "camera",
        "mdi": "camera camera-outline",
        "lucide": "camera",
        "ionicons": "camera",
        "bootstrap": "camera camera-fill",
        "fluent": "camera",
        "emoji": "camera",
    },
    "car": {
        "phosphor": "car-profile",
        "tabler": "car",
        "mdi": "car-side car-hatchback",
        "lucide": "car-front",
        "ionicons": "car-sport",
        "fluent": "vehicle_car_profile",
        "emoji": "automobile",
    },
    "cat": {
        "phosphor": "cat",
        "tabler": "cat",
        "mdi": "cat",
        "lucide": "cat",
        "fluent": "animal_cat",
        "emoji": "cat-face",
    },
    "cup": {
        "phosphor": "coffee",
        "tabler": "coffee mug",
        "mdi": "coffee coffee-outline",
        "lucide": "coffee",
        "ionicons": "cafe",
        "bootstrap": "cup-hot cup-hot-fill",
        "fluent": "drink_coffee",
        "emoji": "hot-beverage",
    },
    "fish": {
        "phosphor": "fish-simple",
        "tabler": "fish",
        "mdi": "fish",
        "lucide": "fish",
        "ionicons": "fish",
        "fluent": "food_fish",
        "emoji": "fish tropical-fish",
    },
    "flower": {
        "phosphor": "flower",
        "tabler": "flower",
        "mdi": "flower flower-outline",
        "lucide": "flower",
        "ionicons": "flower",
        "bootstrap": "flower1 flower2",
        "emoji": "cherry-blossom blossom",
    },
    "ghost": {
        "phosphor": "ghost",
        "tabler": "ghost",
        "mdi": "ghost ghost-outline",
        "lucide": "ghost",
        "emoji": "ghost",
    },
    "gift": {
        "phosphor": "gift",
        "tabler": "gift",
        "mdi": "gift gift-outline",
        "lucide": "gift",
        "ionicons": "gift",
        "bootstrap": "gift gift-fill",
        "fluent": "gift",
        "emoji": "wrapped-gift",
    },
    "guitar": {
        "phosphor": "guitar",
        "mdi": "guitar-acoustic guitar-electric",
        "lucide": "guitar",
        "fluent": "guitar",
        "emoji": "guitar",
    },
    "house": {
        "phosphor": "house",
        "tabler": "home",
        "mdi": "home home-outline",
        "lucide": "house",
        "ionicons": "home",
        "bootstrap": "house-door house-door-fill",
        "fluent": "home",
        "emoji": "house",
    },
    "key": {
        "phosphor": "key",
        "tabler": "key",
        "mdi": "key key-outline",
        "lucide": "key",
        "ionicons": "key",
        "bootstrap": "key key-fill",
        "fluent": "key",
        "emoji": "key old-key",
    },
    "rocket": {
        "phosphor": "rocket",
        "tabler": "rocket",
        "mdi": "rocket-launch rocket",
        "lucide": "rocket",
        "ionicons": "rocket",
        "bootstrap": "rocket-takeoff rocket-takeoff-fill",
        "fluent": "rocket",
        "emoji": "rocket",
    },
    "star": {
        "phosphor": "star",
        "tabler": "star",
        "mdi": "star star-outline",
        "lucide": "star",
        "ionicons": "star",
        "bootstrap": "star star-fill",
        "fluent": "star",
        "emoji": "star",
    },
    "tree": {
        "phosphor": "tree tree-evergreen",
        "tabler": "tree",
        "mdi": "tree pine-tree",
        "lucide": "tree-deciduous tree-pine",
        "bootstrap": "tree tree-fill",
        "fluent": "tree_deciduous tree_evergreen",
        "emoji": "deciduous-tree evergreen-tree",
    },
    "trophy": {
        "phosphor": "trophy",
        "tabler": "trophy",
        "mdi": "trophy trophy-outline",
        "lucide": "trophy",
        "ionicons": "trophy",
        "bootstrap": "trophy trophy-fill",
        "fluent": "trophy",
        "emoji": "trophy",
    },
    "umbrella": {
        "phosphor": "umbrella",
        "tabler": "umbrella",
        "mdi": "umbrella umbrella-outline",
        "lucide": "umbrella",
        "ionicons": "umbrella",
        "bootstrap": "umbrella umbrella-fill",
        "fluent": "umbrella",
        "emoji": "umbrella umbrella-with-rain-drops",
    },
}


def packed_svg(icons: dict[str, Any], icon: str) -> str | None:
    """An icon of Iconify's format as an SVG document in black, or None: the set has no such icon."""
    entry = icons["icons"].get(icon)
    if entry is None:
        return None
    left, top, width, height = (
        entry.get(key, icons.get(key, default))
        for key, default in (("left", 0), ("top", 0), ("width", 16), ("height", 16))
    )
    body = entry["body"].replace("currentColor", "#000000")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="{SIDE}" '
        f'viewBox="{left} {top} {width} {height}">{body}</svg>'
    )


def svg_of(modules: Path, style: str, icon: str) -> str | None:
    """The icon as an SVG document in black, or None: the set has no such icon."""
    package, *_, pattern = STYLES[style]
    if style == "emoji":
        return packed_svg(json.loads((modules / package / pattern).read_text()), icon)
    path = modules / package / pattern.format(icon)
    if not path.is_file():
        return None
    text = path.read_text()
    if style == "ionicons":
        text = text.replace('class="ionicon-fill-none', 'fill="none" class="')
        text = text.replace("ionicon-stroke-width", '" stroke-width="32')
    text = text.replace("currentColor", "#000000")
    head = re.sub(r'\s(width|height)="[^"]*"', "", text[: text.index(">", text.index("<svg"))])
    head = head.replace("<svg", f'<svg width="{SIDE}" height="{SIDE}"', 1)
    return head + text[text.index(">", text.index("<svg")) :]


def ink_of(svg: str, *, coloured: bool = False) -> Ink:
    """(SIDE, SIDE) uint8 coverage: where an SVG document has ink.

    Of an icon in colours, that is its rim, and what is darker than Otsu's threshold if there are two tones.
    """
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
    rgba = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    alpha: Ink = rgba[:, :, 3].copy()
    if not coloured:
        return alpha
    inside = alpha >= 128
    light = (rgba[:, :, :3] @ np.array([0.299, 0.587, 0.114])).astype(np.uint8)
    middle = threshold_otsu(light[inside])
    dark, pale = light[inside & (light <= middle)], light[inside & (light > middle)]
    if len(pale) == 0 or pale.mean() - dark.mean() < 38:
        return alpha
    rim = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1] <= RIM
    tones = ndimage.uniform_filter(light, 7) <= middle
    return (inside & (tones | rim)) * np.uint8(255)


def outline(ink: Ink, tolerance: float) -> list[list[int]]:
    """Closed polygons, each [x, y, x, y, …] on the grid, of ink."""
    padded = np.pad(ink, 1) / 255
    polygons = []
    for contour in find_contours(padded, 0.5):
        simple = approximate_polygon((contour - 1) * (GRID / SIDE), tolerance)[:-1]
        if len(simple) >= 3:
            polygons.append([int(v) for v in np.rint(simple[:, ::-1]).clip(0, GRID).ravel()])
    return polygons


def same(one: Ink, other: Ink) -> bool:
    """Whether two drawings' ink, each cut to its bounds, mirrored or not, is the same."""
    a, b = (_cut(ink) for ink in (one, other))
    return any((a & c).sum() > SAME * (a | c).sum() for c in (b, b[:, ::-1]))


def _cut(ink: Ink) -> np.ndarray[Any, np.dtype[np.bool_]]:
    solid = ink >= 128
    rows, columns = np.flatnonzero(solid.any(1)), np.flatnonzero(solid.any(0))
    part = Image.fromarray(solid[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1])
    cut: np.ndarray[Any, np.dtype[np.bool_]] = np.asarray(part.resize((96, 96)))
    return cut


def inks(modules: Path) -> dict[str, dict[str, list[Ink]]]:
    """Ink of every icon: object, style, drawings."""
    found: dict[str, dict[str, list[Ink]]] = {}
    packs = {name: json.loads((modules / f"@iconify-json/{name}/icons.json").read_text()) for name in PACKED}
    for thing, names in OBJECTS.items():
        own = {style: names.get(style, names.get(style.split("-")[0], "")) for style in STYLES}
        for style, icons in (own | ICONS[thing]).items():
            for icon in icons.split():
                svg = packed_svg(packs[style], icon) if style in PACKED else svg_of(modules, style, icon)
                if svg is None:
                    print(f"{thing}: {style} has no {icon}")
                    continue
                ink = ink_of(svg, coloured=style in COLOURED)
                found.setdefault(thing, {}).setdefault(style, []).append(ink)
    return found


def main(modules: Path) -> None:
    """Read every icon and write the outlines."""
    drawings: dict[str, Any] = {}
    left_out = 0
    for thing, styles in inks(modules).items():
        held_out = [ink for style in HELD_OUT_STYLES for ink in styles.get(style, [])]
        for style, found in styles.items():
            new = style in PACKED
            kept = [ink for ink in found if not (new and any(same(ink, other) for other in held_out))]
            left_out += len(found) - len(kept)
            traced = [outline(ink, COARSE if new else TOLERANCE) for ink in kept]
            if traced:
                drawings.setdefault(thing, {})[style] = traced
    licences = {
        style: {"package": package, "version": version, "licence": licence, "copyright": owner}
        for style, (package, version, licence, owner, _) in STYLES.items()
    }
    for name, version in PACKED.items():
        info = json.loads((modules / f"@iconify-json/{name}/info.json").read_text())
        licences[name] = {
            "package": f"@iconify-json/{name}",
            "version": version,
            "licence": info["license"]["spdx"],
            "copyright": f"{info['name']} by {info['author']['name']}",
        }
    target = Path(__file__).parent.parent / "learned_world" / "data" / "outlines.json"
    text = {"format": "ovseg-outlines", "version": 1, "grid": GRID, "styles": licences, "drawings": drawings}
    target.write_text(json.dumps(text, separators=(",", ":"), ensure_ascii=False) + "\n")
    count = sum(len(icons) for styles in drawings.values() for icons in styles.values())
    print(f"{target}: {target.stat().st_size} bytes, {count} drawings, {left_out} left out as held-out ones")


if __name__ == "__main__":
    if sys.argv[1] == "--packages":
        print(" ".join(f"@iconify-json/{name}@{version}" for name, version in PACKED.items()))
    else:
        main(Path(sys.argv[1]))
