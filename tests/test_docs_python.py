"""Every block of Python in README and docs runs, and so do the examples, with the offline preset."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

import ovseg
from ovseg import api, registry

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

BEFORE = {
    # What the text around a block says is given.
    "discovery.md": (
        "import numpy as np, torch\n"
        "features, saliency = torch.rand(8, 9, 16), torch.rand(16, 18)\n"
        "batch = torch.rand(2, 30, 16)\n"
    ),
}


def blocks() -> list[tuple[str, int, str]]:
    """(page, line, source) of every block of Python."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in re.finditer(r"^```python\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
            found.append((page.name, text[: match.start()].count("\n") + 1, match[1]))
    return found


def test_blocks_are_found() -> None:
    pages = {page for page, _, _ in blocks()}
    assert {"README.md", "python.md", "discovery.md", "formats.md", "pools.md"} <= pages


@pytest.fixture(scope="module")
def folder(offline_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what the blocks read: photos, support, a small data set, a run with scores."""
    from skimage import data

    root = tmp_path_factory.mktemp("docs")
    cat = Image.fromarray(data.chelsea()).resize((225, 150))
    for name in (
        "photo.jpg",
        "other.jpg",
        "photos/1.jpg",
        "photos/2.jpg",
        "support/cat/1.jpg",
        "data/images/1.jpg",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        cat.save(root / name)
    (root / "data" / "masks").mkdir()
    Image.fromarray(np.ones((150, 225), np.uint8)).save(root / "data" / "masks" / "1.png")
    (root / "data" / "classes.txt").write_text("background\ncat\n")
    config = ovseg.RunConfig(formats=("png", "scores"))
    (root / "a").mkdir()
    cat.save(root / "a" / "x.jpg")
    segmenter = ovseg.Segmenter("offline", device="cpu", cache_dir=offline_cache)
    ovseg.segment_folder(root / "a", "cat", root / "run", segmenter=segmenter, config=config)
    return root


@pytest.fixture
def place(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the folder as working directory; what blocks register is forgotten afterwards."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    scores = tmp_path / "out" / "scores" / "a"
    scores.mkdir(parents=True)
    shutil.move(tmp_path / "run" / "scores" / "x.safetensors", scores / "x.safetensors")
    monkeypatch.chdir(tmp_path)
    for table in registry._registries.values():
        monkeypatch.setattr(table, "_entries", dict(table._entries))
        monkeypatch.setattr(table, "_offers", dict(table._offers))
    return tmp_path


@pytest.mark.weights
@pytest.mark.parametrize(("page", "line", "source"), blocks(), ids=lambda value: str(value)[:20])
def test_every_block_runs(
    page: str, line: int, source: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (place / "out").exists() and "segment_folder" in source:
        shutil.rmtree(place / "out")
    code = compile(BEFORE.get(page, "") + source, f"{page}:{line}", "exec")
    # A module of its own, since dataclasses look theirs up.
    module = ModuleType("block")
    monkeypatch.setitem(sys.modules, "block", module)
    exec(code, vars(module))


@pytest.mark.weights
def test_the_quick_start_runs(place: Path) -> None:
    command = [sys.executable, str(ROOT / "examples" / "quickstart.py"), "photo.jpg", "cat"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert re.search(r"^cat +\d", result.stdout, re.MULTILINE)
    assert (place / "mask.png").exists()
    assert (place / "overlay.jpg").exists()


@pytest.mark.weights
def test_threads_that_share_a_segmenter_get_the_masks_of_one(place: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    calls = [("cat", "none"), ("cat, sofa", "pamr"), ("dog, cat", "pamr")]

    def work(call: tuple[str, str]) -> np.ndarray:
        return ovseg.segment("photo.jpg", call[0], refine=call[1], image_size=224).labels

    expected = [work(call) for call in calls]
    with ThreadPoolExecutor(2) as threads:
        for found, wanted in zip(threads.map(work, calls * 2), expected * 2, strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert len(api._segmenters) == 1
