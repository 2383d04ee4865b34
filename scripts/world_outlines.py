"""Make ``ovseg/world/data/outlines.json`` from the icon sets: once, by whoever changes the world's drawings.

The sets come from npm, and the SVG renderer from PyPI; neither is needed to use the world::

    npm install --ignore-scripts @phosphor-icons/core@2.1.1 @tabler/icons@3.52.0 @mdi/svg@7.4.47 \
        lucide-static@1.62.0 ionicons@8.1.0 bootstrap-icons@1.13.2 @fluentui/svg-icons@1.1.343 \
        @iconify-json/fluent-emoji-high-contrast@1.2.6
    pip install resvg-py==0.5.0
    python scripts/world_outlines.py node_modules

Each icon is drawn black on nothing at 512 px, its ink traced at half opacity, simplified to a third of a unit
on a grid of 256, and written as closed polygons for an even-odd fill.
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
from skimage.measure import approximate_polygon, find_contours

SIDE = 512
GRID = 256
TOLERANCE = 0.35

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


def svg_of(modules: Path, style: str, icon: str) -> str | None:
    """The icon as an SVG document in black, or None: the set has no such icon."""
    package, *_, pattern = STYLES[style]
    if style == "emoji":
        icons = json.loads((modules / package / pattern).read_text())
        entry = icons["icons"].get(icon)
        if entry is None:
            return None
        width = entry.get("width", icons.get("width", 16))
        height = entry.get("height", icons.get("height", 16))
        body = entry["body"]
        text = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}">{body}</svg>'
    else:
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


def outline(svg: str) -> list[list[int]]:
    """Closed polygons, each [x, y, x, y, …] on the grid, of the ink of an SVG document."""
    import resvg_py

    png = bytes(resvg_py.svg_to_bytes(svg_string=svg))
    alpha = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))[:, :, 3].astype(np.float64) / 255
    padded = np.pad(alpha, 1)
    polygons = []
    for contour in find_contours(padded, 0.5):
        simple = approximate_polygon((contour - 1) * (GRID / SIDE), TOLERANCE)[:-1]
        if len(simple) >= 3:
            polygons.append([int(v) for v in np.rint(simple[:, ::-1]).clip(0, GRID).ravel()])
    return polygons


def main(modules: Path) -> None:
    """Read every icon of :data:`OBJECTS` and write the outlines."""
    drawings: dict[str, Any] = {}
    for thing, names in OBJECTS.items():
        for style in STYLES:
            icons = names.get(style, names.get(style.split("-")[0], "")).split()
            for icon in icons:
                svg = svg_of(modules, style, icon)
                if svg is None:
                    print(f"{thing}: {style} has no {icon}")
                    continue
                drawings.setdefault(thing, {}).setdefault(style, []).append(outline(svg))
    licences = {
        style: {"package": package, "version": version, "licence": licence, "copyright": owner}
        for style, (package, version, licence, owner, _) in STYLES.items()
    }
    target = Path(__file__).parent.parent / "ovseg" / "world" / "data" / "outlines.json"
    text = {"format": "ovseg-outlines", "version": 1, "grid": GRID, "styles": licences, "drawings": drawings}
    target.write_text(json.dumps(text, separators=(",", ":"), ensure_ascii=False) + "\n")
    count = sum(len(icons) for styles in drawings.values() for icons in styles.values())
    print(f"{target}: {target.stat().st_size} bytes, {count} drawings")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
