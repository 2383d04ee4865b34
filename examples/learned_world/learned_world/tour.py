"""The page of ``ovseg demo --world``: every step from names to masks, with the pictures themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.files import write_text
from ovseg.images import load_image
from ovseg.outputs.html import data_url, file_url, page_head
from ovseg.outputs.support_sheet import drawn

if TYPE_CHECKING:
    from ovseg.prototypes import PrototypeBank

__all__ = ["write_tour"]

Mask = npt.NDArray[np.bool_]

SHOWN = 8
"""Support pictures of a name on the page, at most."""

ENLARGED = 2
"""Times by which they are drawn larger."""

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em }
td, th { padding: .3em 1.2em .3em 0; text-align: left; vertical-align: middle }
td:nth-child(1) { min-width: 11em } td:nth-child(2) { white-space: nowrap }
td img { width: 72px; margin-right: 4px }
figure { display: inline-block; margin: 0 1em 1em 0 } figure img { width: 340px }
figcaption { color: #666; font-size: .85em }
pre { overflow: auto; background: #f4f4f4; padding: 1em }
"""


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
    rows = "".join(_row(bank, index, objects, generated) for index in range(len(bank.classes)))
    counts = ", ".join(f"{len(table)} in the space {name}" for name, table in bank.tables.items())
    overlays = sorted((out / "overlays").iterdir())
    results = "".join(
        f'<figure><img src="{file_url(one)}" alt=""><figcaption>{escape(one.stem)}</figcaption></figure>'
        for one in overlays
    )
    provenance = {
        "source": bank.facts.get("source"),
        "settings": bank.facts.get("settings"),
        "weights": bank.facts.get("weights"),
        "run": run,
    }
    page = f"""{page_head("ovseg: the learned world", _STYLE)}<h1>From names to masks</h1>
<p>Small models that ovseg brings, and scenes that it draws: nothing was given but names.</p>
<h2>1. Prompts, support pictures and their objects</h2>
<p>What the diffusion model made of each prompt, the surest first, and the object that was found in it
(green). <a href="{escape(sheets)}">All of them</a>, with what surely is not the object, seeds, settings and
scores.</p>
<table>
<tr><th>prompt</th><th>pictures and objects</th><th>used</th><th>rejected</th><th>prototypes</th>
<th>around</th></tr>
{rows}</table>
<h2>2. Prototypes</h2>
<p>{escape(counts)}, in the bank {escape(path.name)}. Those around a class are of what stands beside it, and
speak for the background.</p>
<h2>3. Result</h2>
<p>{len(overlays)} scenes, segmented with names and this bank. <a href="report.html">Their report</a> has all
masks.</p>
{results}
<h2>4. Where all of it is from</h2>
<details><summary>source, settings, weights and run, as JSON</summary>
<pre>{escape(json.dumps(provenance, indent=1, ensure_ascii=False))}</pre></details>
</body>
</html>
"""
    write_text(out / "world.html", page)
    return out / "world.html"


def _row(bank: PrototypeBank, index: int, objects: Mapping[int, Mask], generated: Path) -> str:
    """A class in the table: its prompt, pictures, and how many of what there are."""
    records = [(number, one) for number, one in enumerate(bank.supports) if one.class_index == index]
    prompts = dict.fromkeys(str(one.origin["details"].get("prompt", "")) for _, one in records)
    pictures = "".join(
        f'<img src="{data_url(Image.fromarray(picture), "PNG")}" alt="">'
        for picture in (
            _drawn(generated / one.origin["name"], objects.get(number)) for number, one in records[:SHOWN]
        )
    )
    report: dict[str, Any] = next(
        (entry for entry in bank.facts.get("report", []) if entry["name"] == bank.classes[index].name), {}
    )
    inside = [int((t.foreground & (t.classes == index)).sum()) for t in bank.tables.values()]
    around = [int((~t.foreground & (t.classes == index)).sum()) for t in bank.tables.values()]
    # The others only add where the object is.
    words = escape(min(prompts, key=len, default="") or bank.classes[index].name)
    if len(prompts) > 1:
        words += f" ({len(prompts)} prompts)"
    used, rejected = report.get("used", 0), len(report.get("rejected", ()))
    return (
        f"<tr><td>{words}</td><td>{pictures}</td><td>{used}</td><td>{rejected}</td>"
        f"<td>{sum(inside)}</td><td>{sum(around)}</td></tr>\n"
    )


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
