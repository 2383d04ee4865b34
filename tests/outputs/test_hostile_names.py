"""Names of files, classes and models that try to be markup stay text on every page."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from outputs_helpers import MakeItem
from PIL import Image

import ovseg.outputs
from ovseg.evaluation.page import write_results_page
from ovseg.evaluation.pictures import picture_path
from ovseg.evaluation.summary import Summary
from ovseg.outputs import FORMATS, RunContext
from ovseg.outputs.explain_page import ExplainedRegion, SupportMatch, write_explanation
from ovseg.outputs.search_page import write_search_page
from ovseg.outputs.support_sheet import SheetEntry, write_index, write_single_sheet
from ovseg.support.pool.ranking import Dropped, Hit, Ranking
from ovseg.vocabulary import ClassSpec, Vocabulary

HOSTILE = (
    "<script>document.title='hacked'</script>",
    '"><img src=x onerror="document.title=\'hacked\'">',
    "' onmouseover='alert(1)' x='",
    "</style></title></pre><svg onload=alert(1)>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% include 'style.css' %}",
    "</script><!-- & -->",
)
GREY = np.full((6, 8, 3), 128, np.uint8)
TEMPLATES = Path(ovseg.outputs.__file__).parent / "templates"


class Page(HTMLParser):
    """Elements with attributes, all text that is shown, and the contents of script and style elements."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.raw: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.elements and self.cdata_elem in ("script", "style"):
            self.raw.append((self.cdata_elem, data))
        else:
            self.text += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")


