from __future__ import annotations

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from outputs_helpers import MakeItem

from ovseg.errors import UnknownName
from ovseg.outputs import FORMATS, RunContext

ALL = ["png", "overlay", "scores", "coco", "panoptic", "yolo", "labelme", "rrle", "html"]


def test_every_format_is_registered() -> None:
    assert set(FORMATS.names()) >= set(ALL)


def test_a_wrong_name_gets_the_near_ones() -> None:
    with pytest.raises(UnknownName, match=r"unknown output format 'overlays': did you mean overlay\?"):
        FORMATS.get("overlays")


def test_importing_the_formats_is_cheap() -> None:
    heavy = ("torch", "skimage", "scipy", "pycocotools", "safetensors", "open_clip", "timm")
    code = f"import sys, ovseg.outputs; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_threads_and_order_do_not_change_a_byte(
    context: RunContext, make_item: MakeItem, tmp_path: Path
) -> None:
    random = np.random.default_rng(3)
    items = [
        make_item(
            np.kron(random.choice([0, 1, 2, 3, 255], (6, 8)), np.ones((10, 10))),
            stem=f"d{i % 2}/{i}",
            confidence=random.random((60, 80)),
            scores=random.random((4, 6, 8)),
            index=i,
        )
        for i in range(6)
    ]
    folders = []
    for name, order in (("one", items), ("two", items[::-1])):
        out = tmp_path / name
        writers = [FORMATS.get(kind)(RunContext(out, context.vocabulary, save_scores=True)) for kind in ALL]
        gate = threading.Barrier(3)

        def work(item: object, writers: list = writers, gate: threading.Barrier = gate) -> None:
            gate.wait()
            for writer in writers:
                writer.write(item)

        with ThreadPoolExecutor(3) as pool:
            list(pool.map(work, order))
        for writer in writers:
            writer.finish([item.stem for item in items], {"ovseg": "0"})
        folders.append(files(out))
    assert set(folders[0]) == set(folders[1])
    for path, data in folders[0].items():
        if not path.startswith("labelme/"):
            assert data == folders[1][path], path
    assert not [path for path in folders[0] if ".tmp-" in path]


DOCS = Path(__file__).parents[2] / "docs" / "formats.md"


def test_every_format_is_documented() -> None:
    text = DOCS.read_text(encoding="utf-8")
    for name in ALL:
        assert f"| `{name}` |" in text
        assert f"\n## {name}\n" in text


def test_the_documented_format_of_ones_own_works(
    context: RunContext, make_item: MakeItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FORMATS, "_entries", dict(FORMATS))
    code = (
        DOCS.read_text(encoding="utf-8")
        .split("## A format of your own")[1]
        .split("```python\n")[1]
        .split("```")[0]
    )
    exec(compile(code, "formats.md", "exec"), {})
    FORMATS.get("shares")(context).write(make_item([[0, 1, 1, 255]]))
    shares = json.loads((context.out / "shares/sub/photo.json").read_bytes())
    assert shares == {"0": 0.25, "1": 0.5, "255": 0.25}
