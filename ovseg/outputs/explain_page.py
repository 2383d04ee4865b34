"""A page that says why: each region of a result with the support regions that decided it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from ovseg.files import write_text
from ovseg.outputs.html import data_url, page_head
from ovseg.outputs.legend import percent
from ovseg.outputs.palette import hex_colour

__all__ = ["ExplainedRegion", "SupportMatch", "write_explanation"]

Pixels = npt.NDArray[np.uint8]

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1180px; padding: 0 1rem;
  color: #222; background: #fafaf8; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin: .2rem 0; } .soft { color: #666; }
main { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 1.2rem; }
#picture { position: relative; cursor: pointer; align-self: start; } #picture img { width: 100%;
  display: block; } #picture canvas { position: absolute; inset: 0; width: 100%; height: 100%;
  image-rendering: pixelated; }
nav { display: flex; flex-wrap: wrap; gap: .3rem; margin: .6rem 0; }
nav button { font: inherit; border: 1px solid #bbb; border-radius: 4px; background: #fff; color: #222;
  padding: .1rem .5rem; cursor: pointer; } nav button[aria-pressed=true] { outline: 2px solid #06c; }
nav i { display: inline-block; width: .7rem; height: .7rem; margin-right: .3rem; }
section[hidden] { display: none; } .support { display: grid; gap: .7rem;
  grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); }
figure { margin: 0; background: #fff; border: 1px solid #ddd; border-radius: 6px; padding: .4rem; }
figure img { width: 100%; display: block; } figcaption { font-size: .8rem; overflow-wrap: anywhere; }
.away { padding: 1.5rem .4rem; text-align: center; color: #a11; }
@media (max-width: 760px) { main { grid-template-columns: 1fr; } }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #1b1b1a; } .soft { color: #999; }
  figure, nav button { background: #252524; border-color: #444; color: #ddd; } }
"""
_SCRIPT = """
const data = JSON.parse(document.getElementById("data").textContent);
const box = document.getElementById("picture"), canvas = box.querySelector("canvas");
canvas.width = data.columns; canvas.height = data.rows;
const pen = canvas.getContext("2d");
let held = -1;
function show(index) {
  document.querySelectorAll("section[data-region]").forEach(
    s => { s.hidden = Number(s.dataset.region) !== index; });
  document.querySelectorAll("nav button").forEach(
    b => b.setAttribute("aria-pressed", String(Number(b.dataset.region) === index)));
  pen.clearRect(0, 0, data.columns, data.rows);
  if (index < 0) return;
  pen.fillStyle = "rgba(0,0,0,0.55)";
  data.regions.forEach((region, cell) => {
    if (region !== index) pen.fillRect(cell % data.columns, Math.floor(cell / data.columns), 1, 1); });
}
function at(event) {
  const frame = box.getBoundingClientRect();
  const x = Math.floor((event.clientX - frame.left) / frame.width * data.columns);
  const y = Math.floor((event.clientY - frame.top) / frame.height * data.rows);
  return data.regions[Math.min(data.rows - 1, Math.max(0, y)) * data.columns
    + Math.min(data.columns - 1, Math.max(0, x))];
}
box.addEventListener("mousemove", event => { if (held < 0) show(at(event)); });
box.addEventListener("click", event => { const index = at(event);
  held = held === index ? -1 : index; show(index); });
document.querySelectorAll("nav button").forEach(button => button.addEventListener("click", () => {
  held = Number(button.dataset.region); show(held); }));
show(0);
"""


@dataclass(frozen=True)
class SupportMatch:
    """A support region that is nearest to cells of a region of the result.

    Attributes:
        class_name: What it is a prototype of.
        around: Whether of what is around the class, and not of the class itself.
        name: Of the support image.
        sha256: Of its file.
        licence: As far as it is known.
        space: Feature space in which it won.
        similarity: Mean cosine with the cells to which it is nearest, less what all classes have in common.
        share: Of the region's cells.
        picture: (H, W, 3) uint8 thumbnail with the support region drawn, or None: the photo was not found.
    """

    class_name: str
    name: str
    sha256: str
    licence: str
    space: str
    similarity: float
    share: float
    picture: Pixels | None
    around: bool = False


