"""What there is in the learned world: things, stuff, styles, and what is held out from training."""

from __future__ import annotations

THINGS = (
    "airplane",
    "anchor",
    "bell",
    "bicycle",
    "bird",
    "boat",
    "butterfly",
    "cactus",
    "camera",
    "car",
    "cat",
    "cup",
    "fish",
    "flower",
    "ghost",
    "gift",
    "guitar",
    "house",
    "key",
    "rocket",
    "star",
    "tree",
    "trophy",
    "umbrella",
)
"""Objects that are drawn from outlines."""

STUFF = ("brick", "grass", "sand", "sky", "snow", "stone", "water", "wood")
"""Backgrounds that are drawn as textures."""

FEW = ("bell", "cup", "fish", "ghost", "house", "star", "tree", "umbrella")
"""A few of the things, for quick comparisons."""

PLAIN = ("grass", "sand", "sky", "snow", "water")
"""Stuff of little texture, on which the diffusion pipeline draws things."""

TRAIN_STYLES = ("phosphor-line", "phosphor-fill", "tabler-line", "tabler-fill", "mdi")
"""Icon sets that the models are trained on."""

MORE_STYLES = (
    "akar-icons",
    "carbon",
    "clarity",
    "emojione-monotone",
    "f7",
    "fa6-solid",
    "fontisto",
    "fxemoji",
    "game-icons",
    "healthicons",
    "hugeicons",
    "icon-park-outline",
    "icon-park-solid",
    "iconoir",
    "majesticons",
    "maki",
    "material-symbols",
    "mingcute",
    "noto",
    "pixelarticons",
    "proicons",
    "solar",
    "streamline",
    "tdesign",
    "teenyicons",
    "temaki",
    "twemoji",
    "uil",
)
"""Further icon sets for training the image-text model, whose names must hold for styles it has not seen."""

HELD_OUT_STYLES = ("lucide", "ionicons", "bootstrap", "fluent", "emoji")
"""Icon sets that no model of the method sees; the judge of samples is trained on these."""

HELD_OUT_PAIRS = frozenset(
    (thing, STUFF[(3 * number + shift) % len(STUFF)])
    for number, thing in enumerate(THINGS)
    for shift in (0, 1)
)
"""(thing, stuff) that never meet in training: two backgrounds for each object."""
