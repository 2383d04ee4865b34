"""What pages share: templates that escape, a policy that lets nothing in or out, pictures inside."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from jinja2 import UndefinedError
from PIL import Image

import ovseg
from ovseg.outputs.pages import array_url, counted, data_url, environment, file_url, render, write_page

PACKAGE = Path(ovseg.__file__).parent
FRAME = '{% extends "base.html" %}{% block title %}{{ title }}{% endblock %}{% block content %}{% endblock %}'
TAG = re.compile(
    r"</?(?:a|article|b|body|br|button|canvas|circle|code|dd|details|div|dl|dt|em|figcaption|figure|footer|h\d|head"
    r"|header|hr|html|i|img|input|label|li|line|link|main|meta|nav|ol|option|output|p|path|polyline|pre|rect"
    r"|script|section|select|small|span|strong|style|sub|summary|sup|svg|table|tbody|td|text|th|thead|title|tr|ul)"
    r"(?:\s[^<>\n]*|/)?>"
)


def test_no_markup_is_written_in_python() -> None:
    assert TAG.search('<td class="x">')
    assert TAG.search("</h1>")
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {line.strip()}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if TAG.search(line) or "html import escape" in line
    ]
    assert not found


def test_every_template_escapes_and_is_complete(tmp_path: Path) -> None:
    folder = PACKAGE / "outputs" / "templates"
    for path in folder.glob("*.html"):
        environment().get_template(path.name)
        text = path.read_text(encoding="utf-8")
        assert "|safe" not in text
        assert "autoescape" not in text
    (tmp_path / "mine.html").write_text(FRAME)
    with pytest.raises(UndefinedError, match="'title' is undefined"):
        list(render("mine.html", templates=tmp_path))


def test_a_page_loads_nothing_and_runs_no_script(tmp_path: Path) -> None:
    (tmp_path / "mine.html").write_text(FRAME)
    path = write_page(
        tmp_path / "out" / "page.html", "mine.html", templates=tmp_path, title="a <b> & 'c\udce9"
    )
    page = path.read_text(encoding="utf-8")
    assert page.startswith("<!doctype html>\n")
    assert "<title>a &lt;b&gt; &amp; &#39;c\\udce9</title>" in page
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'none'" in page
    assert "<script" not in page
    style = (PACKAGE / "outputs" / "templates" / "style.css").read_text(encoding="utf-8")
    assert f"<style>\n{style.strip()}\n</style>" in page


def test_only_the_script_of_the_page_may_run(tmp_path: Path) -> None:
    (tmp_path / "mine.js").write_text('document.title = "</scr" + "ipt> & <b>";\n')
    (tmp_path / "mine.html").write_text('{% set script = "mine.js" %}' + FRAME)
    page = "".join(render("mine.html", templates=tmp_path, title=""))
    script = re.search(r"<script>(.*?)</script>", page, re.DOTALL)
    assert script is not None
    assert script[1] == (tmp_path / "mine.js").read_text().strip()
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}';" in page


def test_values_are_read_while_the_page_is_written(tmp_path: Path) -> None:
    (tmp_path / "list.html").write_text(
        '{% extends "base.html" %}{% block title %}x{% endblock %}'
        "{% block content %}{% for one in many %}<p>{{ one }}</p>\n{% endfor %}{% endblock %}"
    )
    read = 0

    def many() -> Iterator[str]:
        nonlocal read
        for number in range(1000):
            read += 1
            yield f"value {number}!"

    pieces = render("list.html", templates=tmp_path, many=many())
    next(pieces)
    written = 0
    for piece in pieces:
        written += piece.count("value ")
        assert read - written <= 1
    assert written == read == 1000


@pytest.mark.parametrize(("kind", "suffix"), [("PNG", "png"), ("JPEG", "jpg")])
def test_pictures_stand_in_the_page_as_they_are_encoded(tmp_path: Path, kind: str, suffix: str) -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8))
    url = data_url(picture, kind)
    path = tmp_path / f"one.{suffix}"
    picture.save(path, kind)
    assert url == file_url(path)
    start, _, data = url.partition(",")
    assert start == f"data:image/{kind.lower()};base64"
    with Image.open(io.BytesIO(base64.b64decode(data))) as shown:
        assert (shown.format, shown.size) == (kind, (7, 5))


def test_arrays_stand_in_the_page_as_jpegs() -> None:
    pixels = np.full((3, 4, 3), 90, np.uint8)
    assert array_url(pixels, 82) == data_url(Image.fromarray(pixels), "JPEG", quality=82)


@pytest.mark.parametrize(("count", "text"), [(0, "0 classes"), (1, "1 class"), (2, "2 classes")])
def test_numbers_have_their_noun(count: int, text: str) -> None:
    assert counted(count, "class") == text
