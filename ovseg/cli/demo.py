"""``ovseg demo``: the main job on photographs that come with scikit-image and scikit-learn."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from ovseg.cli.common import option
from ovseg.cli.demonstrations import Demonstration, find_demonstration
from ovseg.cli.launch import launch, say, set_up_process
from ovseg.cli.options import CacheDir, Device, Json, Offline, Output, Overwrite, Preset, Quiet, Verbose
from ovseg.cli.settings import DEFAULTS, Settings, resolve
from ovseg.errors import DependencyMissing

PHOTOS = {
    "skimage": (
        "data",
        ("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg"),
    ),
    "sklearn": ("datasets/images", ("china.jpg", "flower.jpg")),
}
"""Folder and files below each package, of those that lie in the wheels themselves."""

DEMO_OUTPUT = Path("ovseg-demo")

CLASSES = (
    "person; cat; coffee cup=cup,coffee cup,mug; motorcycle=motorcycle,motorbike; rocket=rocket,spacecraft;"
    " camera; temple=temple,pagoda,palace; flower=flower,blossom; sky; grass=grass,lawn; tree"
)


def demo(
    ctx: typer.Context,
    output: Output = DEMO_OUTPUT,
    preset: Preset = DEFAULTS.preset,
    device: Device = DEFAULTS.device,
    cache_dir: CacheDir = DEFAULTS.cache_dir,
    overwrite: Overwrite = DEFAULTS.run.overwrite,
    offline: Offline = False,
    quiet: Quiet = False,
    verbose: Verbose = 0,
    as_json: Json = False,
    show: Annotated[
        str | None, option("--show", help="Another demonstration, which an installed package brings.")
    ] = None,
    world: Annotated[
        bool, option("--world", help="The learned world, of examples/learned_world: as --show world.")
    ] = False,
) -> None:
    """Segment eight photographs that are on every machine with ovseg, and write a report to look at.

    The photographs are part of scikit-image and scikit-learn, so nothing is downloaded. The last line on
    standard output is the path of the report: open it in a browser.

    With --world the pictures are twelve scenes that a program draws, and the models are small ones that have
    learned such scenes: pictures of each name are sampled, their objects found, a bank made of them, and the
    scenes segmented with it; world.html leads through all of it. It is a package of its own (in a checkout:
    pip install ./examples/learned_world).

    For example:

      ovseg demo -o demo-out

      ovseg demo --world -o world-out
    """
    set_up_process(verbose=verbose, offline=offline)
    settings = replace(resolve(ctx, config=None, assignments=()), classes=(CLASSES,))
    out = output or DEMO_OUTPUT
    name = "world" if world else show
    if name:
        raise typer.Exit(_show(find_demonstration(name), settings, out, quiet=quiet, as_json=as_json))
    summary = launch(demo_photos(), settings, out, quiet=quiet, as_json=as_json)
    raise typer.Exit(summary.exit_code if summary else 0)


def _show(demonstration: Demonstration, settings: Settings, out: Path, *, quiet: bool, as_json: bool) -> int:
    """Prepare and run a demonstration, and name the page that it leaves; returns the exit code."""
    made = demonstration(out, lambda line: say(line, quiet=quiet))
    chosen = replace(
        settings,
        preset=made.preset,
        classes=(),
        vocabulary=made.vocabulary,
        segment=made.segment,
        bank=str(made.bank) if made.bank else None,
    )
    summary = launch(made.inputs, chosen, out, quiet=quiet, as_json=as_json)
    if summary is None:
        return 0
    say(f"step by step: {made.finish(out)}", quiet=quiet)
    return summary.exit_code


def demo_photos() -> list[str]:
    """Paths of the photographs; the packages are located, not imported.

    Raises:
        DependencyMissing: A package or one of its photographs is not there.
    """
    paths = []
    for package, (folder, names) in PHOTOS.items():
        spec = find_spec(package)
        roots = list(spec.submodule_search_locations or ()) if spec else []
        for name in names:
            path = next((p for p in (Path(root) / folder / name for root in roots) if p.is_file()), None)
            if path is None:
                raise DependencyMissing(f"{package} lacks {folder}/{name}: run  pip install ovseg")
            paths.append(str(path))
    return paths
