"""Preview sheets: regions laid over pictures, hostile names, stale files."""

from __future__ import annotations

from html import unescape
from pathlib import Path

import numpy as np

from ovseg.outputs.support_sheet import (
    SheetEntry,
    clear_sheets,
    drawn,
    sheet_name,
    small_picture,
    write_index,
    write_sheet,
)

GREY = np.full((20, 40, 3), 128, np.uint8)


def test_regions_are_green_and_blue_and_the_rest_is_the_picture():
    front, back = np.zeros((2, 4), bool), np.zeros((2, 4), bool)
    front[0, 0], back[1, 3] = True, True
    picture = drawn(GREY, front, back)
    assert picture[5, 5].argmax() == 1
    assert picture[15, 35].argmax() == 2
    np.testing.assert_array_equal(picture[15, 5], [128] * 3)
    np.testing.assert_array_equal(drawn(GREY), GREY)


def test_pictures_are_made_small_and_never_large():
    assert small_picture(np.zeros((1000, 500, 3), np.uint8)).shape == (320, 160, 3)
    assert small_picture(GREY).shape == GREY.shape
    assert small_picture(np.zeros((4000, 2, 3), np.uint8)).shape == (320, 1, 3)


def test_names_of_files_are_plain():
    assert sheet_name(0, "Tv Monitor") == "0001-tv-monitor.html"
    assert sheet_name(11, "../../etc/<b>") == "0012-etc-b.html"
    assert sheet_name(1, "Straße 猫") == "0002-strasse.html"
    assert sheet_name(2, "猫") == "0003-.html"


def test_used_images_come_first_and_nothing_is_markup(tmp_path: Path):
    entries = [
        SheetEntry(GREY, "bad<script>.jpg", {"prompt": "a <i>cat</i>"}, 0.1, "no <cell>"),
        SheetEntry(GREY, "low.jpg", {"seed": 7, "similarity": 0.123456}, 0.2),
        SheetEntry(GREY, "high.jpg", {}, 0.9),
    ]
    write_sheet(tmp_path, 0, "<cat>", "1 of 2 <used>", entries)
    page = (tmp_path / "0001-cat.html").read_text()
    assert page.index("high.jpg") < page.index("low.jpg") < page.index("bad&lt;script&gt;.jpg")
    assert "rejected: no &lt;cell&gt;" in page
    assert "seed 7, similarity 0.123" in page
    for tag in ("<script", "<i>", "<used>", "<cat>", "<cell>"):
        assert tag not in page
    assert page.count('src="data:image/jpeg;base64,') == 3
    write_sheet(tmp_path / "again", 0, "<cat>", "1 of 2 <used>", entries)
    assert (tmp_path / "again" / "0001-cat.html").read_text() == page


def test_a_caption_is_short_and_its_tooltip_has_everything(tmp_path: Path):
    metadata = {
        "source": "diffusion",
        "prompt": 'a "good" picture of a cat',
        "negative_prompt": "blurry",
        "seed": 44,
        "word": "cat",
        "settings": {"model": {"name": "sd15", "identity": "0e71"}, "steps": 30},
        "made_with": {"torch": "2.14.1"},
        "margin": 0.56999,
    }
    name = "diffusion-624a889bed88/cat-07f92787a28a/0000000044.png"
    write_sheet(tmp_path, 0, "cat", "", [SheetEntry(GREY, name, metadata, 0.71)])
    page = (tmp_path / "0001-cat.html").read_text()
    tooltip, caption = page.split('<figcaption title="')[1].split("</figcaption>")[0].split('">', 1)
    assert caption == (
        "…/0000000044.png<br>score 0.71<br>"
        '<span class="soft">source diffusion, prompt a &#34;good&#34; picture of a cat, seed 44, '
        "margin 0.57, model sd15</span>"
    )
    lines = unescape(tooltip).splitlines()
    assert lines[0] == name
    assert "negative_prompt: blurry" in lines
    assert 'made_with: {"torch": "2.14.1"}' in lines
    assert len(lines) == 1 + len(metadata)


def test_the_index_leads_to_the_sheets(tmp_path: Path):
    write_index(tmp_path, [("cat", "2 images"), ("<dog>", "none")])
    page = (tmp_path / "index.html").read_text()
    assert '<a href="0001-cat.html">cat</a>: 2 images' in page
    assert '<a href="0002-dog.html">&lt;dog&gt;</a>: none' in page


def test_only_stale_sheets_and_leftovers_are_removed(tmp_path: Path):
    for name in ("0001-cat.html", "0002-dog.html", "notes.html", "index.html", ".ovseg-tmp-1.html"):
        (tmp_path / name).write_text("x")
    clear_sheets(tmp_path, ["cat"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0001-cat.html", "index.html", "notes.html"]
    clear_sheets(tmp_path / "missing", ["cat"])
