"""The page from names to masks shows what a bank was made of and what came of it."""

import json
import re

import numpy as np
from PIL import Image

from learned_world.tour import write_tour
from ovseg.prototypes import PrototypeBank, PrototypeTable, SupportRecord, SupportRegion
from ovseg.vocabulary import ClassSpec


def test_the_page_shows_prompts_pictures_prototypes_and_results(tmp_path):
    generated, out = tmp_path / "bank" / "generated", tmp_path / "out"
    generated.mkdir(parents=True)
    (out / "overlays").mkdir(parents=True)
    Image.new("RGB", (16, 16), (200, 30, 30)).save(generated / "a.png")
    Image.new("RGB", (8, 8)).save(out / "overlays" / "scene<1>.jpg")
    (out / "run.json").write_text(json.dumps({"ovseg": "x</pre>y"}))
    origin = {"name": "a.png", "details": {"prompt": "a good picture of a <star>"}}
    masks = [np.eye(2, dtype=bool), np.ones((2, 2), bool)]
    table = PrototypeTable(
        "shape",
        {},
        np.eye(3, dtype=np.float32),
        np.zeros(3, np.int32),
        np.zeros(3, np.uint8),
        np.array([True, True, False]),
        np.array([0, 1, 0], np.int32),
    )
    bank = PrototypeBank(
        (ClassSpec("star"),),
        {"shape": table},
        (SupportRecord(0, origin, (16, 16), (2, 2)),),
        tuple(SupportRegion(0, mask) for mask in masks),
        {"report": [{"name": "star", "used": 1, "rejected": ["b.png"]}]},
    )
    page = write_tour(out, tmp_path / "bank" / "star.bank", bank).read_text(encoding="utf-8")
    assert "<td>a good picture of a &lt;star&gt;</td>" in page
    counts = re.findall(r'<td class="number">(\d+)</td>', page)
    assert counts == ["1", "1", "2", "1"]  # used, rejected, foreground and background prototypes
    assert page.count("data:image/png;base64,") == 1
    assert page.count("data:image/jpeg;base64,") == 1
    assert "scene&lt;1&gt;" in page
    for tag in ("<star>", "scene<1>", "x</pre>y", "<script"):
        assert tag not in page
    assert "script-src 'none'" in page
    assert "x&lt;/pre&gt;y" in page
    assert "../bank/star.bank.sheets/index.html" in page
