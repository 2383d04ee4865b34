"""``ovseg explain``: from regions of a result to support regions, and the page in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_segmenter_bank import CONFIG, bank, ovseg, own_bank, photos, pixels_of, things  # noqa: F401

from ovseg.pipeline import Segmenter
from ovseg.pipeline.explain import SupportPhotos, explain_image
from ovseg.prototypes import PrototypeBank, merge_banks

WORDS = things("tomato", "green frog", has_background=True)
FLAGS = ("--image-size", 64)


def test_each_region_leads_to_its_support(bank: Path, photos: Path, tmp_path: Path) -> None:  # noqa: F811
    from fake_encoders import fake_encoders

    used = Segmenter(fake_encoders(), CONFIG, bank=bank)
    assert used.bank is not None
    pictures = SupportPhotos(used.bank.bank, [tmp_path / "support"])
    regions, explained = explain_image(used, pixels_of(photos / "frog-0.png"), WORDS, pictures)
    assert regions.shape == (8, 12)
    assert sorted(np.unique(regions).tolist()) == list(range(len(explained)))
    frog = next(region for region in explained if region.class_name == "green frog")
    assert regions[3, 7] == explained.index(frog)
    assert frog.runner_up is not None
    assert frog.support[0].class_name == "green frog"
    assert frog.support[0].name.startswith("Green_Frog/")
    assert frog.support[0].similarity > 0.8
    assert frog.support[0].picture is not None
    assert sum(region.share for region in explained) == pytest.approx(1)
    assert not any(match.around for match in frog.support)
    background = next(region for region in explained if region.class_name == "background")
    assert background.support
    assert all(match.around for match in background.support)
    for region in explained:
        assert 0 < region.score <= 1
        assert all(0 < match.share <= 1 for match in region.support)


def test_a_photo_is_known_by_its_hash_only(bank: Path, photos: Path, tmp_path: Path) -> None:  # noqa: F811
    from fake_encoders import fake_encoders

    used = Segmenter(fake_encoders(), CONFIG, bank=bank)
    assert used.bank is not None
    assert SupportPhotos(used.bank.bank).thumbnail(0) is None
    folder = tmp_path / "support"
    of_class = SupportPhotos(used.bank.bank, [folder]).thumbnail(0)
    of_what_is_around = SupportPhotos(used.bank.bank, [folder]).thumbnail(0, around=True)
    assert of_class is not None
    assert of_what_is_around is not None
    _, green, blue = (of_what_is_around.astype(int) - of_class).sum(axis=(0, 1))
    assert blue > 0 > green, "the one is drawn in blue, the other in green"
    support = used.bank.bank.supports[used.bank.bank.regions[0].support]
    shutil.copy(photos / "whale-0.png", folder / support.origin["name"])
    assert SupportPhotos(used.bank.bank, [folder]).thumbnail(0) is None


def test_a_folders_own_bank_knows_the_folder_once(photos: Path, tmp_path: Path) -> None:  # noqa: F811
    from fake_encoders import fake_encoders

    made = own_bank(photos, tmp_path / "own.bank")[1]
    assert made.metadata["root"] == str(photos.resolve())
    assert all(set(record.origin["details"]) == {"confidence", "score", "pixels"} for record in made.supports)

    def finds(bank: PrototypeBank, *folders: Path) -> bool:  # noqa: F811
        used = Segmenter(fake_encoders(), CONFIG, bank=bank).bank
        assert used is not None
        return SupportPhotos(used.bank, folders).thumbnail(0) is not None

    merged = merge_banks([made, made])
    assert finds(made)
    assert finds(merged)
    assert finds(replace(made, metadata={"added": [dict(merged.metadata)]}))
    assert not finds(replace(made, metadata={"root": 3, "merged": 4, "added": [5]}))
    moved = photos.rename(tmp_path / "moved")
    assert not finds(made)
    assert finds(made, moved)


@pytest.fixture
def page(ovseg: Any, bank: Path, photos: Path, tmp_path: Path) -> Path:  # noqa: F811
    out = tmp_path / "why.html"
    result = ovseg(
        "explain", photos / "frog-0.png", "--bank", bank, "-o", out, "--photos", tmp_path / "support", *FLAGS
    )
    assert result.exit_code == 0
    assert result.stdout.strip() == str(out)
    assert "not found" not in result.stderr
    return out


def test_the_page_is_one_file_that_loads_nothing(page: Path) -> None:
    text = page.read_text()
    assert "default-src 'none'" in text
    assert not re.findall(r"(?:src|href)=\"(?!data:)", text)
    assert "Runner-up" in text
    assert "<figcaption>green frog: Green_Frog/" in text
    assert "<figcaption>background of " in text
    assert "similarity 0." in text or "similarity 1." in text


def test_what_is_missing_is_said(ovseg: Any, bank: Path, photos: Path, tmp_path: Path) -> None:  # noqa: F811
    result = ovseg("explain", photos / "frog-0.png", "--bank", bank, "-o", tmp_path / "w.html", *FLAGS)
    assert result.exit_code == 0
    assert "photo not found" in (tmp_path / "w.html").read_text()
    assert re.search(
        r"(\d+) of \1 support photos were not found: add --photos FOLDER",
        result.stderr,
    )
    assert ovseg("explain", photos / "frog-0.png", "-o", tmp_path / "w.html").exit_code == 2
    assert ovseg("explain", photos / "frog-0.png", "--bank", bank).exit_code == 2


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_a_browser_shows_the_region_that_is_clicked(page: Path, tmp_path: Path) -> None:
    # The page as it is, and after it a script that clicks like a user and leaves what it sees in the title.
    probe = """<script>{
      const shown = () => [...document.querySelectorAll("section[data-region]")].filter(s => !s.hidden);
      const box = document.getElementById("picture").getBoundingClientRect();
      const click = (x, y) => document.getElementById("picture").dispatchEvent(new MouseEvent("click",
        {clientX: box.left + x * box.width, clientY: box.top + y * box.height, bubbles: true}));
      click(0.63, 0.4);
      const first = shown().map(s => s.querySelector("h2").textContent).join("|");
      document.querySelectorAll("nav button")[0].click();
      const second = shown().map(s => s.querySelector("h2").textContent).join("|");
      const dark = document.querySelector("canvas").getContext("2d").getImageData(0, 0, 12, 8).data;
      const images = [...document.images].every(i => i.complete && i.naturalWidth > 0);
      document.title = [first, second, dark.some(v => v > 0), images].join(";");
    }</script>"""
    probed = tmp_path / "probe.html"
    text = page.read_text().replace("</body>", f"{probe}</body>")
    # The policy lets no script run but the page's own.
    text, found = re.subn(r"script-src 'sha256-[^']+'", "script-src 'unsafe-inline'", text)
    assert found == 1
    probed.write_text(text)
    assert BROWSER is not None
    command = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000"]
    run = subprocess.run(
        [*command, "--dump-dom", probed.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )
    title = re.search(r"<title>(.*?)</title>", run.stdout)
    assert title is not None
    first, second, dark, images = title.group(1).split(";")
    assert first.startswith("green frog (")
    assert second.count("|") == 0
    assert not second.startswith("green frog")
    assert dark == "true"
    assert images == "true"
