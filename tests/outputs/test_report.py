from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pytest
from outputs_helpers import MakeItem
from PIL import Image

from ovseg.errors import OutputError
from ovseg.outputs import FORMATS, RunContext
from ovseg.outputs.fragments import Fragments
from ovseg.outputs.pages import render
from ovseg.outputs.report import writer as report
from ovseg.outputs.report.content import duration
from ovseg.outputs.report.totals import Totals
from ovseg.vocabulary import ClassSpec, Vocabulary

RUN = {
    "ovseg": "0.1.0",
    "timings": {"started": "2026-01-01T00:00:00+00:00", "seconds": 83.2, "seconds_per_image": 0.42},
    "failures": [{"path": "<b>broken</b>.jpg", "reason": "truncated & \"odd\""}],
    "config": {
        "segmenter": {
            "preset": "offline",
            "device": "cpu",
            "refine": "pamr",
            "weights": [{"name": "dinov2", "licence": "Apache-2.0", "sha256": "ab" * 32}],
        },
    },
}  # fmt: skip


class Page(HTMLParser):
    """Elements with their attributes, and all text that is shown."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str, css_class: str | None = None) -> list[dict[str, str | None]]:
        found = [attrs for name, attrs in self.elements if name == tag]
        return [a for a in found if css_class is None or css_class in (a.get("class") or "").split()]


def make_page(context: RunContext, items: list[Any], run: dict[str, Any] | None = None) -> tuple[str, Page]:
    writer = FORMATS.get("html")(context)
    for item in items:
        writer.write(item)
    path = writer.finish([item.stem for item in items], RUN if run is None else run)
    assert path == context.out / "report.html"
    html = path.read_text(encoding="utf-8")
    return html, Page(html)


def test_page_shows_each_image_with_its_figures(context: RunContext, make_item: MakeItem) -> None:
    one = make_item([[0, 1, 1, 2]] * 4, stem="a/one", confidence=[[0.5, 0.25, 0.75, 1.0]])
    two = make_item([[1, 1, 255, 255]] * 2, stem="two")
    _, page = make_page(context, [one, two])
    cards = page.all("article", "card")
    assert [card["data-name"] for card in cards] == ["a/one.jpg", "two.jpg"]
    assert json.loads(cards[0]["data-labels"] or "") == {"0": [0.25, 0.5], "1": [0.5, 0.5], "2": [0.25, 1.0]}
    assert json.loads(cards[1]["data-labels"] or "") == {"1": [0.5, 0.5], "255": [0.5, 0.5]}
    assert "2 images segmented into 3 classes, of which 2 were found. 1 image could not be read." in page.text
    for text in (
        "offline",
        "cpu",
        "1 min 23 s",
        "Apache-2.0",
        "pamr",
        "<b>broken</b>.jpg",
        'truncated & "odd"',
    ):
        assert text in page.text


def test_pictures_are_inline_and_show_photo_and_layer(context: RunContext, make_item: MakeItem) -> None:
    labels = np.zeros((40, 1000), np.uint8)
    labels[:, 500:] = 1
    _, page = make_page(context, [make_item(labels)])
    photo, layer = page.all("img")
    pictures = []
    for image in (photo, layer):
        kind, data = re.fullmatch(r"data:image/(\w+);base64,(.+)", image["src"] or "").groups()  # type: ignore[union-attr]
        with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
            assert picture.format == kind.upper()
            assert picture.size == (640, 26)
            pictures.append(np.asarray(picture.convert("RGBA")))
    assert pictures[1][10, 100, 3] == 0
    assert pictures[1][10, 600].tolist()[:3] == [128, 0, 0]


def test_page_loads_nothing(context: RunContext, make_item: MakeItem) -> None:
    html, page = make_page(context, [make_item([[0, 1]])])
    assert page.all("meta")[1]["content"].startswith("default-src 'none'; img-src data:;")  # type: ignore[union-attr]
    assert not page.all("link")
    assert all((attrs.get("src") or "data:").startswith("data:") for _, attrs in page.elements)
    assert "http://" not in html
    assert "https://" not in html


def test_names_are_text_and_nothing_else(context: RunContext, make_item: MakeItem) -> None:
    item = make_item([[3, 3], [0, 3]], stem='"><img src=x onerror=alert(1)>')
    html, page = make_page(context, [item], RUN | {"ovseg": "</dd><script>alert(2)</script>"})
    assert len(page.all("script")) == 1  # ours; <script> is a class here
    assert page.text.count("<script>") >= 3
    assert page.all("article")[0]["data-name"] == '"><img src=x onerror=alert(1)>.jpg'
    assert not [attrs for _, attrs in page.elements if "onerror" in attrs]
    assert html.count("<script>") == 1


def test_file_names_that_are_no_utf8_do_not_stop_the_page(context: RunContext, make_item: MakeItem) -> None:
    item = make_item([[1]])
    object.__setattr__(item, "source", item.source.with_name("caf\udce9.jpg"))
    html, _ = make_page(context, [item])
    assert "sub/caf\\udce9.jpg" in html


def test_totals_and_what_is_found_nowhere(context: RunContext, make_item: MakeItem) -> None:
    items = [make_item([[1, 1, 0, 0]], stem="a"), make_item([[1] * 4] * 3, stem="b", confidence=1.0)]
    _, page = make_page(context, items)
    shown = re.sub(r"\s+", " ", page.text)
    assert "cat288 %0.93" in shown  # 2 images, 14 of 16 pixels, (2 * 0.5 + 12 * 1.0) / 14
    assert "Not found in any image: grass, <script>." in shown


def test_many_classes_that_are_nowhere_are_folded_away(tmp_path: Path, make_item: MakeItem) -> None:
    names = ["cat", *(f"thing {number}" for number in range(60))]
    context = RunContext(tmp_path, Vocabulary(tuple(map(ClassSpec, names))))
    html, page = make_page(context, [make_item([[0, 1]], names=("background", *names))])
    assert "Not found in any image 60 classes" in re.sub(r"\s+", " ", page.text)
    folded = re.search(r"<details><summary>Not found in any image.*?</details>", html, re.DOTALL)
    assert folded is not None
    assert "thing 59" in folded[0]
    assert " open" not in folded[0]


def test_only_the_first_images_have_pictures(
    context: RunContext, make_item: MakeItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "PICTURES", 2)
    monkeypatch.setattr(report, "ROWS", 2)
    _, page = make_page(context, [make_item([[0, 1]], stem=f"{i}", index=i) for i in range(6)])
    assert [card["data-name"] for card in page.all("article")] == ["0.jpg", "1.jpg"]
    assert [row["data-name"] for row in page.all("tr") if "data-name" in row] == ["2.jpg", "3.jpg"]
    assert "here are 2 more by name" in page.text
    assert "2 more are in images.jsonl." in page.text
    assert "6 images segmented" in page.text


def test_images_are_read_one_at_a_time_while_the_page_is_written(
    context: RunContext, make_item: MakeItem, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = shown = most_ahead = 0
    fragments = Fragments.read

    def counting(self: Fragments, stems: Iterable[PurePosixPath]) -> Iterator[Any]:
        nonlocal read
        for fragment in fragments(self, stems):
            read += 1
            yield fragment

    def watching(path: Path, template: str, **values: Any) -> Path:
        nonlocal read, shown, most_ahead
        read = 0  # the totals are known
        for piece in render(template, **values):
            shown += piece.count("data-name=")
            most_ahead = max(most_ahead, read - shown)
        return path

    monkeypatch.setattr(report, "PICTURES", 30)
    monkeypatch.setattr(report, "write_page", watching)
    monkeypatch.setattr(Fragments, "read", counting)
    items = [make_item([[0, 1]], stem=f"{i}", index=i) for i in range(60)]
    writer = FORMATS.get("html")(context)
    for item in items:
        writer.write(item)
    writer.finish([item.stem for item in items], {})
    assert read == shown == 60
    assert most_ahead == 1


def test_unknown_confidence_is_left_out(context: RunContext, make_item: MakeItem) -> None:
    context = RunContext(context.out, context.vocabulary, has_confidence=False)
    _, page = make_page(context, [make_item([[1, 0]])])
    assert json.loads(page.all("article")[0]["data-labels"] or "") == {"0": [0.5, None], "1": [0.5, None]}


def test_an_empty_run_still_has_a_page(context: RunContext) -> None:
    _, page = make_page(context, [], {})
    assert "0 images segmented into 3 classes, of which 0 were found." in page.text


def test_a_search_for_objects_is_told_in_photos(context: RunContext, make_item: MakeItem) -> None:
    objects = tuple(ClassSpec(f"object {rank}", kind="thing") for rank in (1, 2, 3))
    context = RunContext(context.out, Vocabulary(objects, source="discovery"))
    items = [make_item([[0, 1]], stem="one"), make_item([[2, 1]], stem="two"), make_item([[0, 0]], stem="no")]
    _, page = make_page(context, items, {})
    assert "3 images searched for at most 3 objects each, found in 2." in page.text


def test_a_lost_fragment_is_one_clear_line(context: RunContext) -> None:
    with pytest.raises(OutputError, match=r"cannot read .*gone\.json.*overwrite=True"):
        FORMATS.get("html")(context).finish([PurePosixPath("gone")], {})


def test_many_failures_are_cut_and_counted(context: RunContext) -> None:
    _, page = make_page(context, [], {"failures": [{"path": f"{i}.jpg", "reason": "no"} for i in range(900)]})
    assert "900 images, the first 500 here, all in run.json" in page.text
    assert "499.jpg" in page.text
    assert "500.jpg" not in page.text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.42, "0.42 s"),
        (3.21, "3.2 s"),
        (37.4, "37 s"),
        (200, "3 min 20 s"),
        (59.7, "1 min 00 s"),
        (7500, "2 h 05 min"),
    ],
)
def test_durations_are_written_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_totals_without_images() -> None:
    assert Totals().share(1) == 0.0
