"""The page of ``ovseg demo --world``: every step from names to masks, with the pictures themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.images import load_image
from ovseg.outputs.pages import data_url, file_url, write_page
from ovseg.outputs.support_sheet import drawn

if TYPE_CHECKING:
    from ovseg.prototypes import PrototypeBank

__all__ = ["write_tour"]

Mask = npt.NDArray[np.bool_]

SHOWN = 8
"""Support pictures of a name on the page, at most."""

ENLARGED = 2
"""Times by which they are drawn larger."""


def write_tour(out: Path, path: Path, bank: PrototypeBank) -> Path:
    """Write ``world.html`` beside a run's report, self-contained.

    Args:
        out: The run's folder.
        path: The bank's file; its pictures lie in ``generated`` beside it.
        bank: The bank.

    Returns:
        The page's path.

    Raises:
        InputError: A support picture or an overlay cannot be read.
    """
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    sheets = f"../{path.parent.name}/{path.name}.sheets/index.html"
    objects, generated = _objects(bank), path.parent / "generated"
    provenance = {
        "source": bank.metadata.get("source"),
        "settings": bank.metadata.get("settings"),
        "weights": bank.metadata.get("weights"),
        "run": run,
    }
    return write_page(
        out / "world.html",
        "world.html",
        templates=Path(__file__).with_name("templates"),
        sheets=sheets,
        rows=[_row(bank, index, objects, generated) for index in range(len(bank.classes))],
        spaces={name: len(table) for name, table in bank.tables.items()},
        bank=path.name,
        results=[
            {"name": one.stem, "picture": file_url(one)} for one in sorted((out / "overlays").iterdir())
        ],
        provenance=provenance,
    )


def _row(bank: PrototypeBank, index: int, objects: Mapping[int, Mask], generated: Path) -> dict[str, Any]:
    """A class in the table: its prompt, pictures, and how many of what there are."""
    records = [(number, one) for number, one in enumerate(bank.supports) if one.class_index == index]
    prompts = dict.fromkeys(str(one.origin["details"].get("prompt", "")) for _, one in records)
    report: dict[str, Any] = next(
        (entry for entry in bank.metadata.get("report", []) if entry["name"] == bank.classes[index].name), {}
    )
    inside = [int((t.foreground & (t.classes == index)).sum()) for t in bank.tables.values()]
    around = [int((~t.foreground & (t.classes == index)).sum()) for t in bank.tables.values()]
    return {
        # The others only add where the object is.
        "prompt": min(prompts, key=len, default="") or bank.classes[index].name,
        "prompts": len(prompts),
        "pictures": [
            data_url(Image.fromarray(_drawn(generated / one.origin["name"], objects.get(number))), "PNG")
            for number, one in records[:SHOWN]
        ],
        "used": report.get("used", 0),
        "rejected": len(report.get("rejected", ())),
        "foreground": sum(inside),
        "background": sum(around),
    }


def _drawn(picture: Path, mask: Mask | None) -> npt.NDArray[np.uint8]:
    """A support picture, enlarged, with its object over it."""
    pixels = load_image(picture).pixels
    return drawn(np.repeat(np.repeat(pixels, ENLARGED, 0), ENLARGED, 1), mask)


def _objects(bank: PrototypeBank) -> dict[int, Mask]:
    """The largest region of each support image of which prototypes of its class are made."""
    found: dict[int, Mask] = {}
    for table in bank.tables.values():
        for number in np.unique(table.regions[table.foreground & (table.regions >= 0)]).tolist():
            region = bank.regions[number]
            if region.support not in found or region.mask.sum() > found[region.support].sum():
                found[region.support] = region.mask
    return found
