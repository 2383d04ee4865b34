"""What ``ovseg demo --world`` shows: scenes, a bank of generated pictures, and a page that leads through.

The models come with ovseg and know nothing but names; support pictures are sampled, their objects found, and
prototypes made of them (OVDiff, Karazija et al., ECCV 2024). diffusers must be installed for the sampling.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from ovseg.files import atomic_path, write_text
from ovseg.world.names import FEW
from ovseg.world.scenes import SceneConfig, draw_scene

if TYPE_CHECKING:
    from ovseg.prototypes import PrototypeBank

SCENES = SceneConfig(side=128, objects=(2, 4), scale=(0.3, 0.5), two_stuffs=0.5, pairs="all")
COUNT, SEED = 12, 2026

SHOTS = 8
"""Support pictures a name."""


def draw_scenes(folder: Path) -> list[str]:
    """Draw the demonstration's scenes into a folder, as PNG; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number in range(COUNT):
        scene = draw_scene(SCENES, np.random.default_rng([SEED, number]))
        path = folder / f"scene-{number + 1:02}.png"
        with atomic_path(path) as part:
            Image.fromarray(scene.pixels).save(part, format="PNG")
        paths.append(str(path))
    return paths


def demo_bank(
    out: Path, tell: Callable[[str], None], classes: Sequence[str] = FEW
) -> tuple[Path, PrototypeBank]:
    """Build the bank of the demonstration in the folder ``OUT-bank``; returns its file, and it.

    Raises:
        DependencyMissing: diffusers is not installed.
        OvsegError: See ``build_bank``.
    """
    from ovseg.encoders.presets import load_preset
    from ovseg.encoders.world import SIDE
    from ovseg.support.config import BankConfig
    from ovseg.world.route import Banks

    banks = Banks(load_preset("world"), tuple(classes), out.with_name(f"{out.name}-bank"))
    banks.out.mkdir(parents=True, exist_ok=True)
    bank = banks.generated(BankConfig(shots=SHOTS, image_size=SIDE), tell)
    return banks.out / "generated.bank", bank


def write_tour(out: Path, path: Path, bank: PrototypeBank) -> Path:
    """Write ``world.html`` beside a run's report: every step from names to masks, with where it is from."""
    run = json.loads((out / "run.json").read_text(encoding="utf-8"))
    sheets = f"../{path.parent.name}/{path.name}.sheets/index.html"
    prompts = sorted(
        {str(record.origin.get("details", {}).get("prompt", "")) for record in bank.supports} - {""}
    )
    counts = ", ".join(f"{len(table)} in the space {name}" for name, table in bank.tables.items())
    report = bank.facts.get("report", [])
    rows = ((escape(entry["name"]), entry["used"], len(entry["rejected"])) for entry in report)
    classes = "".join(f"<tr><td>{name}</td><td>{used}</td><td>{bad}</td></tr>\n" for name, used, bad in rows)
    provenance = json.dumps(
        {
            "source": bank.facts.get("source"),
            "settings": bank.facts.get("settings"),
            "weights": bank.facts.get("weights"),
            "run": run,
        },
        indent=1,
        ensure_ascii=False,
    )
    page = f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>ovseg: the learned world</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 46em; margin: 2em auto; padding: 0 1em }}
td, th {{ padding: 0 1em 0 0; text-align: left }}
pre {{ overflow: auto; background: #f4f4f4; padding: 1em }}</style>
</head>
<body>
<h1>From names to masks</h1>
<p>Small models that ovseg brings, and scenes that it draws: nothing was given but names.</p>
<h2>1. Prompts</h2>
<ul>
{"".join(f"<li>{escape(prompt)}</li>" for prompt in prompts)}
</ul>
<h2>2. Support pictures and their objects</h2>
<p><a href="{escape(sheets)}">What was sampled for each name</a>, with what was found in it: green the object,
blue surely not.</p>
<table>
<tr><th>name</th><th>used</th><th>rejected</th></tr>
{classes}</table>
<h2>3. Prototypes</h2>
<p>{escape(counts)}, in the bank {escape(path.name)}.</p>
<h2>4. Result</h2>
<p><a href="report.html">Every scene with its masks</a>.</p>
<h2>5. Where all of it is from</h2>
<pre>{escape(provenance)}</pre>
</body>
</html>
"""
    write_text(out / "world.html", page)
    return out / "world.html"