def check(path: Path, script: str | None = None) -> Page:
    """Assert that nothing on a page is active but the script of its template, and that links are relative."""
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    tags = [tag for tag, _ in page.elements]
    assert tags.count("style") == tags.count("title") == 1
    assert not {"iframe", "object", "embed", "link", "base", "form"} & set(tags)
    for tag, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        if tag == "img":
            assert (attributes["src"] or "").startswith("data:image/")
        if "href" in attributes:
            address = urlsplit(attributes["href"] or "")
            assert not address.scheme
            assert not address.netloc
            assert address.path
        colours = re.sub(
            r"--[cs]:(#[0-9a-f]{6}|[0-9.]+)|[a-z-]+:[0-9a-z.*/%() ]+|;", "", attributes.get("style") or ""
        )
        assert colours == ""
    scripts = [text.strip() for kind, text in page.raw if kind == "script" and not text.startswith("{")]
    assert scripts == ([] if script is None else [(TEMPLATES / script).read_text(encoding="utf-8").strip()])
    styles = [text.strip() for kind, text in page.raw if kind == "style"]
    assert styles == [(TEMPLATES / "style.css").read_text(encoding="utf-8").strip()]
    policy = next(a["content"] for _, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; img-src data:; ")
    assert ("script-src 'none'" in policy) == (script is None)
    return page


def report(folder: Path, make_item: MakeItem, hostile: str) -> Path:
    vocabulary = Vocabulary((ClassSpec(hostile), ClassSpec("absent " + hostile)), source=hostile)
    context = RunContext(folder, vocabulary)
    writer = FORMATS.get("html")(context)
    names = ("background", hostile, "absent " + hostile)
    items = [
        make_item([[0, 1]], stem=stem, names=names, index=index) for stem, index in (("a", 0), ("b", 999))
    ]
    for item in items:
        object.__setattr__(item, "source", item.source.with_name(hostile.replace("/", "∕") + ".jpg"))
        writer.write(item)
    run: dict[str, Any] = {
        "ovseg": hostile,
        "failures": [{"path": hostile, "reason": hostile}],
        "timings": {hostile: hostile},
        "config": {"segmenter": {"preset": hostile, "device": hostile, "weights": [{hostile: hostile}]}},
    }
    path: Path = writer.finish([item.stem for item in items], run)
    return path


def evaluation(folder: Path, hostile: str) -> Path:
    entry = {"iou": 0.5, "accuracy": 0.5, "boundary_iou": 0.4, "pixel_share": 0.5, "interval": [0.25, 0.75]}
    results: dict[str, Any] = {
        "dataset": {"name": hostile, "background": True},
        "protocol": {"name": hostile},
        "vocabulary": {"source": hostile},
        "predictor": {hostile: hostile},
        "hashes": {"vocabulary": "ab" * 32},
        "leakage": None,
        "ovseg": {"version": hostile},
        "notes": [hostile],
        "images": 1,
        "intervals": {"miou": [0.2, 0.4], "level": 0.95},
        "per_class": {"background": entry, hostile: entry | {"iou": None, "interval": None}},
        "sizes": {hostile: {"miou": 0.5, "pixels": 9}},
        "calibration": {"error": 0.1, "curve": [{"confidence": 0.5, "accuracy": 0.75}]},
    } | dict.fromkeys(
        ("miou", "pixel_accuracy", "mean_accuracy", "frequency_weighted_iou", "boundary_iou"), 0.5
    )
    picture_path(folder, 0).parent.mkdir(parents=True)
    Image.fromarray(GREY).save(picture_path(folder, 0))
    confusion = np.array([[3, 1, 0], [2, 0, 2]])
    write_results_page(folder / "results.html", Summary(results, confusion, {"best": [(0, hostile, 0.5)]}))
    return folder / "results.html"


def explanation(folder: Path, hostile: str) -> Path:
    match = SupportMatch(hostile, hostile, hostile, hostile, hostile, 0.5, 0.5, GREY)
    lost = SupportMatch(hostile, hostile, hostile, hostile, hostile, 0.5, 0.5, None, around=True)
    region = ExplainedRegion(1, hostile, 0.9, 1.0, (hostile, 0.1), (match, lost), ())
    write_explanation(folder / "why.html", hostile, GREY, np.zeros((2, 3), np.int64), [region])
    return folder / "why.html"


def sheet(folder: Path, hostile: str) -> Path:
    metadata = {hostile: hostile, "settings": {"model": {"name": hostile}}, "list": [hostile]}
    entries = [SheetEntry(GREY, hostile, metadata, 0.5), SheetEntry(GREY, hostile, metadata, 0.5, hostile)]
    write_single_sheet(folder / "sheet.html", hostile, hostile, entries)
    return folder / "sheet.html"


def index(folder: Path, hostile: str) -> Path:
    write_index(folder, [(hostile, hostile)])
    return folder / "index.html"


class HostilePool:
    """As much of a pool as the page asks for: one photo that is there, and one that is not."""

    def __init__(self, folder: Path, hostile: str) -> None:
        Image.fromarray(GREY).save(folder / "photo.png")
        self._folder, self._hostile = folder, hostile
        self.entries = [type("Entry", (), {"licence": hostile})()] * 2

    def __len__(self) -> int:
        return 2

    def name(self, photo: int) -> str:
        return self._hostile

    def file(self, photo: int, roots: object) -> Path:
        return self._folder / ("photo.png", "gone.png")[photo]


def search(folder: Path, hostile: str) -> Path:
    hits, dropped = (Hit(0, 0, 0.5, 0.25, 0.1),), (Dropped(Hit(1, 1, 0.4), f"near copy of {hostile}"),)
    pool: Any = HostilePool(folder, hostile)
    write_search_page(folder / "search.html", hostile, pool, Ranking(hits, dropped))
    return folder / "search.html"


PAGES: dict[str, tuple[Callable[[Path, str], Path], str | None]] = {
    "evaluation": (evaluation, None),
    "explanation": (explanation, "explanation.js"),
    "sheet": (sheet, None),
    "index": (index, None),
    "search": (search, None),
}


@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize("name", PAGES)
def test_names_stay_text(tmp_path: Path, name: str, hostile: str) -> None:
    write, script = PAGES[name]
    assert hostile in check(write(tmp_path, hostile), script).text


@pytest.mark.parametrize("hostile", HOSTILE)
def test_names_stay_text_in_the_report(tmp_path: Path, make_item: MakeItem, hostile: str) -> None:
    page = check(report(tmp_path / "out", make_item, hostile), "report.js")
    assert page.text.count(hostile) > 10
    rows = [a["data-name"] for _, a in page.elements if "data-name" in a]
    assert len(rows) == 2
    assert all(hostile.replace("/", "∕") in (row or "") for row in rows)


def test_a_name_that_is_no_utf8_does_not_stop_a_page(tmp_path: Path) -> None:
    for number, (write, script) in enumerate(PAGES.values()):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert "caf\\udce9" in check(write(folder, "caf\udce9"), script).text


BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


@pytest.mark.skipif(BROWSER is None, reason="needs chromium")
def test_a_browser_runs_the_script_of_a_page_and_no_other(tmp_path: Path, make_item: MakeItem) -> None:
    # Even where markup did get in, the policy would not let it act.
    path = report(tmp_path / "out", make_item, HOSTILE[1])
    attack = "<script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">"
    path.write_text(
        path.read_text(encoding="utf-8").replace("</footer>", f"{attack}</footer>"), encoding="utf-8"
    )
    assert BROWSER is not None
    command = [BROWSER, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", "--virtual-time-budget=4000"]
    run = subprocess.run(
        [*command, "--dump-dom", path.as_uri()], capture_output=True, text=True, timeout=180, check=True
    )
    assert "<title>ovseg: 2 images</title>" in run.stdout
    assert "2 of 2 shown" in run.stdout