@dataclass(frozen=True)
class ExplainedRegion:
    """One connected region of the result.

    Attributes:
        label: Of its class, 0 background.
        class_name: What it is.
        score: Mean score of the class in it.
        share: Of the image.
        runner_up: (class, mean score) that came second.
        support: What is nearest for the class, for most cells first.
        rivals: For the runner-up, likewise.
    """

    label: int
    class_name: str
    score: float
    share: float
    runner_up: tuple[str, float] | None
    support: tuple[SupportMatch, ...]
    rivals: tuple[SupportMatch, ...]


def write_explanation(
    path: Path,
    title: str,
    picture: Pixels,
    regions: npt.NDArray[np.integer],
    explained: Sequence[ExplainedRegion],
) -> None:
    """Write one self-contained page.

    Args:
        path: The page.
        title: Name of the image.
        picture: (H, W, 3) uint8, the photo with its result drawn over it.
        regions: (h, w) index of each cell's region in ``explained``.
        explained: The regions.

    Raises:
        OutputError: It cannot be written.
    """
    rows, columns = regions.shape
    data = {"rows": rows, "columns": columns, "regions": regions.reshape(-1).tolist()}
    buttons = "".join(
        f'<button data-region="{index}" aria-pressed="false">'
        f'<i style="background:{hex_colour(region.label)}"></i>'
        f"{escape(region.class_name)} {escape(percent(region.share))}</button>"
        for index, region in enumerate(explained)
    )
    sections = "".join(_section(index, region) for index, region in enumerate(explained))
    write_text(
        path,
        f"{page_head(f'Why: {title}', _STYLE, scripts=True)}<h1>{escape(title)}</h1>\n"
        '<p class="soft">Point at a region, or click to hold it: the support regions that decided it.'
        " Green is support of a class, blue of what is around one.</p>\n"
        f'<main>\n<div><div id="picture"><img src="{_embedded(picture)}" alt="{escape(title)}">'
        f"<canvas></canvas></div>\n<nav>{buttons}</nav></div>\n<div>{sections}</div>\n</main>\n"
        f'<script type="application/json" id="data">{json.dumps(data)}</script>\n'
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n",
    )


def _section(index: int, region: ExplainedRegion) -> str:
    second = ""
    if region.runner_up is not None:
        name, score = region.runner_up
        second = f"<h2>Runner-up: {escape(name)} ({score:.2f})</h2>{_figures(region.rivals)}"
    return (
        f'<section data-region="{index}" hidden>\n<h2>{escape(region.class_name)} ({region.score:.2f})</h2>\n'
        f"{_figures(region.support)}{second}</section>\n"
    )


def _figures(support: Sequence[SupportMatch]) -> str:
    if not support:
        return '<p class="soft">No prototype of the bank: names decided.</p>'
    return '<div class="support">' + "".join(_figure(match) for match in support) + "</div>"


def _figure(match: SupportMatch) -> str:
    shown = (
        f'<div class="away">photo not found<br>sha256 {escape(match.sha256[:16])}…</div>'
        if match.picture is None
        else f'<img src="{_embedded(match.picture)}" alt="{escape(match.name)}">'
    )
    of = f"around {match.class_name}" if match.around else match.class_name
    return (
        f"<figure>{shown}<figcaption>{escape(of)}: {escape(match.name)}<br>"
        f"similarity {match.similarity:.2f}, {100 * match.share:.0f} % of the region,"
        f" {escape(match.space)}; licence {escape(match.licence)}</figcaption></figure>"
    )


def _embedded(pixels: Pixels) -> str:
    return data_url(Image.fromarray(pixels), "JPEG", quality=85)
